"""Effect on one metric of an A/B test: method, p-value, and intervals consistent with it.

The method depends on the plan and the available inputs, both fixed before the test starts:

    conversions  visitors known      score test, exact for small counts; Miettinen-Nurminen
                 share declared      exact binomial on B's share of the conversions
                 always valid        Beta-Binomial e-process if a share is declared
    money        visitors known      Welch, Fieller
                 share declared      compound Poisson, Fieller
                 always valid        asymptotic confidence sequence (also for conversions
                                                     without a declared share)

With several looks, the p-value is the smallest valid one, and the interval is the intersection of
the intervals of all looks. An exact p-value and an interval by inversion can disagree near alpha:
the p-value decides, and the interval is cut at, or extended to, the null value.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from d1lab.analyses.ab_tests.conclusion import Effect, LookEffects, conclude, over_looks
from d1lab.analyses.ab_tests.looks import Timeline
from d1lab.analyses.ab_tests.model import (
    AbPlan,
    Metric,
    Variant,
    adjusted_means,
    money_means,
    rates,
    sums,
    uneven,
    variance_saved,
)
from d1lab.analyses.ab_tests.not_available import few_buyers, not_available, sequence_not_available
from d1lab.stats import exact, means, proportions, sequential

Floats = NDArray[np.float64]

SMALL_EXPECTED = 10
"""Minimum expected conversions (and non-conversions) per variant; below it, tests are exact."""


def effect(metric: Metric, line: Timeline, plan: AbPlan) -> Effect:
    """Compute the effect of B vs. A on one metric, over all looks.

    Args:
        metric: Metric to compare.
        line: The looks, oldest first; at least one.
        plan: Source of method, alpha, and share; `line.critical` has the other inputs.
    """
    known = points(metric, line.a[-1], line.b[-1], plan.declared_share)
    blank = Effect(metric, **known)
    missing = not_available(metric, line.a[-1], line.b[-1], plan)
    if missing:
        return blank._replace(status=missing.status, reason=missing.reason)
    return conclude(blank, effects_at_looks(metric, line, plan)[0], plan.alpha)


def points(metric: Metric, a: Variant, b: Variant, share_b: float | None) -> dict[str, Any]:
    """Return values per visitor or unit of declared exposure, their difference, and ratio.

    Args:
        metric: Metric of the values.
        a: Totals of A.
        b: Totals of B.
        share_b: B's declared share, or None.
    """
    total_a, total_b = getattr(a, metric), getattr(b, metric)
    if total_a is None or total_b is None:
        return {}
    if a.visitors and b.visitors:
        adjusted = adjusted_means(metric, [a], [b])
        values = total_a / a.visitors, total_b / b.visitors
        if adjusted is not None:
            values = float(adjusted.a[0]), float(adjusted.b[0])
        known = {"value_a": values[0], "value_b": values[1], "difference": values[1] - values[0]}
    elif share_b is not None and None in (a.visitors, b.visitors):
        values, known = (total_a / (1 - share_b), total_b / share_b), {}
    else:
        return {}
    return known | {"ratio": values[1] / values[0] if values[0] > 0 else None}


def effects_at_looks(metric: Metric, line: Timeline, plan: AbPlan) -> tuple[LookEffects, list[int]]:
    """Compute the effect on one metric at each usable look.

    Args:
        metric: Metric for which `not_available` returns None at the last look.
        line: The looks, oldest first.
        plan: Source of method, alpha, and share.
    """
    variants = zip(line.a, line.b, strict=True)
    kept = [place for place, pair in enumerate(variants) if _usable(metric, *pair, plan)]
    return _effects_at_looks(metric, line.only(kept), plan), kept


def _usable(metric: Metric, a: Variant, b: Variant, plan: AbPlan) -> bool:
    if None in (getattr(a, metric), getattr(b, metric)) or 0 in (a.visitors, b.visitors):
        return False
    if sequence_not_available(metric, a, b, plan):
        return False
    if metric == "conversions":
        return True
    if few_buyers(a, b, plan):
        return False
    if a.visitors is None:
        return True
    squares = f"{metric}_squares"
    known = None not in (getattr(a, squares), getattr(b, squares))
    return known and all(sums([variant], metric).variance[0] > 0 for variant in (a, b))


def _effects_at_looks(metric: Metric, line: Timeline, plan: AbPlan) -> LookEffects:
    share = plan.declared_share
    if plan.method == "always_valid":
        if metric == "conversions" and share is not None:
            return _beta_binomial(line, plan, share)
        return _sequence(metric, line, plan)
    if metric != "conversions":
        return _money(metric, line, plan, share)
    if line.a[-1].visitors is not None:
        return _rates(line, plan)
    return _counts(line, plan, share or 0.5)


def _rates(line: Timeline, plan: AbPlan) -> LookEffects:
    counts = rates(line.a, line.b)
    p, method = _rates_p(counts)
    sign = np.sign(counts.rate_b - counts.rate_a)
    return LookEffects(
        method,
        *over_looks(p, sign, line, plan),
        line.critical,
        proportions.difference_interval(counts, line.critical),
        proportions.ratio_interval(counts, line.critical),
    )


def _rates_p(counts: proportions.Rates) -> tuple[Floats, str]:
    """Return the two-sided p-value at each look and the method of the last look."""
    p, method = proportions.score_p(counts), "score"
    for look in np.flatnonzero(proportions.smallest_expected(counts) < SMALL_EXPECTED):
        xa, na, xb, nb = (int(column[look]) for column in counts)
        barnard = (na + 1) * (nb + 1) <= exact.BARNARD_TABLES
        p[look] = (exact.barnard_p if barnard else exact.fisher_p)(xa, na, xb, nb)
        if look == len(p) - 1:
            method = "barnard" if barnard else "fisher"
    return p, method


def _counts(line: Timeline, plan: AbPlan, share: float) -> LookEffects:
    from scipy.special import ndtr

    alphas: Floats = 2 * ndtr(-np.asarray(line.critical))
    of_a, of_b = (np.rint(_buyers(column, plan)).astype(int) for column in (line.a, line.b))
    tests = [
        exact.binomial_test(int(b), int(a + b), share, float(alpha))
        for a, b, alpha in zip(of_a, of_b, alphas, strict=True)
    ]
    p, mid_p, low, high = (np.array(column) for column in zip(*tests, strict=True))
    sign = np.sign([_odds_side(a, b, share) for a, b in zip(line.a, line.b, strict=True)])
    ends = sequential.rate_ratio(low, share), sequential.rate_ratio(high, share)
    mid = float(mid_p[-1]) if plan.method == "fixed" and not line.is_cut_short else None
    found = over_looks(p, sign, line, plan)
    return LookEffects("binomial", *found, line.critical, None, ends, mid)


def _odds_side(a: Variant, b: Variant, share: float) -> float:
    return (b.conversions or 0) * (1 - share) - (a.conversions or 0) * share


def _money(metric: Metric, line: Timeline, plan: AbPlan, share: float | None) -> LookEffects:
    both = money_means(metric, line.a, line.b, share, plan.money_inflation)
    split = uneven(metric, line.a, line.b, share, plan.money_inflation)
    saved = variance_saved(metric, line.a, line.b)
    of_counted = "welch" if saved is None else "cuped"
    if split is None and plan.method == "group_sequential":
        both = _counting_buyers(both, line)
    counted = line.a[-1].visitors is not None
    p = np.nan_to_num(means.p_value(both), nan=1.0)
    apart = split.difference_interval if split else partial(means.difference_interval, both)
    return LookEffects(
        "pooled" if split else of_counted if counted else "compound_poisson",
        *over_looks(p, np.sign(both.b - both.a), line, plan),
        line.critical,
        apart(line.critical) if counted else None,
        means.ratio_interval(both, line.critical),
        variance_saved=saved,
    )


def _counting_buyers(both: means.Means, line: Timeline) -> means.Means:
    """Return the means with the degrees of freedom of the buyers, if they are known."""
    buyers = [[variant.conversions for variant in variants] for variants in (line.a, line.b)]
    if None in (*buyers[0], *buyers[1]):
        return both
    return means.counting_buyers(both, *np.array(buyers, dtype=float))


def _buyers(variants: Sequence[Variant], plan: AbPlan) -> Floats:
    """Return conversions, deflated if they can include several orders of one customer."""
    counts = np.array([variant.conversions or 0 for variant in variants], dtype=np.float64)
    return counts / (plan.count_inflation or 1.0) if variants[-1].visitors is None else counts


def _beta_binomial(line: Timeline, plan: AbPlan, share: float) -> LookEffects:
    a, b, alpha = _buyers(line.a, plan), _buyers(line.b, plan), plan.alpha
    weight = sequential.CONCENTRATION
    if plan.tuned_conversions:
        weight = sequential.tuned_concentration(plan.tuned_conversions, alpha)
    factor = sequential.log_bayes_factor(a, b, share, concentration=weight)
    ends = sequential.share_interval(a, b, share, alpha, weight)
    low, high = (sequential.rate_ratio(end, share) for end in ends)
    return LookEffects(
        "beta_binomial",
        float(sequential.e_process_p(factor).min()),
        np.sign(b * (1 - share) - a * share) * np.maximum(factor, 0.0),
        np.full(len(a), -np.log(alpha)),
        _at_overall_rate(line, ends, share),
        (low, high),
    )


def _at_overall_rate(
    line: Timeline, ends: tuple[Floats, Floats], share: float
) -> tuple[Floats, Floats] | None:
    """Convert shares of the conversions to differences in rates, at the pooled rate."""
    if line.a[-1].visitors is None:
        return None
    xa, na, xb, nb = rates(line.a, line.b)
    overall = (xa + xb) / (na + nb)
    low, high = (overall * (theta / share - (1 - theta) / (1 - share)) for theta in ends)
    return low, high


def _sequence(metric: Metric, line: Timeline, plan: AbPlan) -> LookEffects:
    a, b = sums(line.a, metric), sums(line.b, metric)
    is_rate = metric == "conversions"
    both = means.welch(a, b) if is_rate else money_means(metric, line.a, line.b, None)
    both = both._replace(freedom=np.full(len(line.a), np.inf))
    n, tuned = a.n + b.n, float(plan.planned_visitors or sequential.TUNED_VISITORS)
    if plan.tuned_conversions and not plan.planned_visitors:
        # Conversions accumulate like visitors, and the shop's orders tell how many to expect.
        n = np.array([_conversions(look) for look in zip(line.a, line.b, strict=True)])
        tuned = float(plan.tuned_conversions)
    scale = sequential.mixture_scale(plan.alpha, tuned)
    z = np.nan_to_num(means.t_statistic(both))
    critical = sequential.sequence_critical(n, scale, plan.alpha)
    return LookEffects(
        "asymptotic_sequence",
        float(sequential.sequence_p(z, n, scale).min()),
        z,
        critical,
        means.difference_interval(both, critical),
        means.ratio_interval(both, critical),
        variance_saved=variance_saved(metric, line.a, line.b),
    )


def _conversions(look: tuple[Variant, Variant]) -> float:
    return float(sum(variant.conversions or 0 for variant in look))
