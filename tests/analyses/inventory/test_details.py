"""Details of products: those of the lists, each once, and what is known of each."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from d1lab.analyses.inventory import details
from d1lab.analyses.inventory.study import Assumptions

PRODUCTS = pd.DataFrame(
    {
        "sku": [f"p{n}" for n in range(30)],
        "velocity": 2.0,
        "unit_price": 10.0,
        "unit_cost": 6.0,
        "days_of_supply": np.arange(30.0),
        "idle_days": np.arange(30),
        "forecast_reason": [None, "no_demand"] * 15,
    }
)
WEEKS = pd.DataFrame(
    {"sku": ["p0", "p1"], "weeks": 10, "ago_weeks": [np.zeros(1, int)] * 2}
).assign(units=[np.array([3.0]), np.array([4.0])], depth=[np.array([0.2]), np.array([0.0])])


@pytest.fixture
def shown(monkeypatch):
    """Details of a shop with 14 products to order, p20 and p3 to clear, and p21 discounted."""
    moved = PRODUCTS[21:22].assign(share_of_units=0.5, velocity_discounted=2, velocity_regular=1)
    monkeypatch.setattr(details, "order_list", lambda _: PRODUCTS[:14])
    monkeypatch.setattr(details.tables, "dead", lambda _: PRODUCTS.iloc[[20, 3, 14]])
    monkeypatch.setattr(details.tables, "moved", lambda _: moved)
    study: Any = SimpleNamespace(products=PRODUCTS, weeks=WEEKS, plan=Assumptions())
    return details.products(study, {"p0": "Order it"}).set_index("sku")


def test_products_shown_first_come_first(shown):
    """The first ten of each list, then the rest; no product twice."""
    rest = ["p20", "p14", "p21", "p10", "p11", "p12", "p13"]
    assert list(shown.index) == [f"p{n}" for n in range(10)] + rest


def test_details_of_a_product(shown):
    """Advice, sales, discounts, and profit at risk; what is not known is empty."""
    first, second, cleared, moved = (shown.loc[sku] for sku in ("p0", "p1", "p20", "p21"))
    assert (first["advice"], second["advice"]) == ("Order it", "")
    assert first["weekly_units"] == [0] * 25 + [3]
    assert (first["weekly_discount"], second["weekly_discount"]) == ([0] * 25 + [20], None)
    assert first["profit_at_risk"] == pytest.approx(2 * 16 * 4)
    assert np.isnan(cleared["profit_at_risk"])  # 20 days of supply
    assert np.isnan(shown.loc["p14", "profit_at_risk"])  # as long as a delivery takes
    assert shown.loc["p13", "profit_at_risk"] == pytest.approx(128)
    assert np.isnan(first["idle_days"])
    assert second["idle_days"] == 1
    assert (first["why"], second["why"]) == ("", "no sale in any week with known demand")
    assert (moved["share_of_units"], np.isnan(first["share_of_units"])) == (0.5, True)


def test_at_most_200_products_have_details(monkeypatch):
    """The first ten of each list are among them."""
    many = pd.concat([PRODUCTS] * 8, ignore_index=True)
    many["sku"] = [f"p{n}" for n in range(len(many))]
    monkeypatch.setattr(details, "order_list", lambda _: many[:230])
    monkeypatch.setattr(details.tables, "dead", lambda _: many[220:])
    moved = many[:0].assign(share_of_units=[], velocity_discounted=[], velocity_regular=[])
    monkeypatch.setattr(details.tables, "moved", lambda _: moved)
    study: Any = SimpleNamespace(products=many, weeks=WEEKS, plan=Assumptions())
    shown = details.products(study, {})["sku"]
    assert len(shown) == 200
    assert shown[10:20].tolist() == [f"p{n}" for n in range(220, 230)]
