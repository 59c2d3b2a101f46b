"""Plain-language verdicts and result tables for A/B tests."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from d1lab.analyses.ab_tests.decision import AbResult
from d1lab.analyses.ab_tests.shop import Decision

Status = Literal["good", "bad", "neutral", "unknown"]

_VERBS = {
    "conversions": ("converts {} than A", "brought {} orders than A at equal traffic"),
    "revenue": (
        "earns {} revenue per visitor than A",
        "brings {} revenue than A from equal traffic",
    ),
    "profit": ("earns {} profit per visitor than A", "earns {} profit than A from equal traffic"),
}

_REFUSALS = {
    "sample_ratio_mismatch": (
        "No result: sample ratio mismatch. Visitors were not split as planned. Find the cause, "
        "then restart the test."
    ),
    "not_declared": "No result: visitors were not counted, and the traffic split was not declared "
    "before the test started.",
    "insufficient_data": "No result yet: not enough data.",
    "zero_variance": (
        "No result: every visitor behaved the same, so the variants cannot be compared."
    ),
    "invalid_input": (
        'No result: the stored numbers are inconsistent. See "Not available" for the field.'
    ),
}


def sentence(result: AbResult) -> str:
    """One test's verdict in a sentence."""
    if result.status in _REFUSALS:
        return _REFUSALS[result.status]
    if result.p_value is None:
        return "Running. This test is evaluated once, at its planned end."
    told = _told(result)
    if result.status == "decided":
        return (
            f"Roll out B: it {told}{_earning(result)}."
            if _is_taken(result)
            else _kept(result, told)
        )
    if result.status == "guardrail_failed":
        return (
            f"No winner: B {told}, but a guardrail metric may get worse by more than its "
            "allowed margin."
        )
    if result.status == "running":
        return f"Running: B {told} so far. Not significant yet{_losing(result)}."
    return f"Inconclusive: B {told}. The difference is not significant{_losing(result)}."


def status(result: AbResult) -> Status:
    """How to take a verdict."""
    if _is_taken(result):
        return "good"
    return "unknown" if result.status in _REFUSALS else "neutral"


def headline(decisions: Sequence[Decision]) -> tuple[str, Status]:
    """All tests in a sentence, and how to take it."""
    taken = [d.trial.name for d in decisions if _is_taken(d.result)]
    decided = sum(d.result.status == "decided" for d in decisions)
    running = sum(d.result.status == "running" for d in decisions)
    refused = sum(d.result.status in _REFUSALS for d in decisions)
    counts = [
        (decided - len(taken), "keep A"),
        (len(decisions) - decided - running - refused, "inconclusive"),
        (running, "running"),
        (refused, "without a result"),
    ]
    rest = "".join(f"; {count} {text}" for count, text in counts if count)
    first = (
        f"Roll out B in {len(taken)} of {len(decisions)} tests"
        if taken
        else ("No test supports rolling out B")
    )
    names = f" ({', '.join(taken)})" if taken else ""
    return f"{first}{names}{rest}.", "good" if taken else "neutral"


