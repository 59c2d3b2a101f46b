"""Outlook of a test: the lift that its rule can detect so far, and its remaining days."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from d1lab.analyses.ab_tests.decision import AbResult
from d1lab.analyses.ab_tests.looks import visitors_of
from d1lab.analyses.ab_tests.model import AbPlan, money_means
from d1lab.analyses.ab_tests.rows import AbTest
from d1lab.analyses.ab_tests.validation import variant_error
from d1lab.stats import power, sequential

RECENT_DAYS = 7
"""Number of recent days used to compute the traffic per day."""


def detectable_lift(test: AbTest, result: AbResult) -> float | None:
    """Return the lift of the primary metric that these visitors detect with 80% power.

    It is that of the rule in use at the last look: its critical value is larger than that of a test
    read once.
    """
    a, b, metric = test.a, test.b, test.plan.primary_metric
    if test.plan.unit != "visitor":
        return None
    if not a.visitors or not b.visitors or variant_error(a) or variant_error(b):
        return None
    critical = _critical(test, result)
    if critical is None:
        return None
    alpha = power.two_sided_alpha(critical)
    if metric == "conversions":
        rate = (a.conversions or 0) / a.visitors
        found = power.detectable_rate(rate, a.visitors, b.visitors, alpha=alpha)
        return None if found is None else found / rate - 1
    if None in [getattr(one, f"{metric}_squares") for one in (a, b)]:
        return None
    both = money_means(metric, [a], [b], None)
    base, error = float(both.a[0]), float(both.error[0])
    if base <= 0 or error <= 0:
        return None
    return power.detectable_difference(error, alpha=alpha) / base


def _critical(test: AbTest, result: AbResult) -> float | None:
    """Return the |z| that the rule requires at the last look; None if no look counts yet."""
    if test.plan.method == "always_valid":
        return sequence_critical(test)
    if result.critical is not None:
        return result.critical if np.isfinite(result.critical) else None
    return power.critical_z(test.plan.alpha) if test.plan.method == "fixed" else None


def sequence_critical(test: AbTest) -> float | None:
    """Return the |z| that an always-valid method requires at the last look.

    The e-process of conversions has about the width of the sequence with the same prior.
    """
    plan = test.plan
    conversions = (test.a.conversions or 0) + (test.b.conversions or 0)
    n, tuned = _units(plan, conversions, visitors_of(test.a, test.b))
    if not n > 0:
        return None
    scale = sequential.mixture_scale(plan.alpha, tuned)
    return float(sequential.sequence_critical(n, scale, plan.alpha))


def _units(plan: AbPlan, conversions: int, visitors: int) -> tuple[float, float]:
    """Return the progress of a sequence and where it is narrowest, in the same unit."""
    is_exact = plan.primary_metric == "conversions" and plan.declared_share is not None
    if plan.tuned_conversions and (is_exact or not plan.planned_visitors):
        return float(conversions), float(plan.tuned_conversions)
    if is_exact:
        scale = sequential.mixture_scale(plan.alpha, 1.0)
        return float(conversions), scale**2 * (sequential.CONCENTRATION + 1)
    return float(visitors), float(plan.planned_visitors or sequential.TUNED_VISITORS)


def days_left(test: AbTest, result: AbResult, until: date) -> int | None:
    """Return the days until the planned visitors or the planned end; None if neither is planned."""
    if test.plan.ended or result.winner or test.plan.method == "always_valid":
        return None
    if test.plan.planned_visitors:
        now = visitors_of(test.a, test.b)
        return power.days_left(test.plan.planned_visitors, now, _per_day(test, now, until))
    return max((test.planned_end - until).days, 0) if test.planned_end else None


def _per_day(test: AbTest, now: int, until: date) -> float:
    """Return the visitors per day of the last days, or since the start if only totals are known.

    A day without a row had no visitors.
    """
    if test.plan.totals_only:
        return now / ((until - test.first_day).days + 1) if test.first_day else 0.0
    begin = max(test.days[0], until - timedelta(days=RECENT_DAYS - 1))
    seen = [*(visitors_of(look.a, look.b) for look in test.looks), now]
    before = [count for count, day in zip(seen, test.days, strict=True) if day < begin]
    return (now - max(before, default=0)) / ((until - begin).days + 1)
