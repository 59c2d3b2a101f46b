"""What to do with each A/B test: one word, its reason, and the money that it concerns.

    Stop     B loses while the test runs, and its method allows a decision now
    Take B   B won, and its profit is proven, or not known
    Wait     the test runs without proof, or B won and its profit is open
    Keep A   ended without proof that B is better
    Repeat   its visitors were not split as planned, or nothing can follow from its data
    Planned  not started

The range of the profit decides before the winner in D1, which follows the declared metric: a winner
whose profit is open waits, and a test whose whole range of profit is a loss is stopped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Literal, NamedTuple

from d1lab.analyses.ab_tests.arms import letter, named
from d1lab.analyses.ab_tests.decision import BEFORE_FIRST_LOOK, AbResult
from d1lab.analyses.ab_tests.effects import Effect
from d1lab.analyses.ab_tests.looks import AWAITS_END
from d1lab.analyses.ab_tests.model import Metric
from d1lab.analyses.ab_tests.rows import known_rows
from d1lab.analyses.ab_tests.several import comparisons
from d1lab.analyses.ab_tests.shop import Decision

Verb = Literal["Stop", "Take B", "Repeat", "Wait", "Planned", "Keep A"]
VERBS: tuple[Verb, ...] = ("Stop", "Take B", "Repeat", "Wait", "Planned", "Keep A")
"""All advice, most urgent first."""

NOUNS: dict[Metric, str] = {"conversions": "orders", "revenue": "revenue", "profit": "profit"}
MONTH_DAYS = 30


class Amount(NamedTuple):
    """Profit in 30 days, with its range; an end is None if it is not bounded."""

    value: float
    low: float | None
    high: float | None


class AdvisedTest(NamedTuple):
    """One test with its advice; of three and more variants, one of them against A."""

    decision: Decision  # whose B is the variant
    verb: Verb
    reason: str  # one sentence
    first_day: date | None
    last_day: date | None  # None while it runs
    days: int  # with visitors so far; 0 if unknown
    month: Amount | None  # profit in 30 days if every visitor saw B
    change: Amount | None  # profit in 30 days that following the advice changes

    @property
    def name(self) -> str:
        """Name of the test, and of the variant if it has more than two."""
        name = self.decision.test.name
        return f"{name}: {self.letter}" if self.decision.arms else name

    @property
    def letter(self) -> str:
        """The variant that is compared with A, as texts have it: 'B'."""
        return letter(self.decision.leading)

    @property
    def told_verb(self) -> str:
        """The advice with the variant's name, such as 'Take C'."""
        return f"Take {self.letter}" if self.verb == "Take B" else self.verb

    @property
    def is_running(self) -> bool:
        """Whether visitors still see both variants."""
        return not self.decision.test.plan.ended and self.verb != "Planned"


def advised(decisions: Sequence[Decision], tests: Any, until: date) -> list[AdvisedTest]:
    """Return the advice on each test, in the order given: running ones, then the latest.

    Args:
        decisions: Result of `decide`.
        tests: Rows of the metric `ab_tests`, in the same order.
        until: Day of the report.
    """
    return [
        _advised(pair, row, until)
        for decision, row in zip(decisions, known_rows(tests), strict=True)
        for pair in _pairs(decision)
    ]


def _pairs(decision: Decision) -> list[Decision]:
    """Return the comparisons with A; a test without a result for any of them stays one."""
    if decision.result.status in _WITHOUT_RESULT:
        return [decision._replace(arms=())]
    return [pair for _, pair in comparisons([decision])]


def _advised(decision: Decision, row: Mapping[str, Any], until: date) -> AdvisedTest:
    first, last = _days(row)
    days = 0 if first is None else (min(last or until, until) - first).days + 1
    ended = decision.test.plan.ended
    verb, reason = advise(decision)
    reason = named(reason, decision.leading)
    month = _month(decision, days)
    change = _change(decision, verb, month)
    return AdvisedTest(decision, verb, reason, first, last if ended else None, days, month, change)


def _days(row: Mapping[str, Any]) -> tuple[date | None, date | None]:
    """Return the first and the last day; an end at midnight is the end of the day before."""
    start, end = row["started_at"], row["ended_at"]
    first = None if start is None else start.date()
    last = None if end is None else (end - timedelta(microseconds=1)).date()
    return first, last


def advise(decision: Decision) -> tuple[Verb, str]:
    """Return what to do with a test, and why."""
    test, result = decision.test, decision.result
    profit = profit_of(result)
    if _is_planned(decision):
        return "Planned", "Not started yet."
    if result.status in _WITHOUT_RESULT:
        running, ended, reason = _WITHOUT_RESULT[result.status]
        return (ended if test.plan.ended else running), reason
    if result.winner == "a" or (profit is not None and is_below(profit)):
        return ("Keep A" if test.plan.ended else "Stop"), _loss(result)
    if result.winner == "b" and _is_behind(decision):
        return "Wait", "Better than A, but another variant is further ahead."
    if result.winner == "b":
        return _won(result, profit, ended=test.plan.ended)
    if result.status == "guardrail_failed":
        verb: Verb = "Keep A" if test.plan.ended else "Wait"
        return verb, "A measure that must not suffer could get worse by more than allowed."
    if test.plan.ended:
        return "Keep A", _undecided(result, ".")
    return "Wait", _running(decision)


