"""Content of the A/B test report: headline, key figures, and tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from d1lab.analyses.ab_tests import planner, several
from d1lab.analyses.ab_tests import tables as frames
from d1lab.analyses.ab_tests.advice import NOUNS, VERBS, AdvisedTest, Verb, earns_more
from d1lab.analyses.ab_tests.list_report import MOST_PROVEN, all_tests
from d1lab.analyses.ab_tests.rows import known_rows
from d1lab.analyses.ab_tests.sentences import REFUSALS
from d1lab.analyses.ab_tests.shop import PLAN_COLUMNS, Decision, plans
from d1lab.display import money
from d1lab.display.declarations import ReportTable
from d1lab.errors import InputError

MOST_NAMED = 3
"""Tests that the headline names."""

Status = Literal["good", "bad", "neutral", "unknown"]


def verdict(advised: Sequence[AdvisedTest], currency: str = "") -> tuple[str, Status]:
    """Return what to do first, and the counts of the other tests with evidence on the page."""
    shown = advised[:MOST_PROVEN]
    by_verb = {verb: [one for one in shown if one.verb == verb] for verb in VERBS}
    stops, takes, repeats = (by_verb[verb] for verb in ("Stop", "Take B", "Repeat"))
    b = "a variant" if any(one.decision.arms for one in advised) else "B"
    lead: Verb | None = None
    if stops:
        lead, told = "Stop", _to_stop(stops, _among(stops, advised), b, currency)
    elif takes:
        lead, told = "Take B", f"Take {b} in {_among(takes, advised)}."
    elif repeats:
        lead, told = "Repeat", f"Repeat {_among(repeats, advised)}."
        told += "" if _tests(advised) == 1 else f" {_no_winner(advised, b)}"
    elif len(by_verb["Planned"]) == len(shown):
        told = "No test has begun."
    else:
        told = _no_winner(advised, b)
    others = [f"{verb}: {len(by_verb[verb])}." for verb in VERBS if by_verb[verb] and verb != lead]
    status: Status = "bad" if stops else "good" if takes else "neutral"
    older = f" Older: {len(advised) - len(shown)}." if len(advised) > len(shown) else ""
    return " ".join([told, *others]) + older, status


def _tests(advised: Sequence[AdvisedTest]) -> int:
    """Return the number of tests; one of several variants counts once."""
    return len({one.decision.test.test_id for one in advised})


def _no_winner(advised: Sequence[AdvisedTest], b: str) -> str:
    """Return that B wins no test; one that earns more decides by another measure, unproven."""
    is_open = any(earns_more(one.decision.result) for one in advised)
    if _tests(advised) == 1:
        doubt = f"is not clear enough to take {b}"
        return f"The test {doubt if is_open else f'does not show that {b} earns more'}."
    found = f"is clear enough to take {b}" if is_open else f"shows that {b} earns more"
    return f"None of {_tests(advised):,} tests {found}."


def _among(some: Sequence[AdvisedTest], advised: Sequence[AdvisedTest]) -> str:
    """Return how many of the tests these are, with names: '1 of 6 tests (Banner)'."""
    total = _tests(advised)
    count = "the test" if total == 1 else f"{_tests(some):,} of {total:,} tests"
    return f"{count} ({_names(some)})"


def _to_stop(stops: Sequence[AdvisedTest], which: str, b: str, currency: str) -> str:
    lost = [None if one.change is None else one.change.value for one in stops]
    known = sum(amount for amount in lost if amount is not None)
    if None in lost or known <= 0:
        return f"Stop {which}: {b} does worse than A."
    amount = money(round(known), currency)
    return f"Stop {which}: {amount} lost a month while {b} is shown."


def _names(advised: Sequence[AdvisedTest]) -> str:
    """Return the names of a few tests; of many, the first ones."""
    names = [one.name for one in advised]
    short = [name if len(name) <= 40 else f"{name[:39]}…" for name in names[:MOST_NAMED]]
    more = len(names) - len(short)
    return f"{', '.join(short)}, and {more} more" if more else ", ".join(short)


def figures(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """Return the difference of each primary metric as a key figure, if its range is bounded."""
    return [
        {
            "metric": f"lift_of_{result.primary_metric}",
            "dimension": name,
            "label": f"{NOUNS[result.primary_metric].capitalize()}, B against A",
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
    if result.status in REFUSALS or result.status == "guardrail_failed":
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


def tables(decisions: Sequence[Decision], advised: Sequence[AdvisedTest]) -> dict[str, ReportTable]:
    """Return the tables of the report by name."""
    import pandas as pd

    why = pd.DataFrame(unsaid(decisions), columns=pd.Index(["test", "what", "why"]))
    pairs = [d for d in decisions if not d.arms]
    totals, earned = (pd.DataFrame(of(pairs)) for of in (frames.totals, frames.money))
    break_evens = pd.DataFrame(frames.break_evens(pairs))
    return {
        "decisions": all_tests(advised),
        "money": ReportTable(
            earned, "Revenue and profit per visitor", limit=2 * MOST_PROVEN, name="money"
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


def limits(simulated: bool, staged: int) -> str:
    """Return the note on simulated tests and on the results that are written back."""
    source = "The tests are simulated. " if simulated else ""
    return f"{source}Decisions for {staged} tests are written back to D1 with method and reason."
