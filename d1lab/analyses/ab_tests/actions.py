"""Actions of the A/B test report: stop a losing test, take B, repeat a broken test."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from d1lab.analyses.ab_tests.effects import Effect
from d1lab.analyses.ab_tests.rows import known_rows
from d1lab.analyses.ab_tests.several import comparisons, letter
from d1lab.analyses.ab_tests.shop import Decision

MONTH_DAYS = 30


def declared(decisions: Sequence[Decision], tests: Any, until: date) -> Iterator[dict[str, Any]]:
    """Yield the actions, as arguments of `lab.action`.

    Args:
        decisions: Result of `decide`.
        tests: Rows of the metric `ab_tests`, in the same order.
        until: Day of the report.
    """
    for decision, row in zip(decisions, known_rows(tests), strict=True):
        for one in _to_act_on(decision):
            made = _action(one, _days(row, until))
            if made:
                yield made | _place(one)


def _to_act_on(decision: Decision) -> list[Decision]:
    """Return what can need an action: of several variants, the winner and those to stop."""
    if not decision.arms:
        return [decision]
    pairs = [pair for _, pair in comparisons([decision])]
    leading = [pair for pair in pairs if pair.leading == decision.leading]
    return leading + [p for p in pairs if p.result.winner == "a" and p not in leading]


def _action(decision: Decision, days: int) -> dict[str, Any] | None:
    test, result = decision.test, decision.result
    b, key = letter(decision.leading), _slug(test.test_id)
    name, key = f"“{test.name}”", f"{key}-{_slug(b)}" if decision.arms else key
    if result.status == "sample_ratio_mismatch":
        reason = "Visitors were not split as planned, so its result cannot be used."
        return {
            "verb": "Repeat",
            "what": f"the test {name}",
            "reason": reason,
            "basis": "counted",
            "key": f"repeat-{key}",
        }
    if result.winner == "a" and not result.ended:
        seen = _monthly(test.b.visitors, days)
        reason = _reason(decision, "less")
        return {
            "verb": "Stop",
            "what": f"variant {b} of the test {name}" if decision.arms else f"the test {name}",
            "reason": reason,
            "key": f"stop-{key}",
            "meaning": "lost",
            **_money(decision, seen, -1),
        }
    if result.winner == "b":
        running = not test.plan.ended
        others = test.a.visitors if running else _both(decision)
        reason = _reason(decision, "more")
        return {
            "verb": f"Take {b}",
            "what": f"of the test {name}",
            "reason": reason,
            "key": f"take-{key}",
            **_money(decision, _monthly(others, days), 1),
        }
    return None


def _place(decision: Decision) -> dict[str, Any]:
    """Return the link to the test's row, whose anchor is its name, or its key in parentheses."""
    name = decision.test.name
    key = re.search(r"\(([^()]+)\)$", name)
    return {"link": f"test-{_slug(key[1] if key else name)}"}


def _money(decision: Decision, visitors: float | None, sign: int) -> dict[str, Any]:
    """Return the profit a month that acting changes: per visitor, times the visitors it affects."""
    profit = _profit(decision)
    if profit is None or visitors is None or profit.difference is None:
        return {"basis": "tested", "amount": None}
    amount = sign * profit.difference * visitors
    ends = [profit.difference_low, profit.difference_high]
    if amount < 0:  # the declared metric decided, and profit points the other way
        return {"basis": "tested", "amount": None}
    if None in ends or not all(math.isfinite(end or 0.0) for end in ends):
        return {"basis": "tested", "amount": amount}
    low, high = sorted(sign * (end or 0.0) * visitors for end in ends)
    # The interval of all looks can exclude the estimate of the last one.
    return {"basis": "tested", "amount": min(max(amount, low), high), "low": low, "high": high}


def _reason(decision: Decision, compared: str) -> str:
    """Return what is known of the profit, as one sentence; `compared` is 'less' or 'more'."""
    profit = _profit(decision)
    if profit is None:
        return "Decided by the test's own measure; its profit is not known."
    low, high = profit.difference_low, profit.difference_high
    if low is not None and high is not None and (low > 0 or high < 0):
        b = letter(decision.leading)
        return f"A visitor who sees {b} brings {compared} profit than one who sees A."
    return "Decided by the test's own measure; its profit is not proven either way."


def _profit(decision: Decision) -> Effect | None:
    """Return the effect on profit if it was tested on counted visitors."""
    if not decision.test.a.visitors or not decision.test.b.visitors:
        return None
    found: Mapping[str, Effect] = {one.metric: one for one in decision.result.effects}
    profit = found.get("profit")
    return profit if profit and profit.p_value is not None else None


def _both(decision: Decision) -> int | None:
    a, b = decision.test.a.visitors, decision.test.b.visitors
    return None if a is None or b is None else a + b


def _monthly(visitors: float | None, days: int) -> float | None:
    return None if visitors is None or days < 1 else visitors / days * MONTH_DAYS


def _days(row: Mapping[str, Any], until: date) -> int:
    """Return the days on which the test has run; 0 if its start is not known."""
    start, end = row["started_at"], row["ended_at"]
    if start is None:
        return 0
    last = until if end is None else min(end.date(), until)
    return (last - start.date()).days + 1


def _slug(test_id: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", test_id.lower()).strip("-")[:60] or "test"
