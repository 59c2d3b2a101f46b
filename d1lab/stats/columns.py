"""Arms at several looks as columns: what the formulas for rates and for means take."""

from __future__ import annotations

from collections.abc import Sequence

from d1lab.stats.arms import Arm, Metric
from d1lab.stats.means import Means, Sums, compound_poisson, welch
from d1lab.stats.proportions import Rates


def rates(a: Sequence[Arm], b: Sequence[Arm]) -> Rates:
    """Conversions and visitors of both arms, one item per look; all known."""
    names = ("conversions", "visitors")
    return Rates.of(*([getattr(arm, name) for arm in arms] for arms in (a, b) for name in names))


def sums(arms: Sequence[Arm], metric: Metric) -> Sums:
    """Sums over visitors, one item per look; a conversion is its own square."""
    squares = "conversions" if metric == "conversions" else f"{metric}_squares"
    return Sums.of(
        *([getattr(arm, name) for arm in arms] for name in ("visitors", metric, squares))
    )


def money_means(metric: Metric, a: Sequence[Arm], b: Sequence[Arm], share_b: float | None) -> Means:
    """Money per visitor, or per unit of declared exposure where visitors are unknown."""
    if a[-1].visitors is not None or share_b is None:
        return welch(sums(a, metric), sums(b, metric))
    of_a, of_b = (
        [[getattr(arm, name) for arm in arms] for name in (metric, f"{metric}_squares")]
        for arms in (a, b)
    )
    return compound_poisson(of_a[0], of_a[1], of_b[0], of_b[1], share_b)
