"""Tests of three and more variants on the page: sentences, rows, actions, and what D1 gets."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
import pandas as pd
import pytest

from d1lab.analyses.ab_tests import actions, list_report, report, several
from d1lab.analyses.ab_tests import shop as ab_tests
from d1lab.analyses.ab_tests.advice import advised
from d1lab.analyses.ab_tests.arms import ArmResult
from d1lab.analyses.ab_tests.decision import AbResult, as_json
from d1lab.analyses.ab_tests.model import Variant
from d1lab.lab import Lab
from tests.analyses.ab_tests.test_ab_tests import COUNTS, START, UNTIL, row

THIRD = {"share_b": 1 / 3, "share_declared": True}
ENDED = {"ended": True, "ended_at": datetime(2026, 5, 10)}
ARM = dict.fromkeys(["share", "revenue", "revenue_squares", "profit", "profit_squares"])


def arm(conversions: int, variant: str = "c", **given: Any) -> dict[str, Any]:
    """Return a row of the metric `ab_test_arms`."""
    counts = {"visitors": 10_000, "conversions": conversions, "share": 1 / 3}
    return {**ARM, "test_id": "t", "variant": variant, **counts, **given}


def decide(conversions: int, **given: Any) -> ab_tests.Decision:
    """Decide on A with 500, B with 520, and C with some conversions of 10,000 visitors each."""
    test = row(**COUNTS | {"variant_b_conversions": 520}, **THIRD, method="always_valid", **given)
    [found] = ab_tests.decide([test], [], UNTIL, [arm(conversions)])
    return found


def test_c_can_win():
    """D1 gets 'c', and the page and the action say C."""
    found = decide(680, **ENDED)
    [staged] = ab_tests.results([found])
    assert staged["winner"] == found.winner == "c"
    [shown] = list_report.verdicts([found])
    assert shown["verdict"].startswith("Roll out C: it converts 36% more than A")
    tests = advised([found], [row(**ENDED)], UNTIL)
    text, status = report.verdict(tests)
    assert (text, status) == ("Take a variant in the test (t: C). Keep A: 1.", "good")
    [action] = actions.declared(tests)
    assert (action["verb"], action["key"]) == ("Take C", "take-t-c")


def test_a_losing_variant_is_to_be_stopped_while_the_test_runs():
    """C loses and B is open: D1 has no winner yet, the page is red, and C alone is stopped."""
    found = decide(330)
    assert ab_tests.results([found])[0]["winner"] is None
    [shown] = list_report.verdicts([found])
    assert shown["verdict"].startswith("Running: B converts 4% more than A")
    assert shown["verdict"].endswith("Not significant yet. Stop C: worse than A.")
    tests = advised([found], [row()], UNTIL)
    text, status = report.verdict(tests)
    assert text == "Stop the test (t: C): a variant does worse than A. Wait: 1."
    assert status == "bad"
    [action] = actions.declared(tests)
    assert (action["verb"], action["what"]) == ("Stop", "variant C of the test “t”")


def test_of_two_winners_the_one_further_ahead_is_taken():
    """B beats A as well, and waits; profit a month is that of all three variants' visitors."""
    counts = COUNTS | {"variant_b_conversions": 640}
    test = row(**counts, **THIRD, method="always_valid", **ENDED)
    found = ab_tests.decide([test], [], UNTIL, [arm(680)])
    tests = advised(found, [test], UNTIL)
    assert [(one.name, one.told_verb) for one in tests] == [("t: B", "Wait"), ("t: C", "Take C")]
    shown = list_report.evidence_list(tests, "USD").rows
    assert [(one.anchor, one.arms) for one in shown] == [
        ("test-t-c", "C against A"),
        ("test-t-b", "B against A"),
    ]


def test_rows_show_all_variants_with_the_control_first():
    """Counts of each, and the comparison of each but A; the tables of two variants leave it out."""
    found = decide(680, **ENDED)
    rows = several.arms([found])
    assert [(r["variant"], r["variant_visitors"], r["variant_conversions"]) for r in rows] == [
        ("A", 10_000, 500),
        ("B", 10_000, 520),
        ("C", 10_000, 680),
    ]
    assert [r.get("state") for r in rows] == [None, "Not significant", "Better than A"]
    assert (rows[2]["lift"], rows[2]["correction"]) == (pytest.approx(0.36), "Bonferroni")
    tables = report.tables([found], advised([found], [row(**ENDED)], UNTIL))
    assert [len(tables[name].frame) for name in ("arms", "totals", "traffic")] == [3, 0, 0]
    assert [f["dimension"] for f in report.figures([found])] == ["t: B", "t: C"]
    pairs = dict(several.comparisons([found]))
    assert [pair.test.b.conversions for pair in pairs.values()] == [520, 680]
    assert [pair.leading for pair in pairs.values()] == ["b", "c"]


def test_the_decision_is_reproduced_from_its_record():
    """The record has all variants."""
    found = decide(680, **ENDED)
    [record] = orjson.loads(orjson.dumps(ab_tests.records([found])))
    assert as_json(ab_tests.replay(record)) == as_json(found.result) == record["result"]


