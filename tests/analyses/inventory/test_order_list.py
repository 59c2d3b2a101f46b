"""The list of products to order: by profit at risk, with what they sold lately."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from d1lab.analyses.inventory import order_list
from d1lab.analyses.inventory.study import Assumptions

SHORT = pd.DataFrame(
    {
        "sku": ["a", "b", "c", "d"],
        "velocity": [2.0, 1.0, 5.0, 1.0],
        "unit_price": [10.0, 4.0, 3.0, 9.0],
        "unit_cost": [6.0, 5.0, np.nan, 8.0],
        "order_units": [50, 20, 90, np.nan],
    }
)
WEEKS = pd.DataFrame(
    {
        "sku": ["a", "c"],
        "weeks": 104,
        "ago_weeks": [np.array([0, 1]), np.array([23])],
        "units": [np.array([6.0, 4.0]), np.array([9.0])],
        "depth": [np.array([0.25, 0.0]), np.array([0.5])],
    }
)


def test_profit_at_risk_is_that_of_the_days_after_a_delivery():
    """16 days after 14: a sells at 4 profit, b at a loss, c without a known cost."""
    found = order_list.profit_at_risk(SHORT, 14)
    assert found.tolist() == pytest.approx([128.0, 0.0, np.nan, 16.0], nan_ok=True)
    assert order_list.profit_at_risk(SHORT, 45).fillna(0).sum() == 0


def test_most_profit_at_risk_comes_first(monkeypatch):
    """A product without a known cost is last, however much it sells."""
    monkeypatch.setattr(order_list.tables, "short", lambda _: SHORT)
    study: Any = SimpleNamespace(plan=Assumptions(), weeks=WEEKS)
    listed = order_list.order_list(study).set_index("sku")
    assert list(listed.index) == ["a", "d", "b", "c"]
    assert listed["order_cost"].tolist() == pytest.approx([300, np.nan, 100, np.nan], nan_ok=True)
    assert listed.loc["a", "weekly_units"] == [0] * 11 + [4, 6]
    assert listed.loc["c", "weekly_units"] == [0] * 13  # its sale was 23 weeks ago


def test_products_of_equal_profit_stay_in_the_order_of_their_supply(monkeypatch):
    many = pd.concat([SHORT[:2]] * 20, ignore_index=True)
    many["sku"] = [f"s{n:02}" for n in range(40)]
    monkeypatch.setattr(order_list.tables, "short", lambda _: many)
    study: Any = SimpleNamespace(plan=Assumptions(), weeks=WEEKS)
    listed = order_list.order_list(study)["sku"].tolist()
    assert listed == [f"s{n:02}" for n in (*range(0, 40, 2), *range(1, 40, 2))]


def test_weekly_values_are_those_of_the_last_weeks():
    """Whole numbers stay whole; a missing value is 0."""
    study: Any = SimpleNamespace(weeks=WEEKS)
    assert order_list.weekly(study, ["c", "a"], "depth", 2) == [[0, 0], [0, 0.25]]
    thirds: Any = SimpleNamespace(weeks=WEEKS.assign(depth=[np.full(2, 1 / 3), np.full(1, 1 / 3)]))
    assert order_list.weekly(thirds, ["a", "none"], "depth", 1) == [[0.333], [0]]
