"""The list of tests on the page: one row each, the most urgent first, with its evidence."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from d1lab.analyses.ab_tests import several
from d1lab.analyses.ab_tests.actions import declared, names
from d1lab.analyses.ab_tests.advice import (
    NOUNS,
    VERBS,
    AdvisedTest,
    Amount,
    is_above,
    is_below,
    profit_of,
)
from d1lab.analyses.ab_tests.effects import Effect
from d1lab.analyses.ab_tests.sentences import sentence
from d1lab.analyses.ab_tests.shop import Decision, effect_histories
from d1lab.analyses.ab_tests.tables import chance, level, shown_p
from d1lab.analyses.ab_tests.validation import VariantConfig
from d1lab.counting import counted
from d1lab.display.ab_test_list import (
    AbTestList,
    AbTestRow,
    CheckOfTest,
    Course,
    Estimate,
    PerVisitor,
)
from d1lab.display.actions import Action
from d1lab.display.declarations import ReportTable
from d1lab.display.values import show
from d1lab.stats.periods import day_text

MOST_PROVEN = 60
"""Tests with a row and their evidence: those that run, then the latest."""
MOST_LISTED, MOST_LOOKS = 200, 24
"""Rows of the table of all tests, whose file has every test; looks in the picture of a test."""
TABLE = "decision"


def evidence_list(advised: Sequence[AdvisedTest], currency: str) -> AbTestList:
    """Return the list of the tests with evidence.

    Args:
        advised: All tests, running ones first, then the latest.
        currency: Currency of the shop.
    """
    shown = advised[:MOST_PROVEN]
    actions = {one["link"]: Action.of_fields(**one, currency=currency) for one in declared(shown)}
    rows = [
        _row(one, f"test-{name}", actions.get(f"test-{name}"))
        for one, name in zip(shown, names(shown), strict=True)
    ]
    ranked = sorted(
        zip(shown, rows, strict=True),
        key=lambda pair: (not pair[1].is_losing, VERBS.index(pair[0].verb)),
    )
    return AbTestList(tuple(row for _, row in ranked), len(advised), currency, TABLE)


def _row(one: AdvisedTest, anchor: str, action: Action | None) -> AbTestRow:
    test, result = one.decision.test, one.decision.result
    state = "planned" if one.verb == "Planned" else "running" if one.is_running else "ended"
    return AbTestRow(
        anchor,
        one.name,
        state,
        _times(one),
        f"{one.letter} against A" if one.decision.arms else _arms(*test.variants),
        _visitors(one),
        NOUNS[result.primary_metric],
        difference(one),
        _estimate(one.month),
        tuple(_checks(one)),
        one.told_verb,
        one.reason,
        one.verb == "Stop",
        action.anchor if action else "",
        _change(action),
        tuple(_per_visitor(one)),
        _course(one),
        _method(one),
    )


def _change(action: Action | None) -> str:
    if action is None or action.amount is None:
        return ""
    return f"{action.amount_text} {action.meaning_text}. {action.basis_text}."


def difference(one: AdvisedTest) -> Estimate | None:
    """Return the relative difference of the deciding measure, if the test was evaluated."""
    result = one.decision.result
    if result.p_value is None or result.ratio is None:
        return None
    return _relative(result.ratio, result.ratio_low, result.ratio_high)


def _relative(ratio: float, low: float | None, high: float | None) -> Estimate:
    ends = (end - 1 if end is not None and math.isfinite(end) else None for end in (low, high))
    return Estimate(ratio - 1, *ends)


def _estimate(amount: Amount | None) -> Estimate | None:
    return None if amount is None else Estimate(*amount)


def _times(one: AdvisedTest) -> str:
    if one.verb == "Planned":
        return "Planned"
    if one.first_day is None:
        return "Ended" if one.last_day else "Running, start not recorded"
    if one.last_day:
        return f"Ended {day_text(one.last_day)} · {counted(one.days, 'day')}"
    text = f"Running since {day_text(one.first_day)} · day {one.days}"
    planned, plan = one.decision.result.share_of_plan, one.decision.test.plan
    if plan.method == "always_valid" or planned is None:
        return f"{text} · no planned end"
    return f"{text} · {min(planned, 1):.0%} of plan"


def _arms(a: VariantConfig, b: VariantConfig) -> str:
    texts = [_arm(a), _arm(b)]
    return "A and B at the same prices" if a == b else f"A: {texts[0]} · B: {texts[1]}"


def _arm(variant: VariantConfig) -> str:
    if variant.fault:
        return "settings cannot be read"
    rate = variant.discount_rate
    text = "no discount" if not rate else f"{show(rate, 'percent', digits=0)} off"
    if variant.skus is not None:
        return f"{text} on {counted(len(variant.skus), 'product')}"
    return text if rate is not None else "no discount in its settings"


def _checks(one: AdvisedTest) -> Iterator[CheckOfTest]:
    test, result = one.decision.test, one.decision.result
    split = _split(test.a.visitors, test.b.visitors)
    if result.status == "sample_ratio_mismatch":
        planned = 100 * (1 - (test.plan.share_b or 0.5))
        yield CheckOfTest("failed", f"Traffic {split}, not {planned:.0f}:{100 - planned:.0f}")
        return
    if result.sample_ratio_p is not None:
        yield CheckOfTest("passed", f"Traffic {split}")
    elif one.verb != "Planned":
        yield CheckOfTest("open", "Split not checked")
    for rail in result.guardrails:
        state = "open" if rail.passed is None else "passed" if rail.passed else "failed"
        yield CheckOfTest(state, _rail(rail))
    profit = _profit_check(one)
    if profit and result.p_value is not None:
        yield profit


def _rail(rail: Any) -> str:
    noun = NOUNS[rail.metric].capitalize()
    margin = show(rail.margin, "percent", digits=0) if rail.relative else f"{rail.margin:g}"
    if rail.passed is None:
        return f"{noun} not known"
    return f"{noun} {'within' if rail.passed else 'could drop over'} {margin}"


def _profit_check(one: AdvisedTest) -> CheckOfTest:
    profit = profit_of(one.decision.result)
    if profit is None:
        return CheckOfTest("open", "Profit not known")
    if is_above(profit):
        return CheckOfTest("passed", "More profit")
    if is_below(profit):
        return CheckOfTest("failed", "Less profit")
    return CheckOfTest("open", "Profit not proven")


def _split(a: int | None, b: int | None) -> str:
    if not a or not b:
        return "as planned"
    share = round(100 * a / (a + b))
    return f"{share}:{100 - share}"


def _per_visitor(one: AdvisedTest) -> Iterator[PerVisitor]:
    test, result = one.decision.test, one.decision.result
    counted_visitors = None not in (test.a.visitors, test.b.visitors)
    for effect in result.effects if counted_visitors else ():
        if effect.value_a is not None:
            yield _measure(effect)
    yield PerVisitor("Visitors", "integer", test.a.visitors, test.b.visitors)
    yield PerVisitor("Visitors with an order", "integer", test.a.conversions, test.b.conversions)
    yield PerVisitor("Revenue in all", "money", test.a.revenue, test.b.revenue)


def _measure(effect: Effect) -> PerVisitor:
    kind = "percent" if effect.metric == "conversions" else "money"
    label = {"conversions": "Orders per visitor"}.get(
        effect.metric, f"{effect.metric.capitalize()} per visitor"
    )
    lift = None
    if effect.ratio is not None and effect.ratio_low is not None:
        lift = _relative(effect.ratio, effect.ratio_low, effect.ratio_high)
    return PerVisitor(label, kind, effect.value_a, effect.value_b, lift)


def _course(one: AdvisedTest) -> Course:
    if one.decision.result.p_value is None:
        return Course()
    points = effect_histories([one.decision])
    if len(points) < 2:
        return Course()
    step = -(-len(points) // MOST_LOOKS)
    points = points[::-1][::step][::-1]  # the last look stays
    return Course(
        tuple(point["day"].isoformat() for point in points),
        *(
            tuple(None if p[name] is None else round(p[name], 4) for p in points)
            for name in ("lift", "lift_low", "lift_high")
        ),
    )


def _method(one: AdvisedTest) -> str:
    plan, result = one.decision.test.plan, one.decision.result
    parts = [f"Design: {plan.method.replace('_', ' ')}"]
    if result.method:
        parts.append(f"method: {result.method.replace('_', ' ')}")
    if result.p_value is not None:
        parts.append(f"p-value {shown_p(result.p_value)}")
    if result.look:
        parts.append(f"look {result.look}")
    if result.sample_ratio_p is not None:
        parts.append(f"p-value of the split {shown_p(result.sample_ratio_p)}")
    if result.reason:
        parts.append(result.reason)
    return f"{', '.join(parts)}."


def all_tests(advised: Sequence[AdvisedTest]) -> ReportTable:
    """Return the table of all tests, with the numbers of the list; its file has every test."""
    import pandas as pd

    told = verdicts(one.decision for one in advised)
    rows = [_record(one) | sentence for one, sentence in zip(advised, told, strict=True)]
    return ReportTable(pd.DataFrame(rows), "Decision", limit=MOST_LISTED, name=TABLE)


def verdicts(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """Return one row per test: verdict, confidence, and remaining time."""
    return [
        {
            "verdict": several.told(d, sentence),
            "confidence": level(d.result.confidence_level),
            "chance_b_better": chance(None if d.leading != "b" else d.chance_b_better),
            "days_left": d.days_left,
        }
        for d in decisions
    ]


def _record(one: AdvisedTest) -> dict[str, Any]:
    lift, month = difference(one), one.month
    return {
        "test": one.name,
        "advice": one.told_verb,
        "started": one.first_day,
        "ended": one.last_day,
        "visitors": _visitors(one),
        "measure": NOUNS[one.decision.result.primary_metric],
        "lift": lift and lift.value,
        "lift_low": lift and lift.low,
        "lift_high": lift and lift.high,
        "profit_month": month and month.value,
        "profit_month_low": month and month.low,
        "profit_month_high": month and month.high,
    }


def _visitors(one: AdvisedTest) -> int | None:
    """Return the visitors of the variant and of A."""
    counts = (one.decision.test.a.visitors, one.decision.test.b.visitors)
    return None if None in counts else int(sum(count or 0 for count in counts))
