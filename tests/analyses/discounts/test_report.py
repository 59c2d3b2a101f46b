"""Content of the reports on discounts and products: headlines, figures, and tables."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from d1lab.analyses.discount_effect.cannibalization import Cannibalization
from d1lab.analyses.discount_effect.exposure import WeeklySales
from d1lab.analyses.discount_effect.pooling import OF_SHOP, OWN, estimate
from d1lab.analyses.discounts import products_report, report
from d1lab.analyses.discounts.earnings import BaselineShare

NOT_TAKEN = Cannibalization(None, None, None, None, 3, 2, 9, "few_categories")
TAKEN = Cannibalization(-0.2, -0.3, -0.1, 0.4, 30, 12, 900, None)
SHOP: Any = SimpleNamespace(
    reason=None, lift=0.5, low=0.2, high=0.9, depth=0.2, skus=12, weeks=400, slope=-2.0,
    slope_low=-3.0, slope_high=-1.0, raw_lift=0.7,
)  # fmt: skip


def test_the_headline_has_amount_uses_and_days():
    shown = pd.DataFrame({"metric": ["uses", "savings"], "value": [1234.0, 567.0]})
    assert report.verdict(shown, 30, "USD")["text"] == (
        "Discounts totaled $567 on 1,234 order lines in the last 30 days."
    )


@pytest.mark.parametrize(
    ("low", "high", "is_shown"),
    [
        (-0.3, -0.1, True),
        (0.1, 0.3, True),
        (-0.1, 0.0, False),
        (0.0, 0.1, False),
        (None, None, False),
    ],
)
def test_what_a_category_loses_is_beside_the_lift_if_it_is_sure(low, high, is_shown):
    taken = TAKEN._replace(low=low, high=high)
    assert report._is_shown(taken) == is_shown
    if low is None:
        return
    told = report.from_category(taken)
    assert ("Not significant." in told) != is_shown
    assert "30 products in 12 categories, 900 product-weeks." in told
    stacking = pd.DataFrame({"stacked": ["1"], "orders": [4], "with_full_price": [1]})
    whole = pd.DataFrame({"customers": [1], "new_customers": [1]})
    found: Any = SimpleNamespace(
        stacking=stacking, whole=whole, baseline=BaselineShare(0.1, 0.2), shop=SHOP, taken=taken
    )
    lift, *rest = report.figures(found)
    assert [one["metric"] for one in rest] == [
        "anyway_share",
        "stacked_share",
        "new_customer_share",
    ]
    assert (lift["value"], lift["low"], lift["high"]) == (0.5, 0.2, 0.9)
    assert lift["note"].startswith("at 20% off on average, 12 products, 400 product-weeks. Assoc")
    assert ("While 40% of their category" in lift["note"]) == is_shown


def test_products_sold_below_cost_are_listed_with_those_not_checked():
    skus = pd.DataFrame(
        {"sku": list("abc"), "margin_after": [-1.0, -2.0, np.nan], "name": ["A", "B", "C"]}
    )
    found: Any = SimpleNamespace(by_sku=skus)
    table = report.below_cost(found, {"a"})
    assert table.frame["sku"].tolist() == ["b"]
    assert table.note == "Without a unit cost, and so not checked: 1 discounted product."
    known: Any = SimpleNamespace(by_sku=skus[:2])
    assert report.below_cost(known, set()).note == ""
    assert report.below_cost(known, set()).frame["sku"].tolist() == ["b", "a"]


def test_tables_of_codes_have_their_weeks_and_no_id():
    codes = pd.DataFrame({"discount_id": ["a", "b"], "discount": ["A", "B"]})
    weeks = pd.DataFrame({"discount_id": ["b"], "weekly_savings": [[1.0, 2.0]]})
    shown = report.top_codes(codes, weeks).frame
    assert list(shown) == ["discount", "weekly_savings"]
    assert shown["weekly_savings"].isna().tolist() == [True, False]
    measures = pd.DataFrame(
        {
            "measure": ["uses", "discounts"], "value": [10.0, 2.0], "before": [5.0, np.nan],
            "squares": [10.0, np.nan], "squares_before": [5.0, np.nan], "days": 30,
            "active_days": [9, np.nan],
        }
    )  # fmt: skip
    board = report.dashboard(measures, 30)
    assert board["metric"].tolist() == ["uses", "discounts"]
    assert list(board) == ["metric", "value", "note"]
    assert "the 30 days before" in board["note"].iloc[0]


def test_a_study_joins_levels_and_names_its_launches(tiny_lab):
    """Each level has its own rows; a launch has the name of its discount."""
    period = {"until": "2026-05-08", "days": 97}
    earned = tiny_lab.metric("discount_earnings", **period)
    found = report.study(
        earned=earned,
        discounts=estimate(tiny_lab.metric("discount_weeks", **period)),
        stacking=tiny_lab.metric("discount_stacking", **period),
        codes=tiny_lab.metric("leaking_codes", **period),
    )
    for level, rows in (
        ("discount", found.by_discount), ("code", found.by_code), ("sku", found.by_sku),
        ("all", found.whole),
    ):  # fmt: skip
        assert set(rows["level"]) == {level}
        assert len(rows) == (earned["level"] == level).sum()
    assert found.launches["name"].tolist() == found.launches["discount_id"].tolist() != []
    assert found.taken.reason == "no_categories"
    assert found.baseline == (None, None)
    assert len(found.stacking) > 1
    assert len(found.codes) == 2
    assert set(report.tables(found)) == {
        "cost", "sku_cost", "code_cost", "lift", "sku_lift", "code_lift", "leaks", "launches",
        "stacking",
    }  # fmt: skip
    none = report.lift_chart(found)
    assert len(none.frame) == found.by_discount["observed_lift"].notna().sum()


def _products(count: int) -> tuple[Any, Any]:
    """Products by revenue, of which every second has a slope of its own."""
    names = [f"p{n:02}" for n in range(count)]
    sold = pd.DataFrame(
        {
            "sku": names, "product": names, "units": 20, "units_with": 2, "revenue": 90.0,
            "revenue_with": 9.0, "savings": 1.0, "share_of_units": 0.1, "category": None,
            "margin": np.nan, "product_title": names,
        }
    )  # fmt: skip
    sold.loc[sold.index[-12:], "share_of_units"] = 0.9
    slopes = pd.DataFrame(
        {
            "sku": names, "slope": np.arange(count) / 10 - 4.0, "slope_low": -5.0,
            "slope_high": -1.0, "basis": [OWN if n % 2 else OF_SHOP for n in range(count)],
        }
    )  # fmt: skip
    units = np.ones((count, 30))
    history = SimpleNamespace(skus=np.array(names), sales=WeeklySales(units, 10 * units, 0 * units))
    return sold, SimpleNamespace(history=history, shop=SHOP, products=SimpleNamespace(skus=slopes))


def test_product_lists_and_their_details():
    """Elasticities of products with weeks of their own; the first rows of each list come first."""
    sold, found = _products(60)
    shown = products_report.tables(sold, found)
    assert shown["price"].frame["sku"].tolist() == [f"p{n:02}" for n in range(1, 60, 2)]
    assert len(shown["alone"].frame) == 48
    assert len(shown["dependent"].frame) == 12
    assert shown["categories"].frame.empty
    assert shown["all"].frame["weekly_units"].map(len).tolist() == [13] * 60
    values = {one["metric"]: one["value"] for one in products_report.figures(sold, found)}
    assert values == {
        "products_alone": 48, "products_dependent": 12, "savings": 60.0, "elasticity": -2.0,
    }  # fmt: skip
    details = products_report.details(sold, found, {"p03": "Order it"}).frame
    first = [*range(10), *range(48, 58), *range(11, 20, 2), 10, 12, 14, 58, 59]
    assert details["sku"].tolist() == [f"p{n:02}" for n in (*first, 21, 23, 25, 27, 29)]
    assert details["advice"].tolist().count("Order it") == 1
    assert details.set_index("sku").loc["p03", "advice"] == "Order it"
    assert details["slope"].notna().tolist() == [int(sku[1:]) % 2 == 1 for sku in details["sku"]]
    assert details["weekly_units"].map(len).tolist() == [26] * len(details)
    chart = products_report.price_chart(sold, found).frame
    assert chart["sku"].tolist() == [f"p{n:02}" for n in range(1, 41, 2)]
    with_margin = sold.assign(category="tea", margin=5.0)
    assert products_report.tables(with_margin, found)["categories"].columns.endswith("margin_rate")
    assert products_report.verdict(sold, found, 90)["text"].startswith("10% of revenue was")
