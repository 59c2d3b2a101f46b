"""A/B effects from rows per visitor: CUPED, capping, ratios of two measures, segments.

`d1lab.analyses.ab_tests.exposures.scan` computes the sums in one pass over the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from d1lab.analyses.ab_tests.arms import by_holm
from d1lab.analyses.ab_tests.clusters import cluster_means, few_clusters
from d1lab.analyses.ab_tests.effects import effect
from d1lab.analyses.ab_tests.looks import timeline
from d1lab.analyses.ab_tests.model import UNBALANCED, AbPlan, Look, Variant
from d1lab.analyses.ab_tests.validation import plan_error
from d1lab.counting import counted
from d1lab.errors import InputError, UnknownName
from d1lab.stats import means
from d1lab.stats.dunnett import dunnett_levels, dunnett_p
from d1lab.stats.means import Pairs
from d1lab.stats.multiplicity import benjamini_hochberg
from d1lab.stats.quantiles import MIN_BEYOND, MOST_TIED, is_enough, quantile_means, tied

Role = Literal["plain", "covariate", "denominator", "cluster"]


class VisitorSums(NamedTuple):
    """Sums of one measure over the visitors of both variants, in one segment or in total."""

    measure: str
    a: Pairs
    b: Pairs
    role: Role = "plain"  # of the second value in the pairs
    segment: str | None = None  # None: all visitors
    capped: bool = False
    missing: int = 0  # visitors with a missing value
    late: int = 0  # visitors whose covariate was measured after their exposure


class VisitorEffect(NamedTuple):
    """Effect of B vs. A on one measure; the numbers are None if it is not available."""

    measure: str
    segment: str | None
    method: str  # 'welch', 'cuped', 'ratio', 'clusters', 'order_statistics'; for 1 and 0, 'score'
    capped: bool
    value_a: float | None = None
    value_b: float | None = None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    p_value: float | None = None
    adjusted_p: float | None = None  # for the segments of a measure, or for its variants
    status: str | None = None
    reason: str | None = None


_METHODS: dict[Role, str] = {
    "plain": "welch",
    "covariate": "cuped",
    "denominator": "ratio",
    "cluster": "clusters",
}


def effects(sums: Sequence[VisitorSums], alpha: float = 0.05) -> list[VisitorEffect]:
    """Compute the effect on each measure, with p-values adjusted for the number of segments.

    Args:
        sums: Result of `d1lab.analyses.ab_tests.exposures.scan`.
        alpha: Two-sided, inside (0, 1).

    A covariate measured after the exposure can itself be an effect of the test, so it is rejected,
    and so is one whose means differ between the variants.
    """
    found = [_effect(one, alpha) for one in sums]
    families: dict[tuple[str, Role, bool], list[int]] = {}
    for place, one in enumerate(sums):
        if one.segment is not None and found[place].p_value is not None:
            families.setdefault((one.measure, one.role, one.capped), []).append(place)
    for places in families.values():
        adjusted = benjamini_hochberg([found[place].p_value or 0.0 for place in places])
        for place, p in zip(places, adjusted.tolist(), strict=True):
            found[place] = found[place]._replace(adjusted_p=p)
    return found


def quantile_effect(
    measure: str, a: Any, b: Any, share: float = 0.5, alpha: float = 0.05
) -> VisitorEffect:
    """Compute the difference of a quantile, such as the median order value.

    Args:
        measure: Name of the values.
        a: Values of the control, as from `d1lab.analyses.ab_tests.exposures.values`.
        b: Values of the treatment.
        share: Share of the values below the quantile, inside (0, 1); 0.5 is the median.
        alpha: Two-sided, inside (0, 1).

    Raises:
        InputError: The share is not inside (0, 1).
    """
    if not 0 < share < 1:
        raise InputError(f"quantile {share} is not between 0 and 1")
    blank = VisitorEffect(f"{measure}, quantile {share:g}", None, "order_statistics", False)
    if not all(is_enough(len(column), share) for column in (a, b)):
        reason = f"fewer than {MIN_BEYOND} values of a variant lie on one side of the quantile"
        return blank._replace(status="insufficient_data", reason=reason)
    if not all(np.isfinite(column).all() for column in (a, b)):
        return blank._replace(status="invalid_input", reason="a value is not a finite number")
    if max(tied(column, share) for column in (a, b)) > MOST_TIED:
        reason = (
            f"one value makes up more than {MOST_TIED:.0%} of those around the quantile, "
            "so its error is not known"
        )
        return blank._replace(status="zero_variance", reason=reason)
    return _compared(blank, quantile_means(a, b, share), alpha)


def arm_effects(
    sums: Mapping[str, Sequence[VisitorSums]], alpha: float = 0.05
) -> dict[str, list[VisitorEffect]]:
    """Compute the effect of every variant against the same control, adjusted for all of them.

    Args:
        sums: Result of `d1lab.analyses.ab_tests.exposures.scan_arms`.
        alpha: Two-sided error rate of all variants together on one measure, inside (0, 1).

    `adjusted_p` is Dunnett's p-value for means compared by Welch's test, with the normal
    distribution, and Holm's for everything else. An interval has the level at which its variant
    is tested, so it excludes no effect exactly if `adjusted_p` is below alpha.
    """
    names, columns = list(sums), zip(*sums.values(), strict=True)
    found = [_arms_of(column, alpha) for column in columns]
    return {name: [row[place] for row in found] for place, name in enumerate(names)}


def _arms_of(column: Sequence[VisitorSums], alpha: float) -> list[VisitorEffect]:
    """Compare all variants on one measure, in one segment."""
    alone = [_effect(one, alpha) for one in column]
    p = [one.p_value for one in alone]
    if {one.method for one in alone} == {"welch"} and None not in p:
        loads, t = zip(*(_load(one) for one in column), strict=True)
        adjusted: list[float | None] = [*dunnett_p(t, np.inf, loads).tolist()]
        levels = dunnett_levels(alpha, [np.inf] * len(loads), loads)
    else:
        adjusted, levels = by_holm(p, alpha)
    return [
        _effect(one, level)._replace(adjusted_p=q)
        for one, level, q in zip(column, levels, adjusted, strict=True)
    ]


def _load(sums: VisitorSums) -> tuple[float, float]:
    both = _estimates(sums)
    z = float(means.normal_z(both))
    return float(np.sqrt(both.variance_a) / both.error), z


def variants(
    sums: Sequence[VisitorSums], *, conversions: str, revenue: str | None = None
) -> tuple[Variant, Variant]:
    """Build the variants for `decision.compare` from the sums of all visitors.

    Args:
        sums: Result of `d1lab.analyses.ab_tests.exposures.scan`.
        conversions: Measure that is 1 for a visitor who converted, else 0.
        revenue: Measure of the amount spent by a visitor.

    Raises:
        UnknownName: There are no sums of that measure.
    """
    converted = _whole(sums, conversions)
    spent = _whole(sums, revenue) if revenue else None
    made: list[Variant] = []
    for variant in ("a", "b"):
        counts: Pairs = getattr(converted, variant)
        money: Pairs | None = getattr(spent, variant) if spent else None
        totals = (float(money.y), float(money.yy)) if money else (None, None)
        made.append(Variant(int(counts.n), int(counts.y), *totals))
    return made[0], made[1]


def _whole(sums: Sequence[VisitorSums], measure: str) -> VisitorSums:
    for one in sums:
        if one.measure == measure and one.segment is None and not one.capped:
            return one
    raise UnknownName("measure", measure, {one.measure for one in sums}, "these sums")


def _effect(sums: VisitorSums, alpha: float) -> VisitorEffect:
    """Compute the effect by the measure's method; one with values 1 and 0 is a conversion."""
    blank = VisitorEffect(sums.measure, sums.segment, _METHODS[sums.role], sums.capped)
    status, reason = _refused(sums)
    if status:
        return blank._replace(status=status, reason=reason)
    if sums.role == "plain" and not sums.capped and _is_zero_or_one(sums.a, sums.b):
        return _as_conversions(blank, sums, alpha)
    both = _estimates(sums)
    if not float(both.error) > 0:
        return blank._replace(status="zero_variance", reason="every visitor has the same value")
    return _compared(blank, both, alpha)