_WITHOUT_RESULT: dict[str, tuple[Verb, Verb, str]] = {
    "sample_ratio_mismatch": (
        "Repeat",
        "Repeat",
        "Visitors were not split as planned, so its result cannot be used.",
    ),
    "not_declared": (
        "Repeat",
        "Keep A",
        "Visitors were not counted and no split was declared, so there is no result.",
    ),
    "insufficient_data": ("Wait", "Keep A", "Not enough data for a result."),
    "zero_variance": ("Wait", "Keep A", "Every visitor behaved the same: nothing to compare."),
    "invalid_input": (
        "Wait",
        "Keep A",
        "The stored numbers contradict each other. The evidence names the field.",
    ),
}
"""Advice while the test runs and after its end, and the reason, by status."""


def _is_planned(decision: Decision) -> bool:
    """Return True for a test without a start and without any visitor or order."""
    test = decision.test
    seen = [count for one in (test.a, test.b) for count in (one.visitors, one.conversions)]
    return not test.plan.ended and not test.days and not any(seen)


def _is_behind(decision: Decision) -> bool:
    """Return True if another variant that beats A has a larger ratio."""
    ratios = [arm.result.ratio or 0.0 for arm in decision.arms if arm.result.winner == "b"]
    return (decision.result.ratio or 0.0) < max(ratios, default=0.0)


def _loss(result: AbResult) -> str:
    orders = _effect(result, "conversions")
    sells = orders is not None and orders.p_value is not None and orders.p_value < result.alpha
    noun = NOUNS[result.primary_metric]
    if sells and orders and orders.direction > 0 and noun != "orders":
        return f"More orders, but less {noun} from each visitor."
    profit = profit_of(result)
    noun = "profit" if profit is not None and is_below(profit) else noun
    less = "fewer" if noun == "orders" else "less"
    return f"Visitors who see B bring {less} {noun} than those who see A."


def _won(result: AbResult, profit: Effect | None, *, ended: bool) -> tuple[Verb, str]:
    more = f"More {NOUNS[result.primary_metric]}"
    if profit is None:
        return "Take B", f"{more}. Its profit is not known: unit costs or visitors are missing."
    if is_above(profit):
        return "Take B", "Visitors who see B bring more profit than those who see A."
    next_step = "A longer test could prove it." if ended else "Let it run."
    return "Wait", f"{more}; profit not proven. {next_step}"


def _running(decision: Decision) -> str:
    result = decision.result
    if result.p_value is None:
        if result.reason == AWAITS_END:
            return "Its planned end is reached: end it, and it is read once."
        first = result.reason == BEFORE_FIRST_LOOK
        return "Its first planned look is still to come." if first else "Read once, at its end."
    left = decision.days_left
    rest = f"; {left} {'day' if left == 1 else 'days'} of its plan left." if left else "."
    return _undecided(result, rest) if earns_more(result) else f"No proof yet{rest}"


def _undecided(result: AbResult, rest: str) -> str:
    noun = NOUNS[result.primary_metric]
    if earns_more(result):
        return f"More profit, but its own measure, {noun}, shows no proof{rest}"
    return f"No proof of more {noun}{rest}"


def earns_more(result: AbResult) -> bool:
    """Return whether B surely earns more, in a test that decides by another measure."""
    profit = profit_of(result)
    return result.primary_metric != "profit" and profit is not None and is_above(profit)


def profit_of(result: AbResult) -> Effect | None:
    """Return the effect on profit if it was tested, else None."""
    profit = _effect(result, "profit")
    return profit if profit is not None and profit.p_value is not None else None


def _effect(result: AbResult, metric: Metric) -> Effect | None:
    return next((one for one in result.effects if one.metric == metric), None)


def is_above(effect: Effect) -> bool:
    """Return whether the whole range is above no effect, by the difference if it is known."""
    low, ratio = effect.difference_low, effect.ratio_low
    return low > 0 if low is not None else ratio is not None and ratio > 1


def is_below(effect: Effect) -> bool:
    """Return whether the whole range is below no effect, by the difference if it is known."""
    high, ratio = effect.difference_high, effect.ratio_high
    return high < 0 if high is not None else ratio is not None and ratio < 1


def _month(decision: Decision, days: int) -> Amount | None:
    """Return the profit in 30 days if every visitor saw B, at the traffic of the test."""
    profit, test = profit_of(decision.result), decision.test
    if profit is None or profit.difference is None or days < 1:
        return None
    if not test.a.visitors or not test.b.visitors:
        return None
    visitors = _visitors(decision) / days * MONTH_DAYS
    low, high = (_bounded(end, visitors) for end in (profit.difference_low, profit.difference_high))
    return _inside(profit.difference * visitors, low, high)


def _visitors(decision: Decision) -> int:
    """Return the visitors of all variants."""
    others = [arm.sums for arm in decision.arms] or [decision.test.b]
    return sum(one.visitors or 0 for one in (decision.test.a, *others))


def _bounded(end: float | None, visitors: float) -> float | None:
    return end * visitors if end is not None and math.isfinite(end) else None


def _inside(value: float, low: float | None, high: float | None) -> Amount:
    """Return the amount; the range of all looks can exclude the estimate of the last one."""
    value = value if low is None else max(value, low)
    return Amount(value if high is None else min(value, high), low, high)


def _change(decision: Decision, verb: Verb, month: Amount | None) -> Amount | None:
    """Return the profit that acting changes: per visitor, times the visitors it concerns."""
    test = decision.test
    if month is None or verb not in ("Stop", "Take B") or not test.a.visitors:
        return None
    share = (test.b.visitors or 0) / _visitors(decision)  # of the visitors who see the variant
    if verb == "Take B":
        others = 1.0 if test.plan.ended else 1.0 - share
        return Amount(*(None if end is None else others * end for end in month))  # pyright: ignore[reportArgumentType] - the value is known
    value, low, high = month
    lost = [None if end is None else -share * end for end in (value, high, low)]
    return Amount(*lost)  # pyright: ignore[reportArgumentType] - the value is known