def verdicts(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """The verdict of each test, how sure it is, and how long it still takes."""
    return [
        {
            "test": d.trial.name,
            "verdict": sentence(d.result),
            "confidence": _level(d.result.confidence_level),
            "chance_b_better": _share(d.result.chance_b_better),
            "days_left": d.days_left,
        }
        for d in decisions
    ]


def lifts(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """The lift of each test's primary metric, as a key figure, where its interval is bounded."""
    return [
        {
            "metric": f"lift_of_{result.primary_metric}",
            "dimension": trial.name,
            "label": f"Lift of {result.primary_metric}",
            "kind": "percent",
            "value": result.ratio - 1,
            "low": result.ratio_low - 1,
            "high": result.ratio_high - 1,
            "level": 1 - result.alpha,
        }
        for trial, result, *_ in decisions
        if result.ratio is not None
        and result.ratio_low is not None
        and result.ratio_high is not None
        # All looks together may leave an interval beside the last look's estimate.
        and result.ratio_low <= result.ratio <= result.ratio_high < math.inf
    ]


def methods(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """How each test was read."""
    return [
        {
            "test": d.trial.name,
            "design": d.trial.plan.method.replace("_", " "),
            "method": (d.result.method or "").replace("_", " ") or None,
            "p_value": _p(d.result.p_value),
            "look": d.result.look,
            "share_of_plan": d.result.share_of_plan,
            "spent_alpha": d.result.spent_alpha,
            "risk_a": _per_10_000(d.result.expected_loss_a),
            "risk_b": _per_10_000(d.result.expected_loss_b),
        }
        for d in decisions
    ]


def _per_10_000(loss: float | None) -> float | None:
    """An expected loss per visitor, as one of orders or money per 10,000 visitors."""
    return None if loss is None else 10_000 * loss


def traffic(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """Who came, who converted, whether the split holds, and what could be seen at all."""
    return [
        {
            "test": d.trial.name,
            "visitors_a": d.trial.a.visitors,
            "visitors_b": d.trial.b.visitors,
            "rate_a": d.result.rate_a,
            "rate_b": d.result.rate_b,
            "sample_ratio_p": _p(d.result.sample_ratio_p),
            "detectable_lift": d.detectable_lift,
        }
        for d in decisions
    ]


def totals(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """What was counted, also where nothing may be concluded from it: a description."""
    return [
        {
            "test": d.trial.name,
            "conversions_a": d.trial.a.conversions,
            "conversions_b": d.trial.b.conversions,
            "revenue_a": d.trial.a.revenue,
            "revenue_b": d.trial.b.revenue,
            "order_value_a": d.result.order_value_a,
            "order_value_b": d.result.order_value_b,
        }
        for d in decisions
    ]


def money(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """Revenue and profit per visitor, with intervals."""
    return [
        {
            "test": d.trial.name,
            "metric": effect.metric,
            "value_a": effect.value_a,
            "value_b": effect.value_b,
            "difference": effect.difference,
            "difference_low": _finite(effect.difference_low),
            "difference_high": _finite(effect.difference_high),
            "p_value": _p(effect.p_value),
        }
        for d in decisions
        for effect in d.result.effects
        if effect.metric != "conversions" and effect.p_value is not None
    ]


def break_evens(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """The lift in conversions that pays for B's discount, and the lift that was seen."""
    return [
        {
            "test": d.trial.name,
            "discount_rate": d.trial.variants[1].discount_rate,
            "break_even_lift": ratio - 1,
            "lift": None if effect.ratio is None else effect.ratio - 1,
            "lift_low": None if effect.ratio_low is None else effect.ratio_low - 1,
            "lift_high": _finite(effect.ratio_high and effect.ratio_high - 1),
            "basis": d.result.break_even_basis,
            "pays": d.result.break_even,
        }
        for d in decisions
        for effect in d.result.effects
        for ratio in [d.result.break_even_ratio]
        if effect.metric == "conversions" and ratio is not None
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
        yield "Winner", result.reason or result.status
    if result.sample_ratio_p is None and result.status != "invalid_input":
        yield (
            "Traffic split check (SRM)",
            ("the number of visitors or the planned split is unknown"),
        )
    for effect in result.effects:
        if effect.p_value is None and effect.metric != result.primary_metric:
            yield f"Difference in {effect.metric}", effect.reason or "not known"
        elif effect.p_value is not None and effect.ratio_low is None:
            yield f"Lift of {effect.metric}", "A's average is not significantly above zero"
    for fault in decision.trial.faults:
        yield "Variant configuration", fault


def _is_taken(result: AbResult) -> bool:
    """Whether B won, and is not known to earn less than A for all that."""
    return result.winner == "b" and result.break_even not in ("missed", "never")


def _kept(result: AbResult, told: str) -> str:
    if result.winner == "a":
        return f"Keep A: B {told}."
    return f"Keep A: although B {told}, it earns less {result.break_even_basis} per visitor."


def _losing(result: AbResult) -> str:
    """That B earns less for sure, though what was asked is open."""
    if result.break_even not in ("missed", "never") or _asked_for_money(result):
        return ""
    return f", and B earns less {result.break_even_basis} per visitor"


def _asked_for_money(result: AbResult) -> bool:
    return result.primary_metric == result.break_even_basis


def _earning(result: AbResult) -> str:
    """Whether the winner earns more, where that was not the question itself."""
    if result.break_even is None or _asked_for_money(result):
        return ""
    if result.break_even == "met":
        return f"and earns more {result.break_even_basis} per visitor"
    return f". Its effect on {result.break_even_basis} per visitor is inconclusive"


def _told(result: AbResult) -> str:
    """'converts 12 % more visitors than A (0 % to +26 %)'."""
    verb = _VERBS[result.primary_metric][result.difference is None]
    if result.ratio is None or result.ratio_low is None or result.ratio_high is None:
        difference = result.difference or 0.0
        points = f"{100 * abs(difference):.1f} percentage points"
        size = points if result.primary_metric == "conversions" else f"{abs(difference):,.2f}"
        return verb.format(f"{size} {'more' if difference >= 0 else 'less'}")
    less = "fewer" if result.primary_metric == "conversions" else "less"
    size = f"{_percent(abs(result.ratio - 1))} {'more' if result.ratio >= 1 else less}"
    low = _percent(result.ratio_low - 1, sign="+")
    high = _percent(result.ratio_high - 1, sign="+")
    return f'{verb.format(size)} (95% interval {low} to {high}; "no upper limit" if infinite)'


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


def _level(confidence: float | None) -> str | None:
    """As it is stored: truncated, so that 99.99 is never shown as 100."""
    return None if confidence is None else f"{confidence:.2f} %"


def _share(chance: float | None) -> str | None:
    if chance is None:
        return None
    if 0.001 <= chance <= 0.999:
        return f"{100 * chance:.1f} %"
    return "< 0.1 %" if chance < 0.5 else "> 99.9 %"


def _p(p_value: float | None) -> str | None:
    if p_value is None:
        return None
    return "< 0.0001" if p_value < 0.0001 else f"{p_value:.4f}"


def _percent(ratio: float, sign: str = "-") -> str:
    """A share in whole per cent, and in tenths below one: an end beside 0 is not shown as 0.

    >>> _percent(0.258, "+"), _percent(-0.004, "+"), _percent(0.0)
    ('+26 %', '−0.4 %', '0 %')
    """
    digits = 0 if abs(ratio) >= 0.01 or ratio == 0 else 1
    text = f"{100 * ratio:{sign}.{digits}f}"
    if not text.strip("+-0."):
        text = "0"
    return f"{text} %".replace("-", "\N{MINUS SIGN}")
