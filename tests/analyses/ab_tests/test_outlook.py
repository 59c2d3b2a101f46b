"""The lift that a test can see, and the days that are left."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from d1lab.analyses.ab_tests import outlook
from d1lab.analyses.ab_tests.decision import AbResult
from d1lab.analyses.ab_tests.model import AbPlan, Look, Variant
from d1lab.analyses.ab_tests.rows import AbTest, read_test
from d1lab.stats import power, sequential
from tests.analyses.ab_tests.test_ab_tests import UNTIL
from tests.analyses.ab_tests.test_rows import known

MONEY = {"primary_metric": "revenue"}
FIXED = AbPlan(method="fixed", share_b=0.5, share_declared=True, ended=False)


def read(a: Variant, b: Variant, plan: AbPlan = FIXED, **given: Any) -> AbTest:
    return read_test(known(), [], UNTIL)._replace(a=a, b=b, plan=plan, **given)


def result(**given: Any) -> AbResult:
    return AbResult("running", None, **given)


def test_a_lift_of_a_rate_is_that_of_its_test() -> None:
    """2% of 10,000 visitors each, at the critical value of the look."""
    a, b = Variant(10_000, 200), Variant(10_000, 220)
    alpha = power.two_sided_alpha(2.5)
    expected = power.detectable_rate(0.02, 10_000, 10_000, alpha=alpha) / 0.02 - 1
    assert outlook.detectable_lift(read(a, b), result(critical=2.5)) == pytest.approx(expected)
    assert outlook.detectable_lift(read(a._replace(conversions=0), b), result()) is None


@pytest.mark.parametrize("scale", [1.0, 1e-6])
def test_a_lift_of_money_needs_its_variance_and_no_large_values(scale: float) -> None:
    """The same in another unit of money."""
    money = {"revenue": 5_000.0 * scale, "revenue_squares": 90_000.0 * scale**2}
    a, b = Variant(10_000, 200, **money), Variant(10_000, 220, **money)
    plan = FIXED._replace(primary_metric="revenue")
    error = (2 * (90_000 / 10_000 - 0.25) / 9_999) ** 0.5
    alpha = power.two_sided_alpha(2.5)
    expected = power.detectable_difference(error, alpha=alpha) / 0.5
    found = outlook.detectable_lift(read(a, b, plan), result(critical=2.5))
    assert found == pytest.approx(expected, rel=1e-9)
    unknown = read(a, b._replace(revenue_squares=None), plan)
    assert outlook.detectable_lift(unknown, result(critical=2.5)) is None


@pytest.mark.parametrize(("tuned", "planned"), [(300, None), (None, 40_000), (None, None)])
def test_a_sequence_is_read_where_both_variants_are(tuned: int | None, planned: int | None) -> None:
    """By conversions of both, or visitors of both; it is tuned to the plan."""
    plan = FIXED._replace(
        method="always_valid",
        primary_metric="conversions" if tuned else "revenue",
        tuned_conversions=tuned,
        planned_visitors=planned,
    )
    test = read(Variant(9_000, 100), Variant(11_000, 140), plan)
    n, most = (240, tuned) if tuned else (20_000, planned or sequential.TUNED_VISITORS)
    scale = sequential.mixture_scale(plan.alpha, most)
    expected = sequential.sequence_critical(n, scale, plan.alpha)
    assert outlook.sequence_critical(test) == pytest.approx(float(expected))
    assert outlook.sequence_critical(read(Variant(0, 0), Variant(0, 0), plan)) is None


@pytest.mark.parametrize(
    ("method", "critical", "alpha"),
    [("fixed", None, 0.05), ("fixed", 2.5, 0.0124), ("group_sequential", 2.5, 0.0124),
     ("group_sequential", None, None), ("group_sequential", math.inf, None)],
)  # fmt: skip
def test_a_lift_is_that_of_the_rule_in_use(method: Any, critical: float | None, alpha: Any) -> None:
    """Without a look so far, a test read once has its level, and one with interim looks none."""
    a, b = Variant(9_000, 200), Variant(10_000, 210)
    test = read(a, b, FIXED._replace(method=method, ended=True))
    found = outlook.detectable_lift(test, result(critical=critical))
    if alpha is None:
        assert found is None
    else:
        rate = power.detectable_rate(200 / 9_000, 9_000, 10_000, alpha=alpha) or 0.0
        assert found == pytest.approx(rate / (200 / 9_000) - 1, rel=1e-3)


@pytest.mark.parametrize(
    ("a", "b", "plan"),
    [
        (Variant(None, 200), Variant(9_000, 200), {}),
        (Variant(9_000, 200), Variant(0, 0), {}),
        (Variant(9_000, 9_001), Variant(9_000, 200), {}),
        (Variant(9_000, 200), Variant(9_000, 9_001), {}),
        (Variant(9_000, 9_000), Variant(9_000, 200), {}),
        (Variant(9_000, 200), Variant(9_000, 200), {"unit": "day"}),
        (Variant(9_000, 200, -5.0, 900.0), Variant(9_000, 200, 9.0, 900.0), MONEY),
        (Variant(9_000, 200, 0.0, 0.0), Variant(9_000, 200, 0.0, 0.0), MONEY),
        (Variant(9_000, 200, 9_000.0, 9_000.0), Variant(9_000, 200, 9_000.0, 9_000.0), MONEY),
    ],
)
def test_without_rates_or_variance_there_is_no_lift(a: Variant, b: Variant, plan: Any) -> None:
    """Unknown or impossible visitors, a rate of 1, days, and money that is not above 0 or flat."""
    test = read(a, b, FIXED._replace(**plan))
    assert outlook.detectable_lift(test, result(critical=2.0)) is None


def test_a_sequence_of_conversions_without_a_plan_has_the_weight_of_its_prior() -> None:
    """By conversions if a share is declared, as its e-process; else by visitors."""
    plan = FIXED._replace(method="always_valid")
    test = read(Variant(9_000, 100), Variant(11_000, 140), plan)
    scale = (sequential.CONCENTRATION + 1) ** -0.5
    expected = float(sequential.sequence_critical(240, scale))
    assert outlook.sequence_critical(test) == pytest.approx(expected)
    assert outlook.detectable_lift(test, result()) == pytest.approx(
        (power.detectable_rate(1 / 90, 9_000, 11_000, alpha=power.two_sided_alpha(expected)) or 0)
        * 90 - 1
    )  # fmt: skip
    for own, unit in (
        (plan._replace(share_declared=False), 20_000),
        (plan._replace(share_declared=False, tuned_conversions=300, planned_visitors=9), 20_000),
        (plan._replace(share_declared=False, tuned_conversions=300), 240),
        (plan._replace(tuned_conversions=300, planned_visitors=9), 240),
    ):
        tuned = 300 if unit == 240 else own.planned_visitors or sequential.TUNED_VISITORS
        scale = sequential.mixture_scale(0.05, tuned)
        found = outlook.sequence_critical(test._replace(plan=own))
        assert found == pytest.approx(float(sequential.sequence_critical(unit, scale))), own


@pytest.mark.parametrize(
    ("plan", "given", "days"),
    [
        ({"ended": True}, {}, None),
        ({"method": "always_valid"}, {}, None),
        ({}, {"winner": "b"}, None),
        ({}, {}, 5),
        ({"planned_visitors": 1_000}, {}, 3),  # 400 on the first day, and 600 to come
        ({"planned_visitors": 400}, {}, 0),
    ],
)
def test_days_are_left_until_the_planned_end_or_visitors(plan: Any, given: Any, days: Any) -> None:
    """Of a test that runs, has an end, and is not decided."""
    a, b = Variant(100, 1), Variant(300, 1)
    test = read(a, b, FIXED._replace(**plan), planned_end=UNTIL + timedelta(days=5), days=(UNTIL,))
    if days == 3:
        seen = (UNTIL - timedelta(days=1), UNTIL)
        test = test._replace(looks=(Look(Variant(50, 1), Variant(150, 1)),), days=seen)
    assert outlook.days_left(test, result(**given), UNTIL) == days


def test_a_planned_end_that_has_passed_leaves_no_day() -> None:
    late = read(Variant(9, 1), Variant(9, 1), planned_end=UNTIL - timedelta(days=1))
    assert outlook.days_left(late, result(), UNTIL) == 0
    assert outlook.days_left(late._replace(planned_end=None), result(), UNTIL) is None
    unseen = read(Variant(None, 1), Variant(None, 1), FIXED._replace(planned_visitors=9))
    seen = (UNTIL - timedelta(days=1), UNTIL)
    shown = unseen._replace(looks=(Look(Variant(None, 1), Variant(None, 1)),), days=seen)
    assert outlook.days_left(shown, result(), UNTIL) is None  # no traffic is known


@pytest.mark.parametrize(("looks", "days"), [(3, 26), (20, 13)])
def test_days_left_come_from_the_last_seven_days(looks: int, days: int) -> None:
    """100 visitors a day, and 200 on each of the last seven; or 200 on each of four days."""
    seen = [100 * (day + 1) for day in range(looks - 6)] if looks > 6 else []
    while len(seen) < looks:
        seen.append((seen[-1] if seen else 0) + 200)
    shown = tuple(Look(Variant(n // 2, 1), Variant(n - n // 2, 1)) for n in seen)
    now = seen[-1] + 200
    plan = FIXED._replace(planned_visitors=now + 200 * days)
    dates = tuple(UNTIL - timedelta(days=age) for age in reversed(range(looks + 1)))
    test = read(Variant(now // 2, 1), Variant(now - now // 2, 1), plan, looks=shown, days=dates)
    assert outlook.days_left(test, result(), UNTIL) == days


@pytest.mark.parametrize(
    ("seen", "last", "days"),
    [
        ([(14, 100), (6, 200), (3, 300)], 0, 15),  # 300 visitors in the last week
        ([(14, 100), (7, 200)], 0, 22),
        ([(2, 200)], 0, 5),  # the test is three days old
        ([(14, 100), (6, 200)], 3, 15),  # three days without a visitor since
        ([(30, 100)], 14, None),
    ],
)
def test_days_without_visitors_count(seen: Any, last: int, days: int | None) -> None:
    """Daily sums have no row on such a day: 400 visitors so far, and 601 to come."""
    ages = [*(age for age, _ in seen), last]
    test = read(
        Variant(200, 1),
        Variant(200, 1),
        FIXED._replace(planned_visitors=1_001),
        looks=tuple(Look(Variant(n // 2, 1), Variant(n // 2, 1)) for _, n in seen),
        days=tuple(UNTIL - timedelta(days=age) for age in ages),
    )
    assert outlook.days_left(test, result(), UNTIL) == days
