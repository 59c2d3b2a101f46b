"""Decision of an A/B test, by the method declared before its start.

`compare` never raises and never makes up a value. If the inputs do not allow a decision, the
result has a status and a reason instead.

    decided                significant, sample ratio as declared, guardrails passed
    no_decision            ended without a significant difference
    running                not ended, and not significant so far
    guardrail_failed       significant, but a guardrail metric may get worse by more than its margin
    sample_ratio_mismatch  the split differs from the declared one: no other result is shown
    not_declared           visitors unknown, and no split declared before the start
    insufficient_data      missing inputs, or too few conversions
    zero_variance          every visitor behaved the same
    invalid_input          impossible or contradictory numbers
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_DOWN, Decimal
from typing import Any, Literal, NamedTuple, cast

import numpy as np

from d1lab.analyses.ab_tests.clusters import by_unit, effect_by_unit, mixed_days
from d1lab.analyses.ab_tests.early import early_estimate
from d1lab.analyses.ab_tests.earnings import deciding_metric, untested_loss
from d1lab.analyses.ab_tests.effects import Effect
from d1lab.analyses.ab_tests.guardrails import GuardrailResult, break_even, check
from d1lab.analyses.ab_tests.looks import Timeline, early_end, not_read_yet, spent, timeline
from d1lab.analyses.ab_tests.model import (
    AbPlan,
    Look,
    Metric,
    Variant,
    clean_look,
    inputs_hash,
    parse_variant,
)
from d1lab.analyses.ab_tests.not_available import few_conversions
from d1lab.analyses.ab_tests.posterior import posterior
from d1lab.analyses.ab_tests.validation import looks_error, plan_error
from d1lab.errors import InputError
from d1lab.stats.multiplicity import holm
from d1lab.stats.proportions import ALARM, running_sample_ratio_p, sample_ratio_p

VERSION = "ab-4"
"""Version of the method; raised whenever the same inputs would lead to a different decision."""

BEFORE_FIRST_LOOK = "before the first planned look"

METRICS: tuple[Metric, ...] = ("conversions", "revenue", "profit")

_SHARED = (
    "method",
    "p_value",
    "mid_p",
    "difference",
    "difference_low",
    "difference_high",
    "ratio",
    "ratio_low",
    "ratio_high",
)
"""Fields that a result copies from the effect on its primary metric."""

Winner = Literal["a", "b", "none"]


class AbResult(NamedTuple):
    """Result of a test; a field is None if it is not available or does not apply.

    The difference is B - A and the ratio B / A, of the primary metric per visitor, which is money
    if a loss overruled the declared one; an infinite bound means that there is no bound. The
    p-value is two-sided and adjusted for all looks so far;
    it is below alpha exactly when both intervals exclude their null value.
    """

    status: str
    reason: str | None = None
    method: str | None = None
    p_value: float | None = None
    confidence_level: float | None = None  # 100 (1 - p), truncated to two places, at most 99.99
    winner: Winner | None = None  # None while running or without a result
    rate_a: float | None = None  # conversions / visitors
    rate_b: float | None = None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    chance_b_better: float | None = None  # additional information, not the decision rule
    expected_loss_b: float | None = None  # E[max(A - B, 0)] per visitor
    sample_ratio_p: float | None = None  # None if the split or the visitors are unknown
    expected_loss_a: float | None = None
    mid_p: float | None = None
    primary_metric: Metric = "conversions"
    alpha: float = 0.05
    look: int = 1
    share_of_plan: float | None = None  # at this look
    spent_alpha: float | None = None  # up to this look
    critical: float | None = None  # |z| required at this look
    effects: tuple[Effect, ...] = ()  # conversions, revenue, and profit, if known
    guardrails: tuple[GuardrailResult, ...] = ()
    break_even_ratio: float | None = None  # ratio of conversion rates B / A for equal earnings
    break_even_basis: str | None = None  # 'profit', or 'revenue' if profit is unknown
    break_even: str | None = None  # 'met', 'missed', 'open', 'never'
    order_value_a: float | None = None  # revenue / conversions
    order_value_b: float | None = None
    inputs_hash: str | None = None
    version: str = VERSION
    ended: bool = True  # the test has ended, or its plan is reached
    adjusted_difference: float | None = None  # median-unbiased; only after an early decision
    adjusted_ratio: float | None = None


def compare(
    a: Variant, b: Variant, plan: AbPlan | None = None, looks: Sequence[Look] = ()
) -> AbResult:
    """Compare variant B with variant A.

    Args:
        a: Totals of the control since the start of the test.
        b: Totals of the treatment.
        plan: Declared plan; None for a finished test with a fixed horizon.
        looks: Earlier looks, oldest first, each with its totals since the start.

    >>> result = compare(Variant(10_000, 500), Variant(10_000, 560))
    >>> result.status, round(result.p_value, 10), result.confidence_level
    ('no_decision', 0.058257806, 94.17)
    >>> compare(Variant(None, 122), Variant(None, 189)).status
    'not_declared'
    """
    plan = by_unit(plan or AbPlan())
    history = (*looks, Look(a, b, plan.elapsed))
    fault = plan_error(plan) or looks_error(history)
    history = [] if fault else [clean_look(look) for look in history]
    fault = fault or mixed_days(history, plan)
    if fault:
        return AbResult("invalid_input", fault)
    result = AbResult(
        "decided",  # unless there is a reason against it
        primary_metric=plan.primary_metric,
        alpha=float(plan.alpha),
        ended=bool(plan.ended),
        inputs_hash=inputs_hash(history, plan, VERSION),
    )
    line = timeline(history, plan)
    if line is None:
        return _without_result(_described(result, history[-1]), "running", BEFORE_FIRST_LOOK)
    if np.isnan(line.times).any() and plan.method == "group_sequential":
        reason = "a group-sequential plan requires planned visitors, days, or looks"
        return _without_result(result, "invalid_input", reason)
    return _concluded(_described(result, Look(line.a[-1], line.b[-1])), line, plan)


def calculate(
    arm_a: str,
    arm_b: str,
    *,
    share_b: float | None = None,
    always_valid: bool = False,
    alpha: float = 0.05,
    look: int | None = None,
    planned_looks: int | None = None,
) -> AbResult:
    """Evaluate a test from text input, as `d1lab ab` does; by default, a finished test.

    Args:
        arm_a: '500/10000' (conversions / visitors), or '122' (conversions alone).
        arm_b: Variant B, in the same form.
        share_b: B's declared share. None means 0.5 if visitors are given; required without them.
        always_valid: Whether the test was evaluated more than once, without planned looks.
        alpha: Two-sided significance level, between 0 and 0.5.
        look: Number of this look among the planned ones; None for the last.
        planned_looks: Number of evenly spaced looks of a group-sequential plan.

    Raises:
        InputError: A variant has another form, or the look is not one of the planned ones.
    """
    if look is not None and (not planned_looks or look > planned_looks):
        planned = f"the plan has {planned_looks}" if planned_looks else "no looks are planned"
        raise InputError(f"invalid look {look}: {planned}. Set their number with --looks.")
    a, b = parse_variant(arm_a), parse_variant(arm_b)
    counted = None not in (a.visitors, b.visitors)
    share = 0.5 if share_b is None and counted else share_b
    method = "always_valid" if always_valid else "group_sequential" if planned_looks else "fixed"
    last = planned_looks if look is None else look
    ended = not planned_looks or last == planned_looks
    plan = AbPlan(
        method=method,
        share_b=share,
        share_declared=share is not None,
        alpha=alpha,
        ended=ended,
        planned_looks=planned_looks,
        look=last,
    )
    return compare(a, b, plan)


def as_json(value: Any) -> Any:
    """Convert a result, variant, or plan to JSON types; an infinite bound becomes None."""
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if hasattr(value, "_asdict"):
        return {name: as_json(item) for name, item in value._asdict().items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in cast("Sequence[Any]", value)]
    return value.item() if hasattr(value, "item") else value


def confidence_level(p_value: float) -> float:
    """Return 100 (1 - p), truncated to two decimals, at most 99.99.

    >>> confidence_level(0.0582578), confidence_level(1e-12)
    (94.17, 99.99)
    """
    exact = 100 * (1 - Decimal(repr(p_value)))
    return min(float(exact.quantize(Decimal("0.01"), ROUND_DOWN)), 99.99)


def _without_result(result: AbResult, status: str, reason: str | None) -> AbResult:
    return result._replace(status=status, reason=reason)


def _described(result: AbResult, look: Look) -> AbResult:
    """Add the observed values that need no inference: rates and order values."""
    a, b = look.a, look.b
    return result._replace(
        rate_a=_per(a.conversions, a.visitors),
        rate_b=_per(b.conversions, b.visitors),
        order_value_a=_per(a.revenue, a.conversions),
        order_value_b=_per(b.revenue, b.conversions),
    )


def _per(total: float | None, count: int | None) -> float | None:
    return total / count if total is not None and count else None


def _concluded(result: AbResult, line: Timeline, plan: AbPlan) -> AbResult:
    """Add the decision at the last look, or the reason for having none."""
    unread = not_read_yet(line, plan)
    ratio_p = _sample_ratio(line, plan)
    result = result._replace(
        ended=line.finished,
        sample_ratio_p=ratio_p,
        look=len(line.times) if plan.method == "group_sequential" else len(line.a),
        share_of_plan=None if np.isnan(line.times).any() else line.share_of_plan,
        spent_alpha=None if unread else spent(line, plan),
        critical=None if unread or plan.method == "always_valid" else float(line.critical[-1]),
    )
    if ratio_p is not None and ratio_p < ALARM:
        counts = f"{line.a[-1].visitors:,} and {line.b[-1].visitors:,} visitors"
        reason = (
            f"{counts} differ from the declared share of B, {plan.share_b:g} (p = {ratio_p:.2g})"
        )
        return _without_result(result, "sample_ratio_mismatch", reason)
    if unread:
        return _without_result(result, "running", unread)
    return _decided(_measured(result, line, plan), line, plan)


def _sample_ratio(line: Timeline, plan: AbPlan) -> float | None:
    share = plan.declared_share
    known = [i for i, variant in enumerate(line.a) if variant.visitors is not None]
    if share is None or not known:
        return None
    a, b = ([column[i].visitors or 0 for i in known] for column in (line.a, line.b))
    if plan.method == "fixed" and line.finished:
        return sample_ratio_p(a[-1], b[-1], share)
    return running_sample_ratio_p(a, b, share)


def _measured(result: AbResult, line: Timeline, plan: AbPlan) -> AbResult:
    """Add the effects on all known metrics, and the values that do not affect the decision."""
    a, b = line.a[-1], line.b[-1]
    known: list[Metric] = [m for m in METRICS if None not in (getattr(a, m), getattr(b, m))]
    effects: dict[Metric, Effect] = {
        m: effect_by_unit(m, line, plan) for m in (plan.primary_metric, *known)
    }
    deciding = deciding_metric(plan.primary_metric, effects, plan.alpha)
    primary = effects.pop(deciding)
    chance = posterior(primary, a, b, plan)
    even = break_even(a, b, [primary, *effects.values()], plan.alpha)
    return result._replace(
        primary_metric=deciding,
        **{name: getattr(primary, name) for name in _SHARED},
        chance_b_better=chance.b_better if chance else None,
        expected_loss_a=_finite(chance.loss_a) if chance else None,
        expected_loss_b=_finite(chance.loss_b) if chance else None,
        effects=(primary, *_adjusted(list(effects.values()))),
        break_even_ratio=even.ratio,
        break_even_basis=even.basis,
        break_even=even.state,
    )


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _adjusted(effects: list[Effect]) -> list[Effect]:
    """Adjust the p-values of the secondary metrics by Holm; the primary metric stays as it is."""
    tested = [one for one in effects if one.p_value is not None]
    adjusted = dict(
        zip(
            (one.metric for one in tested),
            holm([one.p_value or 0.0 for one in tested]).tolist(),
            strict=True,
        )
    )
    return [one._replace(adjusted_p=adjusted.get(one.metric)) for one in effects]


def _decided(result: AbResult, line: Timeline, plan: AbPlan) -> AbResult:
    primary = result.effects[0]
    if primary.p_value is None:
        return _without_result(result, primary.status or "insufficient_data", primary.reason)
    few = few_conversions(line.a[-1], line.b[-1], plan.count_inflation or 1.0)
    if few and primary.metric == "conversions" and line.a[-1].visitors is None:
        return _without_result(result, "insufficient_data", f"{few} before counts alone decide")
    result = result._replace(confidence_level=confidence_level(primary.p_value))
    open_winner: Winner | None = "none" if line.finished else None
    if primary.p_value >= plan.alpha:
        status = "no_decision" if line.finished else "running"
        reason = f"p = {primary.p_value:.2g} is not below {plan.alpha:g}{early_end(line, plan)}"
        return _without_result(result._replace(winner=open_winner), status, reason)
    winner: Winner = "b" if primary.direction > 0 else "a"
    rails = check(plan.guardrails, result.effects, winner)
    loss = untested_loss(result.effects) if winner == "b" else None
    rails = (*rails, loss) if loss else rails
    result = result._replace(guardrails=rails)
    failed = [rail.reason or rail.metric for rail in rails if not rail.passed]
    if failed:
        return _without_result(
            result._replace(winner=open_winner), "guardrail_failed", "; ".join(failed)
        )
    early = early_estimate(primary.metric, line, plan)
    return result._replace(
        winner=winner,
        adjusted_difference=early and early.difference,
        adjusted_ratio=early and early.ratio,
    )
