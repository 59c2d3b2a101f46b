"""Effect on one metric: what all looks of a test say together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d1lab.analyses.ab_tests.looks import Timeline
from d1lab.analyses.ab_tests.model import AbPlan, Metric
from d1lab.stats import sequential

Floats = NDArray[np.float64]


class Effect(NamedTuple):
    """Effect of B vs. A on one metric; a field is None if the inputs do not allow it."""

    metric: Metric
    method: str | None = None
    value_a: float | None = None  # per visitor, or per unit of exposure if visitors are unknown
    value_b: float | None = None
    difference: float | None = None  # value_b - value_a
    difference_low: float | None = None
    difference_high: float | None = None
    ratio: float | None = None  # value_b / value_a
    ratio_low: float | None = None
    ratio_high: float | None = None  # infinite if unbounded
    p_value: float | None = None  # two-sided, adjusted for looks
    mid_p: float | None = None  # conversions only, one look: shown, not used to decide
    direction: int = 0  # at the deciding look, else the last; 1: B is higher
    adjusted_p: float | None = None  # by Holm, over the secondary metrics
    status: str | None = None  # reason for a missing p-value
    reason: str | None = None
    variance_saved: float | None = None  # share of the variance that a covariate explains


class LookEffects(NamedTuple):
    """Effect on one metric at every look."""

    method: str
    p_value: float
    z: Floats
    bound: Floats  # |z| required for a decision
    difference: tuple[Floats, Floats] | None
    ratio: tuple[Floats, Floats]
    mid_p: float | None = None
    variance_saved: float | None = None


def over_looks(p: Floats, sign: Floats, line: Timeline, plan: AbPlan) -> tuple[float, Floats]:
    """Return the p-value adjusted for all looks, and the signed normal z of each look.

    Args:
        p: Two-sided p-value of each look.
        sign: Sign of each effect.
        line: The looks.
        plan: Source of the method.
    """
    from scipy.special import ndtri

    z = -sign * ndtri(p / 2)
    if plan.method == "fixed" and not line.is_cut_short:
        return float(p[-1]), z
    at_every_look = np.zeros(len(line.times))
    at_every_look[list(line.places)] = z
    return sequential.repeated_p(at_every_look, line.times, line.information), z


def conclude(blank: Effect, track: LookEffects, alpha: float) -> Effect:
    """Combine all looks: one p-value, one direction, and the intersection of the intervals.

    Args:
        blank: Effect with the values of the metric.
        track: Effect at each look.
        alpha: Two-sided.
    """
    rejected = track.p_value < alpha
    crossed = np.flatnonzero(np.abs(track.z) >= track.bound)
    deciding = crossed[0] if rejected and len(crossed) else -1
    direction = int(np.sign(track.z[deciding]))
    low, high = _left_over(track.difference, 0.0, rejected, direction)
    ratio_low, ratio_high = _left_over(track.ratio, 1.0, rejected, direction)
    return blank._replace(
        method=track.method,
        difference_low=low,
        difference_high=high,
        ratio_low=ratio_low,
        ratio_high=ratio_high,
        p_value=track.p_value,
        mid_p=track.mid_p,
        variance_saved=track.variance_saved,
        direction=direction,
    )


def _left_over(
    ends: tuple[Floats, Floats] | None, null: float, rejected: bool, direction: int
) -> tuple[float | None, float | None]:
    """Cut the intersected interval to the side of the p-value; None if it is empty."""
    if ends is None or np.isnan(ends[0][-1]) or np.isnan(ends[1][-1]):
        return None, None
    low, high = float(np.nanmax(ends[0])), float(np.nanmin(ends[1]))
    if not rejected:
        low, high = min(low, null), max(high, null)
    elif direction > 0:
        low = max(low, float(np.nextafter(null, np.inf)))
    elif direction < 0:
        high = min(high, float(np.nextafter(null, -np.inf)))
    return (low, high) if low <= high else (None, None)
