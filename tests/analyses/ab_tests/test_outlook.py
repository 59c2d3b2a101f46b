"""The lift that a test can see, and the days that are left."""

from __future__ import annotations

from typing import Any

import pytest

from d1lab.analyses.ab_tests import outlook
from d1lab.analyses.ab_tests.decision import AbResult
from d1lab.analyses.ab_tests.model import AbPlan, Look, Variant
from d1lab.analyses.ab_tests.rows import AbTest, read_test
from d1lab.stats import power, sequential
from tests.analyses.ab_tests.test_ab_tests import UNTIL
from tests.analyses.ab_tests.test_rows import known

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


@pytest.mark.parametrize(("looks", "days"), [(3, 26), (20, 13)])
def test_days_left_come_from_the_last_seven_days(looks: int, days: int) -> None:
    """100 visitors a day, and 200 on each of the last seven; or 200 on each of four days."""
    seen = [100 * (day + 1) for day in range(looks - 6)] if looks > 6 else []
    while len(seen) < looks:
        seen.append((seen[-1] if seen else 0) + 200)
    shown = tuple(Look(Variant(n // 2, 1), Variant(n - n // 2, 1)) for n in seen)
    now = seen[-1] + 200
    plan = FIXED._replace(planned_visitors=now + 200 * days)
    test = read(Variant(now // 2, 1), Variant(now - now // 2, 1), plan, looks=shown)
    assert outlook.days_left(test, result(), UNTIL) == days
