"""Tests of three and more variants: each one against A, with the error rate of one comparison.

Every variant takes B's place in `compare`, at a level that leaves `alpha` for all of them:

    dunnett     money read once, visitors known and evenly split: the comparisons share A
    holm        everything else that is read once
    bonferroni  always-valid methods, whose p-values depend on the level

A test is read once, when it has ended, unless it is declared always valid: `ab_test_daily` has the
days of A and B only. A plan with interim looks needs them of every variant, and so does a test that
runs on after its planned end: its totals are not those of the end, and a report that read them each
day for as long again would find a winner in 14% of tests without one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from d1lab.analyses.ab_tests.decision import AbResult, compare, confidence_level
from d1lab.analyses.ab_tests.effects import Effect
from d1lab.analyses.ab_tests.looks import READ_ONCE
from d1lab.analyses.ab_tests.model import (
    AbPlan,
    Arm,
    Variant,
    money_means,
    parse_variant,
    splits_unevenly,
)
from d1lab.analyses.ab_tests.validation import plan_error
from d1lab.stats.dunnett import dunnett_levels, dunnett_p
from d1lab.stats.means import Means, t_statistic
from d1lab.stats.multiplicity import holm

TOTALS_ONLY = (
    "a test of three and more variants is evaluated once, at its end: there are no daily sums of "
    "its further variants"
)
"""Reason of a test that runs, whatever looks were planned."""

_STOPPING = ("invalid_input", "sample_ratio_mismatch")
"""Statuses of one comparison that leave the whole test without a result."""


class ArmResult(NamedTuple):
    """Comparison of one variant with A; in `result`, B stands for the variant."""

    arm: str
    sums: Variant
    result: AbResult  # p-value and intervals of the deciding metric adjusted for all comparisons
    correction: str
    level: float  # at which this comparison is tested alone


class ArmsResult(NamedTuple):
    """Result of a test: that of its leading variant, and all comparisons with A.

    Leading is the best of the variants that beat A; without one, the variant with the smallest
    p-value. A wins only if every other variant is worse.
    """

    winner: str | None  # 'none' after an end without a winner; None while running or unknown
    leading: str
    result: AbResult  # of the leading variant, in B's place
    arms: tuple[ArmResult, ...]


def compare_arms(a: Variant, others: Sequence[Arm], plan: AbPlan) -> ArmsResult:
    """Compare every other variant with A, with at most `plan.alpha` false winners per test.

    Args:
        a: Totals of the control.
        others: B first, then further variants; at least one.
        plan: Declared plan of the test; `planned_visitors` are those of all variants.

    >>> a, b, c = Variant(9_000, 450), Variant(9_000, 470), Variant(9_000, 560)
    >>> found = compare_arms(a, [Arm("b", b), Arm("c", c)], AbPlan())
    >>> found.leading, found.result.status, round(found.result.p_value, 6)
    ('c', 'decided', 0.000734)
    """
    fault = plan_error(plan)
    if sum(arm.share or 0.0 for arm in others) >= 1:
        fault = fault or "the declared shares leave no visitors for variant a"
    if fault:
        broken = AbResult("invalid_input", fault)
        return ArmsResult(None, "b", broken, ())
    once = _read_once(a, others, plan)
    plans = [_of_pair(once, arm, others) for arm in others]
    first = [
        compare(a, arm.sums, own._replace(alpha=own.alpha / len(others)))
        for arm, own in zip(others, plans, strict=True)
    ]
    adjusted, levels, correction = _corrected(a, others, once, first)
    arms: list[ArmResult] = []
    for arm, own, p, level in zip(others, plans, adjusted, levels, strict=True):
        found = compare(a, arm.sums, own._replace(alpha=level))
        result = _at_alpha(found, p, once, level)
        result = result._replace(reason=_reason(result, arm))
        arms.append(ArmResult(arm.name, arm.sums, result, correction, level))
    return together(arms)


def calculate_arms(
    a: str,
    others: Sequence[str],
    *,
    share: float | None = None,
    alpha: float = 0.05,
    always_valid: bool = False,
) -> ArmsResult:
    """Evaluate a test of several variants from text input, as `d1lab ab A B C` does.

    Args:
        a: '500/10000' (conversions / visitors), or '122' (conversions alone).
        others: Variants B, C, ..., in the same form.
        share: Declared share of each variant but A. None means equal shares if visitors are given;
            required without them.
        alpha: Two-sided error rate of all comparisons together, between 0 and 0.5.
        always_valid: Whether the test was evaluated more than once.

    Raises:
        InputError: A variant has another form.
    """
    control, *treated = (parse_variant(text) for text in (a, *others))
    counted = None not in [one.visitors for one in (control, *treated)]
    each = 1 / (len(treated) + 1) if share is None and counted else share
    plan = AbPlan(
        method="always_valid" if always_valid else "fixed",
        share_b=each,
        share_declared=each is not None,
        alpha=alpha,
    )
    names = [chr(ord("b") + place) for place in range(len(treated))]
    arms = [Arm(name, sums, each) for name, sums in zip(names, treated, strict=True)]
    return compare_arms(control, arms, plan)


def letter(arm: str) -> str:
    """Return the name of a variant as texts have it: 'c' as 'C', longer names as they are."""
    return arm.upper() if len(arm) == 1 else arm


def named(text: str, arm: str) -> str:
    """Return a sentence about B as one about the variant in B's place."""
    text = re.sub(r"\bB\b", lambda _: letter(arm), text)
    return re.sub(r"\bvariant b\b", lambda _: f"variant {arm}", text)