def _compared(blank: VisitorEffect, both: means.Means, alpha: float) -> VisitorEffect:
    """Add the values of both variants, their difference and ratio, and the p-value."""
    from scipy.special import ndtri

    critical = -float(ndtri(alpha / 2))
    low, high = means.difference_interval(both, critical)
    ratio_low, ratio_high = (_known(end) for end in means.ratio_interval(both, critical))
    a, b = float(both.a), float(both.b)
    return blank._replace(
        value_a=a,
        value_b=b,
        difference=b - a,
        difference_low=float(low),
        difference_high=float(high),
        ratio=b / a if a > 0 else None,
        ratio_low=ratio_low,
        ratio_high=ratio_high,
        p_value=float(means.p_value(both)),
    )


def _is_zero_or_one(*variants: Pairs) -> bool:
    return all(
        float(variant.y) == float(variant.yy) and 0 <= float(variant.y) <= float(variant.n)
        for variant in variants
    )


def _as_conversions(blank: VisitorEffect, sums: VisitorSums, alpha: float) -> VisitorEffect:
    """Use the score test or an exact one, so that the p-value equals that of `compare`."""
    plan = AbPlan(alpha=alpha)
    if fault := plan_error(plan):
        return blank._replace(status="invalid_input", reason=fault)
    a, b = (Variant(int(variant.n), int(variant.y)) for variant in (sums.a, sums.b))
    line = timeline([Look(a, b)], plan)
    assert line is not None  # None only before a planned look, and this plan has none
    found = effect("conversions", line, plan)
    if found.p_value is None:
        return blank._replace(status=found.status, reason=found.reason)
    values = {name: getattr(found, name) for name in VisitorEffect._fields[4:13]}
    return blank._replace(method=found.method or "score", **values)


