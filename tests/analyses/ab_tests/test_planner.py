"""Days and visitors of the next test, from a shop's orders."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest
from scipy import stats

from d1lab.analyses.ab_tests import planner, report
from d1lab.errors import InputError
from d1lab.lab import Lab
from d1lab.stats.power import inflation, sample_size

ROW: dict[str, Any] = {
    "orders": 2_800,
    "orders_per_day": 50.0,
    "rate": 0.02,
    "revenue": 140_000.0,
    "revenue_squares": 2_800 * 5_000.0,
    "orders_with_cost": 2_800,
    "profit": 56_000.0,
    "profit_squares": 2_800 * 1_200.0,
}


def test_the_plan_agrees_with_the_sample_size_of_two_rates() -> None:
    """2% to 2.2%: the visitors of a test read once, times the factor of weekly looks."""
    one = planner.plan(planner.traffic(ROW), [0.1])[0]
    exact = sample_size(0.02, 0.022, inflation=inflation([k / 20 for k in range(1, 21)]))
    assert (one.metric, one.rule) == ("conversions", "with an end")
    assert one.visitors == pytest.approx(exact.visitors_a + exact.visitors_b, rel=0.06)
    assert one.days == 70  # 50 orders a day, in whole weeks
    assert one.orders == pytest.approx((one.visitors or 0) * 0.02 * 1.05, rel=0.01)


def test_money_needs_its_variance_and_no_end_needs_more() -> None:
    """Order values have E[v^2] / E[v]^2 = 2, profits 3: twice and three times the orders."""
    plans = {(one.metric, one.rule): one for one in planner.plan(planner.traffic(ROW), [0.2])}
    base = plans["conversions", "with an end"].orders
    assert plans["revenue", "with an end"].orders == pytest.approx(2 * base, rel=0.03)
    assert plans["profit", "with an end"].orders == pytest.approx(3 * base, rel=0.04)
    endless = plans["conversions", "without an end"].orders
    assert 1.6 < endless / base < 1.75


def test_what_is_not_known_is_left_out() -> None:
    """No visitors, costs of half of the orders, and a lift that takes more than a year."""
    shop = planner.traffic({**ROW, "rate": None, "orders_with_cost": 1_400})
    assert set(shop.spread) == {"conversions", "revenue"}
    one = planner.plan(shop, [0.01])[0]
    assert (one.visitors, one.days, one.reason) == (None, None, "more than a year")
    assert "more than a year" in planner.sentence([one])
    assert planner.traffic(ROW, rate=0.05).rate == 0.05


def test_a_shop_with_few_orders_has_no_plan() -> None:
    """49 orders in eight weeks do not tell how orders vary."""
    with pytest.raises(InputError, match="at least 50"):
        planner.traffic({**ROW, "orders": 49})
    assert report.plan_table(pd.DataFrame([{**ROW, "orders": 49}])) is None


@pytest.mark.parametrize("given", [{"alpha": 0.9}, {"share_b": 1.0}, {"power_wanted": 1.0}])
def test_impossible_wishes_are_refused(given: dict[str, float]) -> None:
    """As in the calculator of sample sizes."""
    with pytest.raises(InputError):
        planner.plan(planner.traffic(ROW), **given)  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="lift"):
        planner.plan(planner.traffic(ROW), [0.0])


def test_the_traffic_of_the_tiny_warehouse(tiny_lab: Lab) -> None:
    """The metric has one row; its rate is that of the test's daily sums."""
    [row] = tiny_lab.metric("ab_test_traffic", until=tiny_lab.as_of()).to_dict("records")
    assert row["rate"] == pytest.approx(115 / 1_005)
    assert row["orders_per_day"] == row["orders"] / 56


@pytest.mark.parametrize(
    ("changed", "known", "spread"),
    [
        ({}, 0.02, {"conversions": 1, "revenue": 2, "profit": 3}),
        ({"rate": 0.0}, None, None),
        ({"rate": 1.0}, None, None),
        ({"rate": 1.5}, None, None),
        ({"rate": 0.999}, 0.999, None),
        ({"orders_with_cost": 2_520}, 0.02, {"conversions": 1, "revenue": 2, "profit": 2.7}),
        ({"orders_with_cost": 2_519}, 0.02, {"conversions": 1, "revenue": 2}),
        ({"orders_with_cost": 0}, 0.02, {"conversions": 1, "revenue": 2}),
        ({"revenue": 0.0, "profit": -1.0}, 0.02, {"conversions": 1}),
        ({"revenue": None, "profit_squares": None}, 0.02, {"conversions": 1}),
        ({"revenue_squares": 0.0}, 0.02, {"conversions": 1, "revenue": 1, "profit": 3}),
    ],
)
def test_traffic_has_the_spread_of_what_most_orders_have(changed, known, spread):
    """Profit counts from 90% of the orders on; a rate is inside 0 to 1."""
    shop = planner.traffic({**ROW, **changed})
    assert (shop.rate, shop.orders_per_day) == (known, 50.0)
    if spread:
        assert shop.spread == pytest.approx(spread)


