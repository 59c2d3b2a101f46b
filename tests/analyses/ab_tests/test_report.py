"""The headline, key figures, and what is not available, of tests made by hand."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from d1lab.analyses.ab_tests import report
from d1lab.analyses.ab_tests.conclusion import Effect
from d1lab.analyses.ab_tests.plans import DefaultPlan, default_plan
from tests.analyses.ab_tests.test_planner import ROW
from tests.support.ab_advice import GAIN, LOSS, OPEN, advice


def named(*tests: Any) -> list[Any]:
    """Tests of different names and IDs, in their order."""
    return [
        one._replace(decision=one.decision._replace(
            test=one.decision.test._replace(test_id=f"t{place}", name=f"n{place}")))
        for place, one in enumerate(tests)
    ]  # fmt: skip


STOP, TAKE, WAIT = advice("a", LOSS), advice("b", GAIN), advice("b", OPEN)
KEEP = advice("none", OPEN, status="no_decision", ended=True)
REPEAT = advice(None, status="sample_ratio_mismatch")
PLANNED = advice(None)._replace(verb="Planned")


@pytest.mark.parametrize(
    ("tests", "text", "status"),
    [
        ([TAKE], "Take B in the test (n0).", "good"),
        ([KEEP, TAKE, TAKE], "Take B in 2 of 3 tests (n1, n2). Keep A: 1.", "good"),
        ([REPEAT], "Repeat the test (n0).", "neutral"),
        ([REPEAT, WAIT],
         "Repeat 1 of 2 tests (n0). None of 2 tests shows that B earns more. Wait: 1.", "neutral"),
        ([WAIT], "The test does not show that B earns more. Wait: 1.", "neutral"),
        ([WAIT, KEEP], "None of 2 tests shows that B earns more. Wait: 1. Keep A: 1.", "neutral"),
        ([PLANNED, PLANNED], "No test has begun. Planned: 2.", "neutral"),
        ([PLANNED, WAIT],
         "None of 2 tests shows that B earns more. Wait: 1. Planned: 1.", "neutral"),
        ([STOP, TAKE, REPEAT],
         "Stop 1 of 3 tests (n0): $750 lost a month while B is shown. Take B: 1. Repeat: 1.",
         "bad"),
        ([STOP, STOP], "Stop 2 of 2 tests (n0, n1): $1,500 lost a month while B is shown.", "bad"),
        ([STOP, advice("a")], "Stop 2 of 2 tests (n0, n1): B does worse than A.", "bad"),
        ([STOP._replace(change=STOP.change._replace(value=0.0))],  # type: ignore[union-attr]
         "Stop the test (n0): B does worse than A.", "bad"),
        ([TAKE] * 4, "Take B in 4 of 4 tests (n0, n1, n2, and 1 more).", "good"),
        ([TAKE] * 3, "Take B in 3 of 3 tests (n0, n1, n2).", "good"),
    ],
)  # fmt: skip
def test_the_headline_tells_what_to_do_first(tests, text, status):
    assert report.verdict(named(*tests), "USD") == (text, status)


def test_the_headline_is_of_the_tests_with_evidence():
    """60 tests have it; older ones are counted."""
    assert report.verdict(named(*[KEEP] * 60), "USD")[0].endswith("Keep A: 60.")
    told, status = report.verdict(named(*[KEEP] * 60, TAKE), "USD")
    assert told.endswith("Keep A: 60. Older: 1.")
    assert status == "neutral"


def test_one_test_with_several_variants_counts_once():
    two = [TAKE, WAIT]  # of one ID
    assert report.verdict(two, "USD")[0] == "Take B in the test (Gift). Wait: 1."


def changed(one: Any, **fields: Any) -> Any:
    return one.decision._replace(result=one.decision.result._replace(**fields))


@pytest.mark.parametrize(
    ("fields", "is_shown"),
    [
        ({}, True),
        ({"ratio": None}, False),
        ({"ratio_low": None}, False),
        ({"ratio_high": None}, False),
        ({"ratio_high": math.inf}, False),
        ({"ratio": 1.005}, False),  # the range of all looks excludes the last estimate
        ({"ratio": 1.25}, False),
        ({"ratio": 1.01}, True),
        ({"ratio": 1.2}, True),
    ],
)
def test_a_key_figure_is_a_lift_inside_its_range(fields, is_shown):
    one = changed(TAKE, alpha=0.1, primary_metric="revenue", **fields)
    ratio = one.result.ratio
    figure = {
        "metric": "lift_of_revenue", "dimension": "Gift", "label": "Revenue, B against A",
        "kind": "percent", "value": ratio and pytest.approx(ratio - 1), "level": 0.9,
        "low": pytest.approx(0.01), "high": pytest.approx(0.2),
    }  # fmt: skip
    assert report.figures([one]) == ([figure] if is_shown else [])


SPLIT = "Traffic split check (SRM)"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, []),
        ({"sample_ratio_p": None},
         [(SPLIT, "the number of visitors or the planned split is unknown")]),
        ({"status": "not_declared", "reason": "why"}, [("Winner", "why")]),
        ({"status": "insufficient_data"}, [("Winner", "insufficient_data")]),
        ({"status": "guardrail_failed", "reason": "why"}, [("Winner", "why")]),
        ({"status": "running", "reason": "why"}, []),
        ({"status": "invalid_input", "reason": "why", "sample_ratio_p": None}, [("Winner", "why")]),
        ({"effects": (Effect("profit", reason="why"),)}, [("Difference in profit", "why")]),
        ({"effects": (Effect("profit"),)}, [("Difference in profit", "not available")]),
        ({"effects": (Effect("profit", p_value=0.1, ratio_low=0.5),)}, []),
        ({"effects": (Effect("conversions", reason="why"),)}, []),  # the reason of the test
        ({"effects": (Effect("profit", p_value=0.1),)},
         [("Lift of profit", "A's average is not significantly above zero")]),
        ({"effects": (Effect("conversions", p_value=0.1),)},
         [("Lift of conversions", "A's average is not significantly above zero")]),
    ],
)  # fmt: skip
def test_what_is_not_available_is_listed_with_its_reason(fields, expected):
    one = changed(TAKE, **{"effects": (), "sample_ratio_p": 0.5, **fields})
    assert report.unsaid([one]) == [
        {"test": "Gift", "what": what, "why": why} for what, why in expected
    ]
    faulty = one._replace(test=one.test._replace(faults=("no JSON",)))
    assert report.unsaid([faulty])[-1] == {
        "test": "Gift", "what": "Variant configuration", "why": "no JSON",
    }  # fmt: skip


def test_the_plan_of_the_next_test_has_a_row_for_each_metric_lift_and_rule():
    found = report.plan_table(pd.DataFrame([{**ROW, "orders_per_day": 2_000.0}]))
    assert found is not None
    rows = found.frame
    assert len(rows) == 3 * 3 * 2
    first = rows.iloc[0].to_dict()
    assert (first["metric"], first["lift"], first["rule"]) == ("conversions", 0.05, "with an end")
    assert first["needed_days"] % 7 == 0
    assert first["needed_visitors"] == pytest.approx(first["needed_orders"] / 0.02, rel=0.05)
    assert (rows["needed_orders"] <= rows["needed_days"] * 2_100).all()


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        (None, DefaultPlan(56, 8, None, None)),
        (0, DefaultPlan(56, 8, 0, None)),
        (3_199, DefaultPlan(56, 8, 3_199, 6_398)),
        (3_200, DefaultPlan(28, 4, 3_200, 3_200)),
    ],
)
def test_default_plans_are_staged_with_what_they_come_from(orders, expected):
    assert default_plan(orders) == expected
    one = TAKE.decision._replace(test=TAKE.decision.test._replace(default=expected))
    frame = report.default_plans([one, TAKE.decision])
    assert frame.columns.tolist() == [
        "test_id", "plan_days", "plan_orders_before", "plan_tuned_conversions",
    ]  # fmt: skip
    shown = frame.astype(object).where(frame.notna(), None).values.tolist()
    assert shown == [["Test 1", expected.days, orders, expected.tuned_conversions]]
    assert report.default_plans([]).columns.tolist() == frame.columns.tolist()


def test_tables_of_pairs_leave_out_tests_of_several_variants():
    """Each table has its rows; the limit is the tests with evidence."""
    made = report.tables([TAKE.decision, WAIT.decision], [TAKE, WAIT])
    assert {name: len(table.frame) for name, table in made.items()} == {
        "decisions": 2, "money": 2, "break_even": 0, "methods": 2, "arms": 0, "traffic": 2,
        "totals": 2, "unsaid": 2 * 2,
    }  # fmt: skip
    assert made["unsaid"].frame.columns.tolist() == ["test", "what", "why"]