def test_totals_of_later_days_are_not_used():
    """A report on an earlier day knows nothing of a test without days."""
    found = decide(680, sums_are_later=True)
    assert (found.result.status, found.winner) == ("insufficient_data", None)


def test_a_test_is_read_at_its_planned_end():
    """Days left come from the planned end, not from A's and B's visitors."""
    end = datetime(2026, 5, 21)
    test = row(**COUNTS, **THIRD, planned_end_at=end, planned_visitors=90_000, started_at=START)
    [found] = ab_tests.decide([test], [], UNTIL, [arm(680)])
    assert (found.result.status, found.days_left) == ("running", 10)


def test_the_metric_has_the_rows_of_the_table(tiny_lab: Lab):
    """No row, no comparison: a test without further variants is decided as before."""
    rows = tiny_lab.metric("ab_test_arms")
    assert list(rows.columns)[:4] == ["shop", "test_id", "variant", "share"]
    until = tiny_lab.as_of()
    [found] = ab_tests.decide(
        tiny_lab.metric("ab_tests", until=until),
        tiny_lab.metric("ab_test_looks", until=until),
        until,
        pd.concat([rows, pd.DataFrame([arm(150, test_id="t1", visitors=1_000)])]),
    )
    assert [one.arm for one in found.arms] == ["b", "c"]


@pytest.fixture(scope="module")
def won() -> ab_tests.Decision:
    """The test of three variants that C won."""
    return decide(680, **ENDED)


def compared(**given: Any) -> ArmResult:
    """Variant C beside A, with a result of its own."""
    known = {"status": "no_decision", "p_value": 0.3, "ratio": 1.1, "ratio_low": 0.9,
             "ratio_high": 1.4, "primary_metric": "revenue", "winner": "none"}  # fmt: skip
    sums = Variant(1_000, 50, 2_000.0, profit=500.0)
    return ArmResult("c", sums, AbResult(**{**known, **given}), "holm", 0.05)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"p_value_of_all": "0.3000", "state": "Not significant"}),
        ({"p_value": None}, {"p_value_of_all": None, "state": "Not available"}),
        ({"status": "guardrail_failed"}, {"state": "Held back by a guardrail"}),
        ({"winner": "a"}, {"state": "Worse than A"}),
        ({"winner": "b"}, {"state": "Better than A"}),
        ({"winner": None}, {"state": "Not significant"}),
        ({"ratio": None}, {"lift": None}),
        ({"ratio_low": None}, {"lift_low": None}),
        ({"ratio_high": float("inf")}, {"lift_high": None}),
    ],
)
def test_each_variant_has_its_counts_and_its_comparison(won, given, expected):
    """A has counts only; what is not known is empty."""
    found = won
    test = found.test._replace(a=Variant(900, 40, 1_800.0), name="Gift")
    several_ = found._replace(test=test, arms=(compared(**given),))
    first, second = several.arms([several_, found._replace(arms=())])
    assert first == {
        "test": "Gift", "variant": "A", "variant_visitors": 900, "variant_conversions": 40,
        "revenue_per_visitor": 2.0, "profit_per_visitor": None,
    }  # fmt: skip
    known = {
        "test": "Gift", "variant": "C", "variant_visitors": 1_000, "variant_conversions": 50,
        "revenue_per_visitor": 2.0, "profit_per_visitor": 0.5, "compared_by": "revenue",
        "lift": pytest.approx(0.1), "lift_low": pytest.approx(-0.1),
        "lift_high": pytest.approx(0.4), "p_value_of_all": "0.3000", "correction": "Holm",
        "state": "Not significant",
    }  # fmt: skip
    assert second == {**known, **expected}
    uncounted = several_._replace(test=test._replace(a=Variant(None, 40, 9.0)), arms=())
    uncounted = uncounted._replace(arms=(compared(),))
    assert several.arms([uncounted])[0].keys() == {
        "test", "variant", "variant_visitors", "variant_conversions",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arms", "worse", "told"),
    [
        ([("b", {"winner": "a", "ended": False}), ("c", {})], ["B"], "? Stop B: worse than A."),
        ([("b", {"winner": "a", "ended": True}), ("c", {})], [], "?"),
        ([("b", {"winner": "a", "ended": False}), ("c", {"winner": "a", "ended": False}),
          ("d", {"winner": "a", "ended": False})], ["B", "C", "D"],
         "? Stop B and D: worse than A."),
        ([("b", {"winner": "b", "ended": False})], [], "?"),
    ],
)  # fmt: skip
def test_losing_variants_are_stopped_beside_the_leading_one(won, arms, worse, told):
    """C leads; what it is told itself is not said twice."""
    found = won
    made = tuple(compared(**given)._replace(arm=name) for name, given in arms)
    changed = found._replace(arms=made, leading="c")
    assert several.losing(changed) == worse
    assert several.told(changed, lambda _: "?") == told
    assert several.told(changed, lambda _: "B")[0] == "C"
    assert several.told(changed._replace(arms=()), lambda _: "B") == "B"
