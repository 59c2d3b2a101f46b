"""What a decision means, in words that need no statistics; and the evidence, row by row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from d1lab.stats.ab import AbResult
from d1lab.stats.ab_tests import Decision
from d1lab.stats.effects import Effect

Status = Literal["good", "bad", "neutral", "unknown"]

_VERBS = {
    "conversions": ("converts {} visitors than A", "brought {} orders from equal traffic"),
    "revenue": (
        "brings {} revenue per visitor than A",
        "brings {} revenue than A from equal traffic",
    ),
    "profit": ("earns {} profit per visitor than A", "earns {} profit than A from equal traffic"),
}

_REFUSALS = {
    "sample_ratio_mismatch": "No answer: the visitors were not split as declared. Find out why, "
    "then test anew.",
    "not_declared": "No answer: visitors were not counted, and their split was not declared before "
    "the start.",
    "insufficient_data": "No answer yet: too little is known or has happened.",
    "zero_variance": "No answer: every visitor did the same.",
    "invalid_input": "No answer: the numbers in the database cannot be true.",
}


def sentence(decision: Decision) -> str:
    """One test's verdict in a sentence."""
    result = decision.result
    if result.status in _REFUSALS:
        return _REFUSALS[result.status]
    if result.p_value is None:
        return "Still running: it is read once, at its planned end."
    told = _told(result)
    if result.status == "decided":
        return f"Take B: it {told}." if result.winner == "b" else f"Keep A: B {told}."
    if result.status == "guardrail_failed":
        return f"No winner: B {told}, but the better variant may worsen what must not suffer."
    if result.status == "running":
        return f"Still running: B {told} so far, which may be chance."
    return f"No winner: B {told}, which may be chance."


def status(result: AbResult) -> Status:
    """How to take a verdict."""
    if result.status == "decided":
        return "good" if result.winner == "b" else "neutral"
    return "unknown" if result.status in _REFUSALS else "neutral"


def headline(decisions: Sequence[Decision]) -> tuple[str, Status]:
    """All tests in a sentence, and how to take it."""
    won = [d.trial.name for d in decisions if d.result.winner == "b"]
    kept = sum(d.result.winner == "a" for d in decisions)
    running = sum(d.result.status == "running" for d in decisions)
    refused = sum(d.result.status in _REFUSALS for d in decisions)
    other = len(decisions) - len(won) - kept - running - refused
    counts = [
        (kept, "for keeping A"),
        (other, "without a winner"),
        (running, "still running"),
        (refused, "without an answer"),
    ]
    rest = ", ".join(f"{count} {text}" for count, text in counts if count)
    first = f"Take B in {len(won)} of {len(decisions)} tests" if won else "No test is won by B"
    names = f" ({', '.join(won)})" if won else ""
    return f"{first}{names}{'; ' + rest if rest else ''}.", "good" if won else "neutral"


def verdicts(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """The verdict of each test, its next step, and what B must reach to pay for itself."""
    return [
        {
            "test": d.trial.name,
            "verdict": sentence(d),
            "confidence": d.result.confidence_level and d.result.confidence_level / 100,
            "chance_b_better": d.result.chance_b_better,
            "days_left": d.days_left,
        }
        for d in decisions
    ]


def lifts(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """The lift of each test's primary metric with its interval, where both ends are known."""
    return [
        {
            "test": d.trial.name,
            "metric": f"lift_of_{d.result.primary_metric}",
            "value": d.result.ratio - 1,
            "low": d.result.ratio_low - 1,
            "high": d.result.ratio_high - 1,
        }
        for d in decisions
        if d.result.ratio is not None
        and d.result.ratio_low is not None
        and d.result.ratio_high is not None
        and math.isfinite(d.result.ratio_high)
        and d.result.ratio_low <= d.result.ratio <= d.result.ratio_high
    ]


def evidence(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """What a statistician asks for, one row per test."""
    return [
        {
            "test": d.trial.name,
            "status": d.result.status,
            "metric": d.result.primary_metric,
            "design": d.trial.plan.method,
            "method": d.result.method,
            "visitors_a": d.trial.a.visitors,
            "visitors_b": d.trial.b.visitors,
            "rate_a": d.result.rate_a,
            "rate_b": d.result.rate_b,
            "p_value": d.result.p_value,
            "look": d.result.look,
            "share_of_plan": d.result.share_of_plan,
            "spent_alpha": d.result.spent_alpha,
            "sample_ratio_p": d.result.sample_ratio_p,
            "detectable_lift": d.detectable_lift,
        }
        for d in decisions
    ]


def money(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """Revenue and profit per visitor with intervals, and the lift that pays for the discount."""
    return [
        {
            "test": d.trial.name,
            "metric": f"{effect.metric} per visitor",
            "value_a": effect.value_a,
            "value_b": effect.value_b,
            "difference": effect.difference,
            "difference_low": _finite(effect.difference_low),
            "difference_high": _finite(effect.difference_high),
            "p_value": effect.p_value,
            "discount_rate": d.trial.variants[1].discount_rate,
            "break_even_lift": _break_even_lift(d.result, effect),
            "pays": d.result.break_even if effect.metric == d.result.break_even_basis else None,
        }
        for d in decisions
        for effect in d.result.effects
        if effect.metric != "conversions" and effect.p_value is not None
    ]


def unsaid(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """What was not possible to say, and why."""
    return [
        {"test": d.trial.name, "what": what, "why": why}
        for d in decisions
        for what, why in _unsaid(d)
    ]


def _unsaid(decision: Decision) -> Iterable[tuple[str, str]]:
    result = decision.result
    if result.status in _REFUSALS or result.status == "guardrail_failed":
        yield "a winner", result.reason or result.status
    if result.sample_ratio_p is None and result.status != "invalid_input":
        yield "whether the visitors were split as declared", "visitors or the share are unknown"
    for effect in result.effects:
        if effect.p_value is None and effect.metric != result.primary_metric:
            yield f"whether {effect.metric} differs", effect.reason or "not known"
        elif effect.p_value is not None and effect.ratio_low is None:
            yield f"the lift of {effect.metric}", "A's mean is not clearly above zero"
    for fault in decision.trial.faults:
        yield "what the variants were", fault


def _told(result: AbResult) -> str:
    """'converts 12 % more visitors than A (0 % to 26 % more)'."""
    verb = _VERBS[result.primary_metric][result.difference is None]
    if result.ratio is None or result.ratio_low is None or result.ratio_high is None:
        difference = result.difference or 0.0
        size = f"{abs(difference):,.2f} {'more' if difference >= 0 else 'less'}"
        return verb.format(size)
    less = "fewer" if result.primary_metric == "conversions" else "less"
    size = f"{abs(result.ratio - 1):.0%} {'more' if result.ratio >= 1 else less}"
    high = f"{result.ratio_high - 1:+.0%}" if math.isfinite(result.ratio_high) else "any height"
    return f"{verb.format(size)} ({result.ratio_low - 1:+.0%} to {high})"


def _break_even_lift(result: AbResult, effect: Effect) -> float | None:
    if effect.metric != result.break_even_basis or result.break_even_ratio is None:
        return None
    return result.break_even_ratio - 1


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