def _estimates(sums: VisitorSums) -> means.Means:
    if sums.role == "covariate":
        return means.cuped(sums.a, sums.b)
    if sums.role == "denominator":
        return means.ratio_of_means(sums.a, sums.b)
    if sums.role == "cluster":
        return cluster_means(sums.a.outcome, sums.b.outcome)
    return means.welch(sums.a.outcome, sums.b.outcome)


def _refused(sums: VisitorSums) -> tuple[str | None, str | None]:
    if min(float(sums.a.n), float(sums.b.n)) < 2:
        return "insufficient_data", "a variant has fewer than two visitors"
    if not np.isfinite([*sums.a, *sums.b]).all():
        return "invalid_input", "a value is not a finite number"
    if sums.missing:
        return "insufficient_data", f"a value is missing for {counted(sums.missing, 'visitor')}"
    few = few_clusters(float(sums.a.n), float(sums.b.n)) if sums.role == "cluster" else None
    if few:
        return "insufficient_data", few
    if sums.role == "denominator" and min(float(sums.a.x), float(sums.b.x)) <= 0:
        return "insufficient_data", "a variant's denominator is not above zero"
    if sums.role != "covariate":
        return None, None
    if sums.late:
        late = counted(sums.late, "visitor")
        reason = f"the covariate was measured after the exposure of {late}"
        return "covariate_after_exposure", reason
    p = float(np.nan_to_num(means.p_value(means.welch(sums.a.other, sums.b.other)), nan=1.0))
    if p < UNBALANCED:
        reason = (
            f"the covariate differs between the variants (p = {p:.2g}), "
            "so it was not measured before the test"
        )
        return "covariate_after_exposure", reason
    return None, None


def _known(number: np.ndarray) -> float | None:
    return None if np.isnan(number) else float(number)
