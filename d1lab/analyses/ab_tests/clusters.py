"""Tests randomised by cluster: every visitor of a store, a city, or a day sees one variant.

Visitors of a cluster resemble each other, so the clusters are the observations: the mean per
visitor of each one, with the degrees of freedom of the clusters. Every cluster counts once,
whatever its size. Donner & Klar (2000), Design and Analysis of Cluster Randomization Trials in
Health Research, 6.3. `make certify` measures the error rates.

In D1, a test with `unit` = 'day' (a switchback) has one variant each day in `ab_test_daily`. It is
read once, at its end. Other clusters need rows: `exposures.scan_clusters`.

The days must have been drawn at random, because days in a row resemble each other, and so do those
of a weekday: with each variant for a week at a time, 15% of tests without an effect had a winner.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from d1lab.analyses.ab_tests.conclusion import Effect, LookEffects, conclude, over_looks
from d1lab.analyses.ab_tests.effects import effect
from d1lab.analyses.ab_tests.looks import Timeline
from d1lab.analyses.ab_tests.model import AbPlan, Look, Metric
from d1lab.stats.means import (
    Means,
    Sums,
    difference_interval,
    p_value,
    ratio_interval,
    welch,
)
from d1lab.stats.random_order import by_weekday_p, changes, few_changes_p
from d1lab.stats.uneven import EVEN_SHARE, exchanged

MIN_CLUSTERS = 8
"""Minimum per variant."""

NOT_AT_RANDOM = 0.01
"""p-value below which an order of days was not drawn at random, by its changes or its weekdays."""


def cluster_means(a: Sums, b: Sums) -> Means:
    """Return the means of both variants' clusters, with pooled variances at an uneven number.

    With 8 clusters beside 40 of correlated visitors, Welch's test had 14% false positives.

    Args:
        a: Sums over the clusters of A.
        b: Sums over the clusters of B.
    """
    few = np.minimum(a.n, b.n) < EVEN_SHARE * (a.n + b.n)
    return Means(*(np.where(few, s, w) for s, w in zip(exchanged(a, b), welch(a, b), strict=True)))


def few_clusters(a: float, b: float) -> str | None:
    """Return a reason if a variant has too few clusters, else None."""
    fewest = int(min(a, b))
    if fewest >= MIN_CLUSTERS:
        return None
    return f"one variant has {fewest} clusters; at least {MIN_CLUSTERS} are required"


def by_unit(plan: AbPlan) -> AbPlan:
    """Return the plan of a test by day: read once, and without a share of the visitors."""
    if plan.unit == "visitor":
        return plan
    return plan._replace(method="fixed", share_declared=False, planned_looks=None, look=None)


def mixed_days(looks: Sequence[Look], plan: AbPlan) -> str | None:
    """Return an error if both variants had visitors on one day of a test by day."""
    if plan.unit == "visitor":
        return None
    a, b = (_daily(looks, variant, "visitors") for variant in ("a", "b"))
    if None in (*a, *b):
        return "a test by day requires the visitors of each day"
    mixed = sum(bool(of_a and of_b) for of_a, of_b in zip(a, b, strict=True))
    return f"both variants had visitors on {mixed} of {len(looks)} days" if mixed else None


def chosen_order(looks: Sequence[Look]) -> str | None:
    """Return a reason if the days of B cannot have been drawn at random, else None."""
    a, b = (_daily(looks, variant, "visitors") for variant in ("a", "b"))
    in_b = [bool(of_b) for of_a, of_b in zip(a, b, strict=True) if of_a or of_b]
    if few_changes_p(in_b) < NOT_AT_RANDOM:
        return (
            f"the variant changed {changes(in_b)} times in {len(in_b)} days, less often than if it "
            "had been drawn at random for each day; days in a row resemble each other"
        )
    if by_weekday_p(in_b) < NOT_AT_RANDOM:
        return "the variant follows the weekday, so its effect cannot be told from that of weekdays"
    return None


def effect_by_unit(metric: Metric, line: Timeline, plan: AbPlan) -> Effect:
    """Compute the effect on one metric with the plan's unit: visitors, or days.

    Args:
        metric: Metric to compare.
        line: The looks; those of a test by day are the ends of its days.
        plan: Source of the unit, and of everything that `effects.effect` uses.
    """
    if plan.unit == "visitor":
        return effect(metric, line, plan)
    a, b = (_means(metric, line.days, variant) for variant in ("a", "b"))
    if a is None or b is None:
        reason = f"{metric} is missing on a day"
        return Effect(metric, status="insufficient_data", reason=reason)
    both = cluster_means(_sums(a), _sums(b))
    mean_a, mean_b = float(both.a[0]), float(both.b[0])
    blank = Effect(
        metric,
        value_a=mean_a,
        value_b=mean_b,
        difference=mean_b - mean_a,
        ratio=mean_b / mean_a if mean_a > 0 else None,
    )
    unfit = few_clusters(len(a), len(b)) or chosen_order(line.days)
    if unfit:
        return blank._replace(status="insufficient_data", reason=unfit)
    if not both.error[0] > 0:
        return blank._replace(status="zero_variance", reason=f"{metric} is the same on every day")
    track = LookEffects(
        "clusters",
        *over_looks(p_value(both), np.sign(both.b - both.a), line, plan),
        line.critical,
        difference_interval(both, line.critical),
        ratio_interval(both, line.critical),
    )
    return conclude(blank, track, plan.alpha)


def _daily(looks: Sequence[Look], variant: str, name: str) -> list[float | None]:
    """Return a sum of each day from those since the start."""
    totals = [getattr(getattr(look, variant), name) for look in looks]
    return [
        None if None in (now, then) else now - then
        for now, then in zip(totals, [0, *totals[:-1]], strict=True)
    ]


def _means(metric: Metric, looks: Sequence[Look], variant: str) -> list[float] | None:
    """Return the mean per visitor of each of the variant's days, or None if one is unknown."""
    counts, totals = _daily(looks, variant, "visitors"), _daily(looks, variant, metric)
    shown = [(total, n) for total, n in zip(totals, counts, strict=True) if n]
    return None if None in totals else [(total or 0.0) / n for total, n in shown]


def _sums(values: Sequence[float]) -> Sums:
    column = np.array(values)
    return Sums.of([max(len(values), 1)], [column.sum()], [(column**2).sum()])
