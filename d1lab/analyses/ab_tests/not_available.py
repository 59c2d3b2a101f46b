"""Reasons why a metric has no p-value: the "not available" cases of the decision table."""

from __future__ import annotations

from typing import NamedTuple

from d1lab.analyses.ab_tests.model import AbPlan, Metric, Variant, splits_unevenly, sums

MIN_CONVERSIONS = 25
"""Minimum per variant for a confidence sequence of money and for a winner by counts only."""


MIN_UNEVEN_BUYERS = 150
"""Minimum of buyers in the smaller variant for money at an uneven split.

From here on, intervals cover 93% to 97% at 90/10, even with log-normal order values of sd 2."""


class NotAvailable(NamedTuple):
    """Status and reason of a result that is not available."""

    status: str
    reason: str


def not_available(metric: Metric, a: Variant, b: Variant, plan: AbPlan) -> NotAvailable | None:
    """Return the reason why these sums allow no p-value, or None if they do.

    Args:
        metric: Metric to compare.
        a: Totals of A at the last look; visitors are known for both variants or for neither.
        b: Totals of B.
        plan: Source of the method and the declared share.
    """
    if None in (getattr(a, metric), getattr(b, metric)):
        return NotAvailable("insufficient_data", f"{metric} is missing for at least one variant")
    if a.visitors is None and plan.declared_share is None:
        reason = (
            "visitors are unknown and the traffic split was not declared before the test started"
        )
        return NotAvailable(
            "not_declared", (f"{reason}; more conversions could simply mean more visitors")
        )
    if 0 in (a.visitors, b.visitors):
        return NotAvailable("insufficient_data", "a variant has no visitors")
    repeats = unknown_repeats(a, plan)
    if repeats:
        return repeats
    if metric == "conversions":
        return _counts_not_available(a, b, plan)
    return _money_not_available(metric, a, b, plan)


def sequence_not_available(
    metric: Metric, a: Variant, b: Variant, plan: AbPlan
) -> NotAvailable | None:
    """Return why the asymptotic sequence cannot start with these sums, if it is the method."""
    exact = metric == "conversions" and plan.declared_share is not None  # the e-process
    if plan.method != "always_valid" or exact:
        return None
    if a.visitors is None:
        return NotAvailable(
            "insufficient_data", (f"monitoring {metric} during the test requires visitor counts")
        )
    few = few_conversions(a, b)
    return NotAvailable("insufficient_data", few) if few else None


def few_buyers(a: Variant, b: Variant, plan: AbPlan) -> str | None:
    """Return a reason if the split is uneven and a variant has too few buyers for money."""
    if not splits_unevenly(a, b, plan.declared_share):
        return None
    needed = f"at least {MIN_UNEVEN_BUYERS} are required at an uneven split"
    if None in (a.conversions, b.conversions):
        return f"the buyers of each variant are unknown; {needed}"
    repeats = plan.count_inflation or 1.0 if a.visitors is None else 1.0
    fewest = min(int((variant.conversions or 0) / repeats) for variant in (a, b))
    return None if fewest >= MIN_UNEVEN_BUYERS else f"one variant has {fewest} buyers; {needed}"


def few_conversions(a: Variant, b: Variant, inflation: float = 1.0) -> str | None:
    """Return a reason if a variant has too few conversions, else None.

    Args:
        a: Totals of A.
        b: Totals of B.
        inflation: Factor by which customers who order again inflate counts.
    """
    fewest = min(int((variant.conversions or 0) / inflation) for variant in (a, b))
    if fewest >= MIN_CONVERSIONS:
        return None
    return f"one variant has {fewest} conversions; at least {MIN_CONVERSIONS} are required"


def unknown_repeats(a: Variant, plan: AbPlan) -> NotAvailable | None:
    """Return a reason if counts without visitors may hold several orders of one customer."""
    if a.visitors is not None or plan.count_inflation is not None:
        return None
    return NotAvailable(
        "insufficient_data",
        "conversions may include several orders of one customer, and the shop's own orders during "
        "the test do not show how often",
    )


def _counts_not_available(a: Variant, b: Variant, plan: AbPlan) -> NotAvailable | None:
    converted = (a.conversions or 0) + (b.conversions or 0)
    if converted == 0:
        return NotAvailable("insufficient_data", "no conversions in either variant")
    if a.visitors is not None and converted == a.visitors + (b.visitors or 0):
        return NotAvailable("zero_variance", "every visitor converted in both variants")
    return sequence_not_available("conversions", a, b, plan)


def _money_not_available(
    metric: Metric, a: Variant, b: Variant, plan: AbPlan
) -> NotAvailable | None:
    squares = [getattr(variant, f"{metric}_squares") for variant in (a, b)]
    if None in squares:
        reason = f"{metric} totals are not enough for a test; sums of squares are missing"
        return NotAvailable("insufficient_data", reason)
    few = few_conversions(a, b)
    if a.visitors is None and few:
        return NotAvailable("insufficient_data", few)
    late = sequence_not_available(metric, a, b, plan)
    if late:
        return late
    uneven = few_buyers(a, b, plan)
    if uneven:
        return NotAvailable("insufficient_data", uneven)
    if not all(squares) if a.visitors is None else _flat(metric, a, b):
        return NotAvailable(
            "zero_variance", f"{metric} is the same for every visitor within a variant"
        )
    return None


def _flat(metric: Metric, a: Variant, b: Variant) -> bool:
    return any(sums([variant], metric).variance[0] <= 0 for variant in (a, b))
