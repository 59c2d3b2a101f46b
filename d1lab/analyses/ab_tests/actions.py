"""Actions of the A/B test report: stop a losing test, take B, repeat a broken test."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from d1lab.analyses.ab_tests.advice import AdvisedTest, Amount


def declared(advised: Sequence[AdvisedTest]) -> Iterator[dict[str, Any]]:
    """Yield the actions, as arguments of `lab.action`.

    Args:
        advised: The tests that the page shows with their evidence.
    """
    for one, name in zip(advised, names(advised), strict=True):
        word = {"Stop": "stop", "Take B": "take", "Repeat": "repeat"}.get(one.verb)
        if word:
            yield {
                "verb": one.told_verb,
                "what": f"{_part(one)}the test “{one.decision.test.name}”",
                "reason": one.reason,
                "key": f"{word}-{name}",
                "link": f"test-{name}",
                **_money(one),
            }


def _part(one: AdvisedTest) -> str:
    if one.verb == "Stop" and one.decision.arms:
        return f"variant {one.letter} of "
    return "of " if one.verb == "Take B" else ""


def names(advised: Sequence[AdvisedTest]) -> list[str]:
    """Return a name for each test that can be part of an anchor, each once."""
    given: list[str] = []
    for one in advised:
        variant = f"-{one.letter}" if one.decision.arms else ""
        slug = name = _slug(f"{one.decision.test.test_id}{variant}")
        number = 1
        while name in given:
            number += 1
            name = f"{slug}-{number}"
        given.append(name)
    return given


def _money(one: AdvisedTest) -> dict[str, Any]:
    """Return the profit a month that acting changes, with its range if both ends are known."""
    if one.verb == "Repeat":
        return {"basis": "counted"}
    meaning = "lost" if one.verb == "Stop" else "gained"
    change: Amount | None = one.change
    if change is None or change.value < 0:  # the declared metric decided, against the profit
        return {"basis": "tested", "meaning": meaning, "amount": None}
    known = {"basis": "tested", "meaning": meaning, "amount": change.value}
    if change.low is None or change.high is None:
        return known
    return known | {"low": change.low, "high": change.high}


def _slug(test_id: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", test_id.lower()).strip("-")[:60] or "test"
