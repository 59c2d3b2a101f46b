"""History of the effect and its interval by look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from d1lab.analyses.ab_tests.effects import effects_at_looks
from d1lab.analyses.ab_tests.looks import timeline
from d1lab.analyses.ab_tests.model import AbPlan, Look, Metric, Variant, adjusted_means, clean_look
from d1lab.analyses.ab_tests.not_available import not_available
from d1lab.analyses.ab_tests.validation import looks_error, plan_error


class EffectAtLook(NamedTuple):
    """Effect on the primary metric at one look, with the interval adjusted for earlier looks."""

    look: int  # index among the given looks, including the last one
    ratio: float | None  # B / A at this look
    ratio_low: float
    ratio_high: float  # infinite if unbounded


def effect_history(
    a: Variant, b: Variant, plan: AbPlan, looks: Sequence[Look] = ()
) -> list[EffectAtLook]:
    """Compute the interval at each look of a test designed for monitoring.

    Args:
        a: As for `d1lab.analyses.ab_tests.decision.compare`.
        b: As for `compare`.
        plan: As for `compare`. A fixed-horizon plan has one look, so it has no history.
        looks: As for `compare`.

    Returns:
        One item per usable look; none if `compare` has no result.
    """
    history = (*looks, Look(a, b, plan.elapsed))
    if plan.method == "fixed" or plan_error(plan) or looks_error(history):
        return []
    line = timeline([clean_look(look) for look in history], plan)
    metric = plan.primary_metric
    if line is None or (plan.method == "group_sequential" and np.isnan(line.times).any()):
        return []
    if not_available(metric, line.a[-1], line.b[-1], plan):
        return []
    found, kept = effects_at_looks(metric, line, plan)
    low = np.fmax.accumulate(found.ratio[0])
    high = np.fmin.accumulate(found.ratio[1])
    return [
        EffectAtLook(line.history[place], _ratio(metric, line.a[place], line.b[place], plan), *ends)
        for place, *ends in zip(kept, low.tolist(), high.tolist(), strict=True)
        if not np.isnan(ends).any()
    ]


def _ratio(metric: Metric, a: Variant, b: Variant, plan: AbPlan) -> float | None:
    adjusted = adjusted_means(metric, [a], [b])
    if adjusted is not None:
        return float(adjusted.b[0] / adjusted.a[0]) if adjusted.a[0] > 0 else None
    share = plan.share_b or 0.5
    exposed = (a.visitors, b.visitors) if a.visitors and b.visitors else (1 - share, share)
    base = getattr(a, metric) / exposed[0]
    return getattr(b, metric) / exposed[1] / base if base > 0 else None
