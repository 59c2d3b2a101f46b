"""Actions of the discount, product, and recommendation reports."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from d1lab.analyses.discounts.actions import of_discounts, of_products, of_recommendations
from d1lab.analyses.discounts.total_gain import total_gain


def found(**leaks: bool | None) -> SimpleNamespace:
    skus = pd.DataFrame(
        {
            "sku": ["a", "b", "c", "d"],
            "name": ["A", "B", "C", "D"],
            "depth": 0.3,
            "margin_before": [10.0, 5.0, -1.0, 4.0],
            "margin_after": [-20.0, 3.0, -40.0, None],
        }
    )
    codes = pd.DataFrame({"discount_code": list(leaks), "leaks": pd.Series(leaks.values())})
    by_code = pd.DataFrame({"discount_code": ["X", "Y"], "customers": 9, "savings": [50.0, 5.0]})
    return SimpleNamespace(by_sku=skus, by_code=by_code, codes=codes)


def test_products_sold_below_cost_lose_what_the_period_lost_per_30_days():
    [one] = of_discounts(found(), 60, taken=set())
    assert (one["verb"], one["amount"]) == ("Cap", pytest.approx(30.0))
    assert list(one["items"]["sku"]) == ["c", "a"]
    assert list(one["items"]["amount"]) == pytest.approx([20.0, 10.0])
    assert one["reason"] == "1 of them would earn money at list price. Worst: C."


def test_products_with_an_earlier_advice_are_left_out():
    [one] = of_discounts(found(), 30, taken={"c"})
    assert (list(one["items"]["sku"]), one["amount"]) == (["a"], pytest.approx(20.0))
    assert one["reason"].startswith("All of them")
    even = found()
    even.by_sku["margin_before"] = 0.0
    [one] = of_discounts(even, 30, taken=set())
    assert one["reason"].startswith("0 of them")
    assert list(of_discounts(found(), 30, taken={"a", "c"})) == []


def test_leaking_codes_give_away_at_most_their_discounts():
    _, one = of_discounts(found(X=True, Y=False), 60, taken=set())
    assert (one["verb"], one["at_most"], one["amount"]) == ("Check", True, 25.0)
    assert one["items"].to_dict("records") == [
        {"discount_code": "X", "customers": 9, "amount": 25.0}
    ]
    assert len(list(of_discounts(found(X=None), 30, taken=set()))) == 1


SOLD = pd.DataFrame(
    {
        "sku": ["full", "none", "helped", "few"],
        "product": ["Full", "None", "Helped", "Few"],
        "units": [20, 20, 20, 5],
        "share_of_units": [0.1, 0.0, 0.9, 1.0],
        "savings": [9.0, 0.0, 70.0, 3.0],
    }
)


def test_products_at_full_price_and_those_that_hardly_sell_without_a_discount():
    keep, without = of_products(SOLD, 90, taken=set())
    assert list(keep["items"]["sku"]) == ["full"]
    assert (keep["amount"], keep["at_most"]) == (pytest.approx(3.0), True)
    assert keep["items"]["amount"].tolist() == pytest.approx([3.0])
    assert keep["reason"] == (
        "At least 80% of their units sell without a discount. 1 other gave nothing away, or "
        "another advice comes first."
    )
    assert (without["key"], list(without["items"]["sku"])) == ("test-without", ["helped"])
    assert "amount" not in without
    assert without["reason"].endswith("is not known.")
    more = pd.concat([SOLD[:1], SOLD[2:], SOLD.assign(sku=["b", "n", "h", "f"], savings=9.0)])
    keep, without = of_products(more, 90, taken={"n", "h"})
    assert list(keep["items"]["sku"]) == ["b", "full"]  # equal amounts
    assert keep["reason"].endswith("1 other gave nothing away, or another advice comes first.")
    assert without["reason"].endswith("is not known. For 1 other, another advice comes first.")
    keep, _ = of_products(SOLD[SOLD["sku"] != "none"], 90, taken=set())
    assert keep["reason"].endswith("without a discount.")
    assert list(of_products(SOLD, 90, taken={"full", "helped"})) == []


ADVISED = pd.DataFrame(
    {
        "sku": ["a", "b", "c", "d"],
        "product": ["A", "B", "C", "D"],
        "decision": ["discount", "discount", "test", "test"],
        "reason": ["gain", "gain", "unsure", "always_on"],
        "depth": [0.2, 0.3, 0.1, None],
        "gain": [28.0, 14.0, 5.0, None],
        "regular_units": 10,
        "unit_price": 10.0,
        "unit_cost": 4.0,
        "slope": -3.0,
        "slope_error": 0.5,
        "error_shared": 0.1,
        "error_by_width": 0.1,
        "drawn_with": 0,
        "drift": 0.0,
        "plan_orders": 100,
        "plan_days": 14,
    }
)


def test_recommended_discounts_gain_the_sum_per_30_days():
    discount, test, learn = of_recommendations(ADVISED, 28, taken=set())
    _, low, high = total_gain(ADVISED[:2])
    ends = (discount["amount"], discount["low"], discount["high"])
    assert ends == pytest.approx((45.0, low * 30 / 28, high * 30 / 28))
    assert (test["key"], list(test["items"]["sku"])) == ("test-discount", ["c"])
    assert (learn["key"], list(learn["items"]["sku"])) == ("test-always", ["d"])
    assert not {"amount"} & {*test, *learn}
    assert discount["items"]["amount"].tolist() == pytest.approx([30.0, 15.0])
    assert learn["reason"].endswith("is not known.")
    [learn] = of_recommendations(ADVISED.assign(reason="always_on"), 28, taken={"a", "b", "c"})
    assert learn["reason"].endswith("is not known. For 1 other, another advice comes first.")
    assert list(of_recommendations(ADVISED, 28, taken=set("abcd"))) == []
