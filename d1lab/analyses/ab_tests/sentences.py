"""Results of single A/B tests in sentences."""

from __future__ import annotations

import math
from typing import Any

from d1lab.analyses.ab_tests.decision import BEFORE_FIRST_LOOK, AbResult
from d1lab.analyses.ab_tests.effects import Effect
from d1lab.analyses.ab_tests.looks import AWAITS_END
from d1lab.analyses.ab_tests.tables import percent

_VERBS = {
    "conversions": ("converts {} than A", "brought {} orders than A at equal traffic"),
    "revenue": (
        "earns {} revenue per visitor than A",
        "brings {} revenue than A from equal traffic",
    ),
    "profit": ("earns {} profit per visitor than A", "earns {} profit than A from equal traffic"),
}

REFUSALS = {
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
"""Sentences of the statuses without a result."""


def sentence(result: AbResult) -> str:
    """Return the verdict of one test as a sentence."""
    if result.status in REFUSALS:
        return REFUSALS[result.status]
    if result.p_value is None:
        if result.reason == BEFORE_FIRST_LOOK:
            return "Running. The first planned look is still to come."
        if result.reason == AWAITS_END:
            return "Its planned end is reached. It is evaluated once, when the test has ended."
        return "Running. This test is evaluated once, at its planned end."
    told = _told(result)
    if result.status == "decided":
        return _won(result, told) if result.winner == "b" else _kept(result, told)
    if result.status == "guardrail_failed":
        return f"No winner: B {told}, but {_failed(result)}."
    if result.status == "running":
        return f"Running: B {told} so far. Not significant yet{_losing(result)}."
    return f"Inconclusive: B {told}. The difference is not significant{_losing(result)}."


def _won(result: AbResult, told: str) -> str:
    open_profit = result.break_even == "open" and result.break_even_basis == "profit"
    if open_profit and not _asked_for_money(result):
        return f"Wait: B {told}, but its effect on profit per visitor is not proven."
    return f"Roll out B: it {told}{_earning(result)}."


def _is_to_stop(result: AbResult) -> bool:
    """Return True if B is shown to be worse while the test still runs."""
    return result.status == "decided" and result.winner == "a" and not result.ended


def _kept(result: AbResult, told: str) -> str:
    advice = "Stop the test and keep A" if _is_to_stop(result) else "Keep A"
    converts = next((e for e in result.effects if e.metric == "conversions"), None)
    better = converts and converts.p_value is not None and converts.p_value < result.alpha
    if not _asked_for_money(result) or not better or (converts and converts.direction < 0):
        return f"{advice}: B {told}."
    more = _told(result._replace(primary_metric="conversions", **_shown(converts)), span=False)
    return f"{advice}: although B {more}, it {told}."


def _shown(effect: Effect | None) -> dict[str, Any]:
    """Return the fields that a sentence shows, of a metric other than the primary."""
    names = ("difference", "ratio", "ratio_low", "ratio_high")
    return {name: getattr(effect, name) for name in names}


def _failed(result: AbResult) -> str:
    untested = [rail.metric for rail in result.guardrails if rail.passed is None]
    if untested:
        return f"its effect on {untested[-1]} is not known"
    return "a guardrail metric may get worse by more than its allowed margin"


def _losing(result: AbResult) -> str:
    """Return a clause if B earns significantly less while its primary metric is undecided."""
    if result.break_even not in ("missed", "never") or _asked_for_money(result):
        return ""
    return f", and B earns less {result.break_even_basis} per visitor"


def _asked_for_money(result: AbResult) -> bool:
    return result.primary_metric == result.break_even_basis


def _earning(result: AbResult) -> str:
    """Return a clause on the winner's earnings, unless they are the primary metric."""
    if result.break_even is None or _asked_for_money(result):
        return ""
    if result.break_even == "met":
        return f" and earns more {result.break_even_basis} per visitor"
    return f". Its effect on {result.break_even_basis} per visitor is inconclusive"


def _told(result: AbResult, *, span: bool = True) -> str:
    """Return the effect in words: 'converts 12 % more visitors than A (95% interval ...)'."""
    verb = _VERBS[result.primary_metric][result.difference is None]
    if result.ratio is None or result.ratio_low is None or result.ratio_high is None:
        difference = result.difference or 0.0
        points = f"{100 * abs(difference):.1f} percentage points"
        size = points if result.primary_metric == "conversions" else f"{abs(difference):,.2f}"
        return verb.format(f"{size} {'more' if difference >= 0 else 'less'}")
    less = "fewer" if result.primary_metric == "conversions" else "less"
    size = f"{percent(abs(result.ratio - 1))} {'more' if result.ratio >= 1 else less}"
    if not span:
        return verb.format(size)
    low = percent(result.ratio_low - 1, sign="+")
    high = percent(result.ratio_high - 1, sign="+") if math.isfinite(result.ratio_high) else ""
    ends = f"{low} to {high}" if high else f"{low} or more"
    return f"{verb.format(size)} ({100 * (1 - result.alpha):g}% interval {ends})"
