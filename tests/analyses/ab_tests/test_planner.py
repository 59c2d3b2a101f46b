"""Days and visitors of the next test, from a shop's orders."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

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
