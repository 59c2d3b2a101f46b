"""Guardrail (non-inferiority) checks and break-even conversion lift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from d1lab.analyses.ab_tests.effects import Effect
from d1lab.analyses.ab_tests.model import Guardrail, Metric, Variant


class GuardrailResult(NamedTuple):
    """Non-inferiority test of the winner vs. the other variant, for one guardrail metric."""

    metric: Metric
    margin: float
    relative: bool
    worst: float | None  # unfavorable end of the interval, relative or in the metric's unit
    passed: bool | None  # None if there is no interval
    reason: str | None = None


class BreakEven(NamedTuple):
    """Break-even ratio of B's to A's conversion rate, for equal earnings per visitor."""

    ratio: float | None = None  # (value per order of A) / (value per order of B)
    basis: Literal["profit", "revenue"] | None = None
    state: Literal["met", "missed", "open", "never"] | None = None


def check(
    guardrails: Sequence[Guardrail], effects: Sequence[Effect], winner: Literal["a", "b"]
) -> tuple[GuardrailResult, ...]:
    """Check each guardrail: passed if the winner's interval lies above minus the margin.

    That is the one-sided non-inferiority test at alpha / 2 (Farrington & Manning 1990 for rates),
    and it is valid at all looks if the interval is. All guardrails have to pass, so no correction
    for their number is needed.
    """
    by_metric = {effect.metric: effect for effect in effects}
    return tuple(_check(rail, by_metric.get(rail.metric), winner) for rail in guardrails)


def break_even(a: Variant, b: Variant, effects: Sequence[Effect], alpha: float) -> BreakEven:
    """Compare B's conversion rate with the rate that pays for its discount.

    Args:
        a: The control.
        b: The treatment, with a different profit (or revenue, if profit is unknown) per order.
        effects: Known effects. B breaks even exactly if it earns as much per visitor, so the
            p-value of that effect decides. Without one, nothing is claimed: totals have no
            variance.
        alpha: Two-sided significance level.
    """
    basis = "profit" if None not in (a.profit, b.profit) else "revenue"
    per_order = [_per_order(variant, basis) for variant in (a, b)]
    if per_order[0] is None or per_order[1] is None or per_order[0] <= 0:
        return BreakEven()
    ratio = per_order[0] / per_order[1] if per_order[1] > 0 else None
    earned = next((one for one in effects if one.metric == basis), None)
    if earned is None or earned.p_value is None:
        return BreakEven(ratio, basis)
    if earned.p_value >= alpha:
        return BreakEven(ratio, basis, "open")
    if earned.direction > 0:
        return BreakEven(ratio, basis, "met")
    return BreakEven(ratio, basis, "never" if ratio is None else "missed")


def _per_order(variant: Variant, basis: str) -> float | None:
    total = getattr(variant, basis)
    return total / variant.conversions if variant.conversions and total is not None else None


def _check(rail: Guardrail, effect: Effect | None, winner: Literal["a", "b"]) -> GuardrailResult:
    worst = _worst_change(effect, winner, rail.relative) if effect else None
    if worst is None:
        reason = (effect and effect.reason) or f"no interval for {rail.metric}"
        return GuardrailResult(rail.metric, rail.margin, rail.relative, None, None, reason)
    passed = worst > -rail.margin
    reason = None if passed else f"{rail.metric} may decrease by more than the margin"
    return GuardrailResult(rail.metric, rail.margin, rail.relative, worst, passed, reason)


def _worst_change(effect: Effect, winner: str, relative: bool) -> float | None:
    """Return the unfavorable end of the winner's interval vs. the other variant."""
    if relative:
        end = effect.ratio_low if winner == "b" else effect.ratio_high
        if end is None or (winner == "a" and end == 0):
            return None
        return end - 1 if winner == "b" else 1 / end - 1
    end = effect.difference_low if winner == "b" else effect.difference_high
    return None if end is None else end if winner == "b" else -end