def _read_once(a: Variant, others: Sequence[Arm], plan: AbPlan) -> AbPlan:
    """Return the plan without interim looks, and with the share of all variants' visitors."""
    seen = [variant.visitors for variant in (a, *(arm.sums for arm in others))]
    elapsed = plan.elapsed
    if plan.planned_visitors and None not in seen:
        elapsed = sum(count or 0 for count in seen) / plan.planned_visitors or None
    method = "fixed" if plan.method == "group_sequential" else plan.method
    tuned = plan.planned_visitors if method == "always_valid" else None
    return plan._replace(
        method=method,
        elapsed=elapsed,
        planned_visitors=tuned,
        planned_looks=None,
        look=None,
        totals_only=True,
    )


def _reason(result: AbResult, arm: Arm) -> str | None:
    """Return the reason with the variant's name, and why a running test is not read."""
    if result.reason == READ_ONCE:
        return TOTALS_ONLY
    return result.reason and named(result.reason, arm.name)


def _of_pair(plan: AbPlan, arm: Arm, others: Sequence[Arm]) -> AbPlan:
    """Return the plan of a variant and A alone: its share of their visitors."""
    shares = [one.share for one in others]
    if arm.share is None or None in shares:
        return plan._replace(share_b=None, share_declared=False)
    of_a = 1 - sum(share or 0.0 for share in shares)
    return plan._replace(share_b=arm.share / (arm.share + of_a))


def _corrected(
    a: Variant, others: Sequence[Arm], plan: AbPlan, first: Sequence[AbResult]
) -> tuple[list[float | None], list[float], str]:
    """Return adjusted p-values, the level of each comparison alone, and the correction."""
    p = [_declared_p(result, plan) for result in first]
    count = len(others)
    if plan.method == "always_valid":
        adjusted = [None if one is None else min(count * one, 1.0) for one in p]
        return adjusted, [plan.alpha / count] * count, "bonferroni"
    pairs = _welch_pairs(a, others, plan, first)
    if pairs and None not in p:
        loads = [float(np.sqrt(one.variance_a) / one.error) for one in pairs]
        freedom = [float(one.freedom) for one in pairs]
        found = dunnett_p([float(t_statistic(one)) for one in pairs], freedom, loads)
        return found.tolist(), dunnett_levels(plan.alpha, freedom, loads), "dunnett"
    return *by_holm(p, plan.alpha), "holm"


