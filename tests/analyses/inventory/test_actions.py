"""Actions of the inventory report: what an order today still saves, and what is tied up."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from d1lab.analyses.inventory import actions
from d1lab.analyses.inventory.study import Assumptions

SHORT = pd.DataFrame(
    {
        "sku": ["a", "b", "c", "d"],
        "product": ["A", "B", "C", "D"],
        "velocity": [2.0, 1.0, 5.0, 1.0],
        "velocity_low": [1.0, 0.5, np.nan, 0.0],
        "velocity_high": [4.0, 2.0, np.nan, 2.0],
        "unit_price": [10.0, 4.0, 3.0, 9.0],
        "unit_cost": [6.0, 5.0, np.nan, 8.0],
        "ending_units": [4, 0, 9, 3],
        "days_of_supply": [2.0, 0.0, 1.8, 3.0],
        "order_units": [50, 20, 90, 10],
        "why": "",
    }
)


def declared(monkeypatch, *, short: Any, dead: Any = None, moved: Any = None, taken=()) -> list:
    dead = SHORT.head(0) if dead is None else dead
    moved = SHORT.head(0).assign(surely_less=[], discount_given=[]) if moved is None else moved
    for name, frame in (("short", short), ("dead", dead), ("moved", moved)):
        monkeypatch.setattr(actions.frames, name, lambda _, frame=frame: frame)
    study: Any = SimpleNamespace(plan=Assumptions(), days=90)
    return list(actions.declared(study, taken))


def test_order_names_the_products_and_how_many_costs_are_known(monkeypatch):
    [one] = declared(monkeypatch, short=SHORT)
    assert (one["amount"], one["meaning"]) == (pytest.approx(144.0), "at risk")
    assert one["what"] == "{items} before they run out"
    [alone] = declared(monkeypatch, short=SHORT.head(1))
    assert alone["what"] == "{items} before it runs out"
    assert (one["low"], one["high"]) == (pytest.approx(64.0), pytest.approx(288.0))
    assert one["reason"] == (
        "A delivery takes 14 days. 1 out of stock already. Pause discounts meanwhile. "
        "Unit cost known for 3."
    )
    assert list(one["items"].columns[:2]) == ["sku", "product"]


def test_order_without_a_known_cost_has_no_amount(monkeypatch):
    [one] = declared(monkeypatch, short=SHORT.assign(unit_cost=np.nan))
    assert one["amount"] is one["low"] is one["high"] is None
    assert "Unit cost" not in one["reason"]


def test_order_says_only_what_there_is(monkeypatch):
    """All costs known, and two oversold; or some stock of each."""
    [one] = declared(monkeypatch, short=SHORT[:2].assign(ending_units=[-1, 0]))
    assert one["reason"] == (
        "A delivery takes 14 days. 2 out of stock already. Pause discounts meanwhile."
    )
    assert one["items"]["amount"].tolist() == pytest.approx([2.0 * 16 * 4, 0.0])
    [one] = declared(monkeypatch, short=SHORT[:1])
    assert one["reason"] == "A delivery takes 14 days. Pause discounts meanwhile."
    [one] = declared(monkeypatch, short=SHORT[:1].assign(ending_units=1))
    assert "out of stock" not in one["reason"]


def test_order_has_no_range_if_a_product_has_none(monkeypatch):
    """A range of the others would be one of a smaller amount."""
    [one] = declared(monkeypatch, short=SHORT.assign(velocity_low=np.nan, velocity_high=np.nan))
    assert one["amount"] == pytest.approx(144.0)
    assert one["low"] is one["high"] is None


@pytest.mark.parametrize(
    ("costs", "prices", "value", "basis"),
    [
        ([2.0, 3.0], [4.0, 8.0], 5.0, "at cost"),
        ([2.0, np.nan], [4.0, 8.0], 12.0, "at the selling price"),
        ([2.0, np.nan], [np.nan, 8.0], 8.0, "at the selling price"),
        ([2.0, np.nan], [np.nan, np.nan], None, "at the selling price"),
    ],
)
def test_clear_is_valued_at_cost_if_all_costs_are_known(monkeypatch, costs, prices, value, basis):
    dead = pd.DataFrame(
        {
            "sku": ["a", "b"],
            "product": ["A", "B"],
            "ending_units": 3,
            "idle_days": [120, 90],
            "tied_up": prices,
            "tied_up_at_cost": costs,
        }
    )
    [one] = declared(monkeypatch, short=SHORT.head(0), dead=dead)
    assert (one["amount"], one["per"]) == (value, "once")
    assert one["reason"] == f"In stock, but not sold for 90 days or more. Valued {basis}."
    worth = costs if basis == "at cost" else prices
    assert one["items"]["amount"].tolist() == pytest.approx(worth, nan_ok=True)


def test_pause_counts_the_discounts_of_products_without_another_advice(monkeypatch):
    moved = SHORT.assign(surely_less=[True, True, False, None], discount_given=[30.0, 6.0, 9, 9])
    [one] = declared(monkeypatch, short=SHORT.head(0), moved=moved, taken={"b"})
    assert (list(one["items"]["sku"]), one["amount"]) == (["a"], pytest.approx(10.0))
    assert one["items"]["amount"].tolist() == pytest.approx([10.0])


def test_nothing_to_do_is_no_action(monkeypatch):
    assert declared(monkeypatch, short=SHORT.head(0)) == []