@pytest.mark.parametrize("orders", [0, None, 49, 50])
def test_50_orders_are_enough(orders):
    if orders == 50:
        assert planner.traffic({**ROW, "orders": orders}).rate == 0.02
    else:
        with pytest.raises(InputError, match=f"no plan: {orders or 0} orders in eight weeks"):
            planner.traffic({**ROW, "orders": orders})


@pytest.mark.parametrize(
    ("lift", "share", "power", "alpha", "rate"),
    [(0.2, 0.5, 0.8, 0.05, 0.02), (-0.2, 0.3, 0.9, 0.01, 0.05), (0.5, 0.5, 0.8, 0.05, None)],
)
def test_sizes_by_hand(lift, share, power, alpha, rate):
    """c (1 / (1 - s) + (1 + lift) / s) (z / lift)^2 orders at A's rate, and B's own lift."""
    shop = planner.Traffic(50.0, rate, {"revenue": 2.0})
    z = stats.norm.isf(alpha / 2) + stats.norm.isf(1 - power)
    fixed = (2 - (rate or 0)) * (1 / (1 - share) + (1 + lift) / share) * (z / lift) ** 2
    looks = math.ceil(fixed / 50 / 7)
    factors = (
        inflation([k / looks for k in range(1, looks + 1)], power=power, alpha=alpha),
        planner.endless_inflation(power, alpha),
    )
    found = planner.plan(shop, [lift], power_wanted=power, alpha=alpha, share_b=share)
    for one, rule, factor in zip(found, ("with an end", "without an end"), factors, strict=True):
        needed = fixed * factor
        visitors = None if rate is None else math.ceil(needed / rate)
        assert one == planner.SizedTest(
            "revenue", lift, rule, math.ceil(needed * (1 + share * lift)), visitors,
            math.ceil(needed / 50 / 7) * 7,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("lift", "given"),
    [(-1.0, {}), (0.0, {}), (0.1, {"share_b": 0.0}), (0.1, {"share_b": 1.0}),
     (0.1, {"alpha": 0.0}), (0.1, {"alpha": 0.8}), (0.1, {"power_wanted": 1.0})],
)  # fmt: skip
def test_wishes_at_their_limits_are_refused(lift, given):
    with pytest.raises(InputError):
        planner.plan(planner.traffic(ROW), [lift], **given)


def test_a_test_of_a_year_is_planned_and_a_longer_one_is_not():
    """364 days are 52 weeks; so are the looks, at most. A short test has one look."""
    needed = planner.plan(planner.Traffic(1.0, None, {"revenue": 2.0}), [0.2])[0]
    assert (needed.days, needed.reason) == (None, "more than a year")
    true = needed.orders / (1 + 0.5 * 0.2)
    year = planner.plan(planner.Traffic(true / 363.5, None, {"revenue": 2.0}), [0.2])[0]
    assert (year.days, year.reason) == (364, None)
    more = planner.plan(planner.Traffic(true / 365.5, None, {"revenue": 2.0}), [0.2])[0]
    assert more.days is None
    quick = planner.plan(planner.Traffic(1e6, None, {"revenue": 2.0}), [0.2])[0]
    assert quick.days == 7
    z = stats.norm.isf(0.025) + stats.norm.isf(0.2)
    assert quick.orders == pytest.approx(2 * (2 + 1.2 / 0.5) * (z / 0.2) ** 2 * 1.1, abs=1)


def test_the_sentence_is_of_the_first_lift_above_5_percent_by_conversions():
    one = planner.SizedTest("conversions", 0.05, "with an end", 9, 1_000, 28)
    tests = [
        one._replace(metric="revenue", lift=0.1), one, one._replace(lift=0.1, days=56),
        one._replace(lift=0.2, days=7), one._replace(lift=0.1, rule="without an end"),
    ]  # fmt: skip
    said = "A lift of +10% in conversions takes 56 days (1,000 visitors) to detect."
    assert planner.sentence(tests) == said
    unknown = one._replace(visitors=None)
    assert planner.sentence([unknown]) == "A lift of +5% in conversions takes 28 days to detect."


def test_rows_have_the_columns_of_the_table():
    one = planner.SizedTest("profit", 0.05, "with an end", 9, None, 28)
    assert planner.rows([one]) == [
        {"metric": "profit", "lift": 0.05, "rule": "with an end", "needed_days": 28,
         "needed_orders": 9, "needed_visitors": None},
    ]  # fmt: skip
