"""Sentences and rows of tests of three and more variants."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from d1lab.analyses.ab_tests.arms import ArmResult, letter, named
from d1lab.analyses.ab_tests.decision import AbResult
from d1lab.analyses.ab_tests.model import Variant
from d1lab.analyses.ab_tests.shop import Decision
from d1lab.analyses.ab_tests.tables import shown_p

_STATES = {"a": "Worse than A", "b": "Better than A"}


def losing(decision: Decision) -> list[str]:
    """Return the variants that are shown to be worse than A while the test still runs."""
    return [
        letter(arm.arm)
        for arm in decision.arms
        if arm.result.winner == "a" and not arm.result.ended
    ]


def told(decision: Decision, sentence: Callable[[AbResult], str]) -> str:
    """Return the verdict of a test as a sentence, and the variants that are to be stopped."""
    text = sentence(decision.result)
    if not decision.arms:
        return text
    worse = [arm for arm in losing(decision) if arm != letter(decision.leading)]
    stops = f" Stop {' and '.join(worse)}: worse than A." if worse else ""
    return named(text, decision.leading) + stops


def comparisons(decisions: Iterable[Decision]) -> list[tuple[str, Decision]]:
    """Return every comparison with A and its name, with the compared variant in B's place."""
    found: list[tuple[str, Decision]] = []
    for one in decisions:
        name = one.test.name
        for arm in one.arms:
            test = one.test._replace(b=arm.sums)
            pair = one._replace(test=test, result=arm.result, leading=arm.arm)
            found.append((f"{name}: {letter(arm.arm)}", pair))
        if not one.arms:
            found.append((name, one))
    return found


def arms(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """Return one row per variant of the tests of three and more, A first."""
    return [row for decision in decisions if decision.arms for row in _rows(decision)]


def _rows(decision: Decision) -> Iterable[dict[str, Any]]:
    name = decision.test.name
    yield _totals(name, "a", decision.test.a)
    for arm in decision.arms:
        yield _totals(name, arm.arm, arm.sums) | _compared(arm)


def _totals(test: str, variant: str, sums: Variant) -> dict[str, Any]:
    each = {
        f"{metric}_per_visitor": value / sums.visitors if value is not None else None
        for metric in ("revenue", "profit")
        for value in [getattr(sums, metric)]
        if sums.visitors
    }
    counts = {"variant_visitors": sums.visitors, "variant_conversions": sums.conversions}
    return {"test": test, "variant": letter(variant), **counts, **each}


def _compared(arm: ArmResult) -> dict[str, Any]:
    result = arm.result
    lifts = {
        name: None if end is None or end == float("inf") else end - 1
        for name, end in zip(
            ("lift", "lift_low", "lift_high"),
            (result.ratio, result.ratio_low, result.ratio_high),
            strict=True,
        )
    }
    return {
        "compared_by": result.primary_metric,
        **lifts,
        "p_value_of_all": shown_p(result.p_value),
        "correction": arm.correction.capitalize(),
        "state": _STATES.get(result.winner or "", _state(result.status, result.p_value)),
    }


def _state(status: str, p_value: float | None) -> str:
    if status == "guardrail_failed":
        return "Held back by a guardrail"
    return "Not available" if p_value is None else "Not significant"
