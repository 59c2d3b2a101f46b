"""Estimate of a test that was decided early, without the bias of its stop."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from d1lab.analyses.ab_tests.effects import LookEffects, effects_at_looks, points
from d1lab.analyses.ab_tests.looks import Timeline
from d1lab.analyses.ab_tests.model import AbPlan, Metric
from d1lab.stats.sequential import CONCENTRATION, sequence_critical, tuned_concentration
from d1lab.stats.stopping import shrinkage


class EarlyEstimate(NamedTuple):
    """Median-unbiased effect at the look that decided; a field is None if unknown."""

    difference: float | None
    ratio: float | None


def early_estimate(metric: Metric, line: Timeline, plan: AbPlan) -> EarlyEstimate | None:
    """Return the adjusted estimate of a decided test, or None if it was not decided early.

    Args:
        metric: Metric that decided.
        line: The looks of the test.
        plan: Source of method and share.
    """
    if plan.method == "fixed":
        return None
    track, kept = effects_at_looks(metric, line, plan)
    crossed = np.flatnonzero(np.abs(track.z) >= track.bound)
    if not len(crossed) or crossed[0] == 0:
        return None
    stop = int(crossed[0])
    if plan.method == "group_sequential" and stop == len(kept) - 1 and not line.is_cut_short:
        return None  # at the planned end
    known = points(metric, line.a[kept[stop]], line.b[kept[stop]], plan.declared_share)
    factor = _factor(track, line.only(kept), plan, stop)
    difference, ratio = known.get("difference"), known.get("ratio")
    return EarlyEstimate(
        None if difference is None else factor * difference,
        None if ratio is None else 1 + factor * (ratio - 1),
    )


def _factor(track: LookEffects, line: Timeline, plan: AbPlan, stop: int) -> float:
    """Return the share of the estimate that is left without the bias of stopping."""
    seen = [_progress(line, place) for place in range(stop + 1)]
    if track.method != "beta_binomial":
        return shrinkage(float(track.z[stop]), track.bound[: stop + 1].tolist(), seen)
    weight = CONCENTRATION
    if plan.tuned_conversions:
        weight = tuned_concentration(plan.tuned_conversions, plan.alpha)
    lines = sequence_critical(np.array(seen), (weight + 1) ** -0.5, plan.alpha)
    return shrinkage(float(lines[-1]), lines.tolist(), seen)


def _progress(line: Timeline, place: int) -> float:
    """Return the information at a look: conversions if known, else the look's number."""
    total = (line.a[place].conversions or 0) + (line.b[place].conversions or 0)
    return float(total or place + 1)
