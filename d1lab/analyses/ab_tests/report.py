"""Content of the A/B test report: verdicts, key figures, tables, and charts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from d1lab.analyses.ab_tests import planner, several
from d1lab.analyses.ab_tests import tables as frames
from d1lab.analyses.ab_tests.decision import BEFORE_FIRST_LOOK, AbResult
from d1lab.analyses.ab_tests.effects import Effect
from d1lab.analyses.ab_tests.rows import known_rows
from d1lab.analyses.ab_tests.shop import PLAN_COLUMNS, Decision, effect_histories, plans
from d1lab.counting import counted
from d1lab.display.declarations import ReportChart, ReportTable
from d1lab.errors import InputError

MOST_NAMED, MOST_DRAWN, MOST_MONITORED = 5, 40, 6
"""Tests that the headline names, and that the charts of lifts and of progress can show."""
MOST_LISTED, MOST_PROVEN = 1_000, 60
"""Tests that have a row on the page, and that have their evidence there: running, then latest."""

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
    """Return the verdict of one test as a sentence."""
    if result.status in _REFUSALS:
        return _REFUSALS[result.status]
    if result.p_value is None:
        if result.reason == BEFORE_FIRST_LOOK:
            return "Running. The first planned look is still to come."
        return "Running. This test is evaluated once, at its planned end."
    told = _told(result)
    if result.status == "decided":
        return (
            f"Roll out B: it {told}{_earning(result)}."
            if result.winner == "b"
            else _kept(result, told)
        )
    if result.status == "guardrail_failed":
        return f"No winner: B {told}, but {_failed(result)}."
    if result.status == "running":
        return f"Running: B {told} so far. Not significant yet{_losing(result)}."
    return f"Inconclusive: B {told}. The difference is not significant{_losing(result)}."


def status(result: AbResult) -> Status:
    """Return the status of a verdict: bad while a test runs that B is shown to lose."""
    if result.winner == "b":
        return "good"
    if _is_to_stop(result):
        return "bad"
    return "unknown" if result.status in _REFUSALS else "neutral"


def verdict(decisions: Sequence[Decision]) -> tuple[str, Status]:
    """Return the summary sentence of all tests and its status; a losing test comes first."""
    taken = [name for name in map(several.taken, decisions) if name]
    losing = [d for d in decisions if _is_losing(d)]
    stopped = [d.test.name for d in losing]
    others = [d.result for d in decisions if d not in losing and d.result.winner != "b"]
    decided, running = (sum(one.status == s for one in others) for s in ("decided", "running"))
    refused = sum(one.status in _REFUSALS for one in others)
    counts = [
        (decided, "keep A"),
        (len(others) - decided - running - refused, "inconclusive"),
        (running, "running"),
        (refused, "without a result"),
    ]
    rest = "".join(f"; {count} {text}" for count, text in counts if count)
    b = "a variant" if any(d.arms for d in decisions) else "B"
    total = counted(len(decisions), "test")
    if stopped:
        won = f"; roll out {b} in {len(taken)} ({_names(taken)})" if taken else ""
        text = f"Stop {len(stopped)} of {total}: {b} is worse ({_names(stopped)}){won}{rest}."
        return text, "bad"
    if taken:
        return f"Roll out {b} in {len(taken)} of {total} ({_names(taken)}){rest}.", "good"
    return f"No test supports rolling out {b}{rest}.", "neutral"


def _names(names: Sequence[str]) -> str:
    """Return the names of a few tests; of many, the first three."""
    if len(names) <= MOST_NAMED:
        return ", ".join(names)
    return f"{', '.join(names[:3])}, and {len(names) - 3} more"


def verdicts(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """Return one row per test: verdict, confidence, and remaining time."""
    return [
        {
            "test": d.test.name,
            "verdict": several.told(d, sentence),
            "confidence": frames.level(d.result.confidence_level),
            "chance_b_better": frames.chance(d.chance_b_better),
            "days_left": d.days_left,
        }
        for d in decisions
    ]


def figures(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """Return the lift of each primary metric as a key figure, if its interval is bounded."""
    return [
        {
            "metric": f"lift_of_{result.primary_metric}",
            "dimension": name,
            "label": f"Lift of {result.primary_metric}",
            "kind": "percent",
            "value": result.ratio - 1,
            "low": result.ratio_low - 1,
            "high": result.ratio_high - 1,
            "level": 1 - result.alpha,
        }
        for name, pair in several.comparisons(decisions)
        for result in [pair.result]
        if result.ratio is not None
        and result.ratio_low is not None
        and result.ratio_high is not None
        # The interval adjusted for all looks can exclude the estimate of the last look.
        and result.ratio_low <= result.ratio <= result.ratio_high < math.inf
    ]


def unsaid(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """Return the results that are not available, each with its reason."""
    return [
        {"test": d.test.name, "what": what, "why": why}
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
            yield f"Difference in {effect.metric}", effect.reason or "not available"
        elif effect.p_value is not None and effect.ratio_low is None:
            yield f"Lift of {effect.metric}", "A's average is not significantly above zero"
    for fault in decision.test.faults:
        yield "Variant configuration", fault


def tables(decisions: Sequence[Decision]) -> dict[str, ReportTable]:
    """Return the tables of the report by name."""
    import pandas as pd

    why = pd.DataFrame(unsaid(decisions), columns=pd.Index(["test", "what", "why"]))
    pairs = [d for d in decisions if not d.arms]
    totals, money = (pd.DataFrame(of(pairs)) for of in (frames.totals, frames.money))
    break_evens = pd.DataFrame(frames.break_evens(pairs))
    return {
        "decisions": ReportTable(pd.DataFrame(verdicts(decisions)), "Decision", limit=MOST_LISTED),
        "money": ReportTable(
            money, "Revenue and profit per visitor", limit=2 * MOST_PROVEN, name="money"
        ),
        "break_even": ReportTable(
            break_evens, "Break-even conversion lift", limit=MOST_PROVEN, name="break-even"
        ),
        "methods": ReportTable(
            pd.DataFrame(frames.methods(decisions)), "Methods", limit=MOST_PROVEN
        ),
        "arms": ReportTable(
            pd.DataFrame(several.arms(decisions)), "Variants", limit=2 * MOST_PROVEN, name="arms"
        ),
        "traffic": ReportTable(pd.DataFrame(frames.traffic(pairs)), "Traffic", limit=MOST_PROVEN),
        "totals": ReportTable(totals, "Totals", limit=MOST_PROVEN),
        "unsaid": ReportTable(why, "Results not available", limit=2 * MOST_PROVEN),
    }


def default_plans(decisions: Iterable[Decision]) -> Any:
    """Return the default plans in use as a frame, to stage for `d1lab_ab_test_plans`."""
    import pandas as pd

    return pd.DataFrame(plans(decisions), columns=pd.Index(PLAN_COLUMNS))


def plan_table(traffic: Any) -> ReportTable | None:
    """Return the sizes of the shop's next test, or None if it has too few orders to plan.

    Args:
        traffic: Frame of the metric `ab_test_traffic`.
    """
    import pandas as pd

    [row] = known_rows(traffic)
    try:
        plans = planner.plan(planner.traffic(row))
    except InputError:
        return None
    return ReportTable(pd.DataFrame(planner.rows(plans)), "Size of the next test", name="plan")


def charts(decisions: Sequence[Decision]) -> dict[str, ReportChart]:
    """Return the charts of the report by name; of many tests, the first: running, then latest."""
    import pandas as pd

    ends: Any = ["dimension", "value", "low", "high"]
    course = ["lift", "lift_low", "lift_high"]
    bounds = {"low": "lift_low", "high": "lift_high", "color": "test"}
    drawn = figures(decisions)
    monitored = [d for d in decisions if d.test.plan.method != "fixed" and d.test.days]
    return {
        "lifts": ReportChart(
            "interval",
            pd.DataFrame(drawn[:MOST_DRAWN], columns=ends),
            "dimension value low high",
            title="Lift of B over A, primary metric" + _of(len(drawn), MOST_DRAWN),
            description="Lift of each test with its interval.",
            options={
                "reference": 0,
                "labels": {"value": "Lift"},
                "kinds": dict.fromkeys(ends[1:], "percent"),
            },
            otherwise="No test has a lift to show.",
        ),
        "progress": ReportChart(
            "line",
            pd.DataFrame(effect_histories(monitored[:MOST_MONITORED])),
            "day lift",
            title="Lift by day" + _of(len(monitored), MOST_MONITORED),
            description="Intervals of the lift narrowing by day.",
            options={**bounds, "reference": 0, "kinds": dict.fromkeys(course, "percent")},
            otherwise="No test here is designed for interim monitoring.",
        ),
    }


def _of(count: int, most: int) -> str:
    """Return an addition to a chart's title if it cannot show all tests."""
    return f", first {most} of {count} tests" if count > most else ""


def limits(simulated: bool, staged: int) -> str:
    """Return the note on simulated tests and on the results that are written back."""
    source = "The tests are simulated. " if simulated else ""
    return f"{source}Decisions for {staged} tests are written back to D1 with method and reason."


def _is_to_stop(result: AbResult) -> bool:
    """Return True if B is shown to be worse while the test still runs."""
    return result.status == "decided" and result.winner == "a" and not result.ended


def _is_losing(decision: Decision) -> bool:
    """Return True if a variant is shown to be worse while the test runs, and none is better."""
    is_won = decision.result.winner == "b"
    return not is_won and (_is_to_stop(decision.result) or bool(several.losing(decision)))


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
    size = f"{frames.percent(abs(result.ratio - 1))} {'more' if result.ratio >= 1 else less}"
    if not span:
        return verb.format(size)
    low = frames.percent(result.ratio_low - 1, sign="+")
    high = (
        frames.percent(result.ratio_high - 1, sign="+") if math.isfinite(result.ratio_high) else ""
    )
    ends = f"{low} to {high}" if high else f"{low} or more"
    return f"{verb.format(size)} ({100 * (1 - result.alpha):g}% interval {ends})"