def _declared_p(result: AbResult, plan: AbPlan) -> float | None:
    """Return the p-value of the declared metric, which a loss of money may have overruled."""
    if result.status in _STOPPING:
        return None
    return next((e.p_value for e in result.effects if e.metric == plan.primary_metric), None)


def _welch_pairs(
    a: Variant, others: Sequence[Arm], plan: AbPlan, first: Sequence[AbResult]
) -> list[Means] | None:
    """Return the means of each pair if all are compared by Welch's test at the plan's end."""
    metric = plan.primary_metric
    methods = {e.method for result in first for e in result.effects if e.metric == metric}
    is_early = plan.elapsed is not None and plan.elapsed < 1
    if methods != {"welch"} or is_early or any(splits_unevenly(a, o.sums) for o in others):
        return None
    pairs = [money_means(metric, [a], [arm.sums], None) for arm in others]
    return [Means(*(np.asarray(column)[0] for column in pair)) for pair in pairs]


def by_holm(p: Sequence[float | None], alpha: float) -> tuple[list[float | None], list[float]]:
    """Return Holm's p-values and the level at which each comparison was tested.

    A comparison without a p-value counts as one that is not significant.
    """
    known = [1.0 if one is None else one for one in p]
    adjusted = holm(known).tolist()
    levels, rejected = [0.0] * len(known), 0
    for place in sorted(range(len(known)), key=known.__getitem__):
        levels[place] = alpha / (len(known) - rejected)
        rejected += adjusted[place] < alpha
    return [None if one is None else q for one, q in zip(p, adjusted, strict=True)], levels


def _at_alpha(result: AbResult, p: float | None, plan: AbPlan, level: float) -> AbResult:
    """Return a comparison made at its own level in terms of all: adjusted p and `plan.alpha`."""
    if result.p_value is None:
        return result._replace(alpha=plan.alpha)
    if p is None or result.primary_metric != plan.primary_metric:
        p = min(result.p_value * plan.alpha / level, 1.0)
    reason = result.reason
    if result.status in ("running", "no_decision"):
        reason = f"p = {p:.2g} is not below {plan.alpha:g}, adjusted for all variants"
    return result._replace(
        alpha=plan.alpha, p_value=p, confidence_level=confidence_level(p), reason=reason
    )


def together(arms: list[ArmResult]) -> ArmsResult:
    """Return the result of the test from its comparisons with A.

    Args:
        arms: At least one.
    """
    broken = [arm for arm in arms if arm.result.status in _STOPPING]
    if broken:
        stopped = [arm._replace(result=_without(arm.result, broken[0].result)) for arm in arms]
        return ArmsResult(None, broken[0].arm, broken[0].result, tuple(stopped))
    won = [arm for arm in arms if arm.result.winner == "b"]
    if won:
        return _led_by(max(won, key=_advantage), arms)
    lost = [arm for arm in arms if arm.result.winner == "a"]
    if len(lost) == len(arms):  # A is best only if every variant is shown to be worse
        return _led_by(max(lost, key=_p), arms)
    open_arms = [arm for arm in arms if arm not in lost]
    failed = [arm for arm in open_arms if arm.result.status == "guardrail_failed"]
    return _led_by(min(failed or open_arms, key=_p), arms)


def _led_by(leading: ArmResult, arms: list[ArmResult]) -> ArmsResult:
    winner = leading.arm if leading.result.winner == "b" else leading.result.winner
    return ArmsResult(winner, leading.arm, leading.result, tuple(arms))


def _without(result: AbResult, broken: AbResult) -> AbResult:
    """Return a comparison of a test that is broken elsewhere: it has no result either."""
    if result.status in _STOPPING:
        return result
    return AbResult(broken.status, broken.reason, primary_metric=result.primary_metric)


def _p(arm: ArmResult) -> float:
    return 1.0 if arm.result.p_value is None else arm.result.p_value


def _advantage(arm: ArmResult) -> float:
    """Return how far a winner is ahead of A, by the deciding metric."""
    primary: Effect = arm.result.effects[0]
    ahead = primary.difference if primary.difference is not None else primary.ratio
    return ahead or 0.0
