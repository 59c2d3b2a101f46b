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


def test_order_has_no_range_if_a_product_has_none(monkeypatch):
    """A range of the others would be one of a smaller amount."""
    [one] = declared(monkeypatch, short=SHORT.assign(velocity_low=np.nan, velocity_high=np.nan))
    assert one["amount"] == pytest.approx(144.0)
    assert one["low"] is one["high"] is None


@pytest.mark.parametrize(("costs", "value"), [([2.0, 3.0], 5.0), ([2.0, np.nan], 12.0)])
def test_clear_is_valued_at_cost_if_all_costs_are_known(monkeypatch, costs, value):
    dead = pd.DataFrame(
        {
            "sku": ["a", "b"],
            "product": ["A", "B"],
            "ending_units": 3,
            "idle_days": [90, 120],
            "tied_up": [4.0, 8.0],
            "tied_up_at_cost": costs,
        }
    )
    [one] = declared(monkeypatch, short=SHORT.head(0), dead=dead)
    assert (one["amount"], one["per"]) == (value, "once")


def test_pause_counts_the_discounts_of_products_without_another_advice(monkeypatch):
    moved = SHORT.assign(surely_less=[True, True, False, None], discount_given=[30.0, 6.0, 9, 9])
    [one] = declared(monkeypatch, short=SHORT.head(0), moved=moved, taken={"b"})
    assert (list(one["items"]["sku"]), one["amount"]) == (["a"], pytest.approx(10.0))
