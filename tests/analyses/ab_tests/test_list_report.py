"""The list of tests: order, state, what A and B are, and checks."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import Any

import pytest

from d1lab.analyses.ab_tests import list_report
from d1lab.analyses.ab_tests.conclusion import Effect
from d1lab.analyses.ab_tests.guardrails import GuardrailResult
from d1lab.analyses.ab_tests.list_report import all_tests, evidence_list
from d1lab.analyses.ab_tests.model import Look, Variant
from d1lab.analyses.ab_tests.validation import VariantConfig
from d1lab.display.ab_test_list import AbTestRow, CheckOfTest, Course, Estimate, PerVisitor
from tests.support.ab_advice import GAIN, LOSS, OPEN, advice


def test_the_most_urgent_test_comes_first():
    """A losing one, then those to take and to repeat; what has ended without proof is last."""
    tests = [
        advice("none", OPEN, status="no_decision", ended=True, name="keep"),
        advice("b", OPEN, name="wait"),
        advice(None, status="sample_ratio_mismatch", ended=True, name="repeat"),
        advice("b", GAIN, name="take"),
        advice("a", LOSS, name="stop"),
    ]
    found = evidence_list(tests, "USD")
    assert [row.name for row in found.rows] == ["stop", "take", "repeat", "wait", "keep"]
    assert [row.is_losing for row in found.rows] == [True, False, False, False, False]
    stop, take, *rest = found.rows
    assert stop.action == "action-stop-test-1-5"
    assert stop.change == "$750 lost a month. Tested, $300 to $1,200."
    assert take.change == "$1,500 more a month. Tested, $600 to $2,400."
    assert [row.change for row in rest] == ["", "", ""]


def test_a_row_says_since_when_and_what_a_and_b_are():
    [row] = evidence_list([advice("b", OPEN)], "USD").rows
    assert row.times == "Running since May 11, 2026 · day 20 · no planned end"
    assert row.arms == "A: no discount · B: 10% off"
    assert (row.state, row.visitors, row.measure) == ("running", 3000, "orders")
    assert row.difference == pytest.approx(Estimate(0.1, 0.01, 0.2))
    [row] = evidence_list([advice("b", OPEN, ended=True)], "USD").rows
    assert row.times == "Ended May 20, 2026 · 10 days"
    one = advice("b", OPEN)
    faulty = VariantConfig(fault="invalid JSON")
    some = VariantConfig(0.15, skus=("a", "b"))
    for variants, told in [
        ((faulty, some), "A: settings cannot be read · B: 15% off on 2 products"),
        ((some, some), "A and B at the same prices"),
    ]:
        test = one.decision.test._replace(variants=variants)
        changed = one._replace(decision=one.decision._replace(test=test))
        [row] = evidence_list([changed], "USD").rows
        assert row.arms == told


def test_checks_are_of_split_guardrails_and_profit():
    """The profit is proven exactly if its whole range is above 0."""
    rails = (
        GuardrailResult("revenue", 0.05, True, -0.01, True),
        GuardrailResult("conversions", 0.02, True, -0.1, False),
    )
    for effect, check in [
        (OPEN, CheckOfTest("open", "Profit not proven")),
        (GAIN, CheckOfTest("passed", "More profit")),
        (LOSS, CheckOfTest("failed", "Less profit")),
    ]:
        one = advice("b", effect)
        result = one.decision.result._replace(guardrails=rails, sample_ratio_p=0.4)
        changed = one._replace(decision=one.decision._replace(result=result))
        [row] = evidence_list([changed], "USD").rows
        assert row.checks == (
            CheckOfTest("passed", "Traffic 67:33"),
            CheckOfTest("passed", "Revenue within 5%"),
            CheckOfTest("failed", "Orders could drop over 2%"),
            check,
        )
    [row] = evidence_list([advice(None, status="sample_ratio_mismatch")], "USD").rows
    assert row.checks == (CheckOfTest("failed", "Traffic 67:33, not 50:50"),)


def test_the_table_has_the_numbers_of_the_list():
    tests = [advice("b", GAIN), advice(None, status="sample_ratio_mismatch", p_value=None)]
    rows = {row.name + row.verb: row for row in evidence_list(tests, "USD").rows}
    for record in all_tests(tests).frame.to_dict("records"):
        row = rows[record["test"] + record["advice"]]
        assert record["visitors"] == row.visitors
        for name, estimate in (("lift", row.difference), ("profit_month", row.month)):
            ends = [record[name], record[f"{name}_low"], record[f"{name}_high"]]
            shown = [None if end != end else end for end in ends]
            assert shown == (list(estimate) if estimate else [None] * 3)
        assert record["started"] == date(2026, 5, 11)


def row_of(one: Any) -> AbTestRow:
    [row] = evidence_list([one], "USD").rows
    return row


def with_result(one: Any, **changed: Any) -> Any:
    result = one.decision.result._replace(**changed)
    return one._replace(decision=one.decision._replace(result=result))


def with_test(one: Any, **changed: Any) -> Any:
    test = one.decision.test._replace(**changed)
    return one._replace(decision=one.decision._replace(test=test))


@pytest.mark.parametrize(
    ("one", "is_losing", "state"),
    [
        (advice("a"), True, "running"),  # to be stopped, by its orders
        (advice("a", ended=True), False, "ended"),
        (advice(None, LOSS, status="sample_ratio_mismatch", ended=True), False, "ended"),
        (advice(None, LOSS._replace(difference_high=0.0, ratio_high=1.1), status="running"), False,
         "running"),
        (advice(None, LOSS, status="running"), True, "running"),
        (advice("b", GAIN), False, "running"),
    ],
)  # fmt: skip
def test_a_test_loses_while_it_runs_if_it_is_to_be_stopped(one, is_losing, state):
    row = row_of(one)
    assert (row.is_losing, row.state) == (is_losing, state)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, Estimate(0.1, 0.01, 0.2)),
        ({"ratio_high": math.inf}, Estimate(0.1, 0.01, None)),
        ({"ratio_low": None, "ratio_high": None}, Estimate(0.1, None, None)),
        ({"ratio": None}, None),
        ({"p_value": None}, None),
    ],
)
def test_the_difference_is_relative_and_of_evaluated_tests(changed, expected):
    found = row_of(with_result(advice("b", OPEN), **changed)).difference
    if expected is None:
        assert found is None
    else:
        ends = [None if end is None else pytest.approx(end) for end in expected]
        assert found is not None
        assert list(found) == ends


@pytest.mark.parametrize(
    ("share", "said"), [(0.3, "70:30"), (None, "50:50"), (0.5, "50:50"), (1 / 3, "67:33")]
)
def test_a_broken_split_is_shown_beside_the_planned_one(share, said):
    one = advice(None, status="sample_ratio_mismatch", visitors=(900, 300))
    one = with_test(one, plan=one.decision.test.plan._replace(share_b=share))
    rail = (GuardrailResult("revenue", 0.05, True, -0.01, True),)
    one = with_result(one, guardrails=rail, sample_ratio_p=0.0)
    assert row_of(one).checks == (CheckOfTest("failed", f"Traffic 75:25, not {said}"),)


BY_RATIO = Effect("profit", ratio=1.2, ratio_low=1.1, ratio_high=1.3, p_value=0.01)


@pytest.mark.parametrize(
    ("effect", "check"),
    [
        (None, CheckOfTest("open", "Profit not known")),
        (GAIN._replace(p_value=None), CheckOfTest("open", "Profit not known")),
        (BY_RATIO, CheckOfTest("passed", "More profit")),
        (BY_RATIO._replace(ratio_low=1.0), CheckOfTest("open", "Profit not proven")),
        (BY_RATIO._replace(ratio_low=0.7, ratio_high=0.9), CheckOfTest("failed", "Less profit")),
        (GAIN._replace(ratio=0.8, ratio_low=0.7, ratio_high=0.9),
         CheckOfTest("passed", "More profit")),
    ],
)  # fmt: skip
def test_the_check_of_the_profit_is_by_its_range(effect, check):
    """By the difference, or by the ratio where there are no visitors; of evaluated tests only."""
    one = advice("b", *([effect] if effect else []))
    assert row_of(one).checks == (CheckOfTest("open", "Split not checked"), check)
    assert row_of(with_result(one, p_value=None)).checks == (
        CheckOfTest("open", "Split not checked"),
    )


def test_checks_that_are_not_known_are_open_and_a_planned_test_has_none():
    rails = (
        GuardrailResult("profit", 0.02, True, None, None),
        GuardrailResult("revenue", 1.5, False, -2.0, False),
    )
    one = with_result(advice("b", GAIN), guardrails=rails, sample_ratio_p=0.5)
    assert row_of(one).checks == (
        CheckOfTest("passed", "Traffic 67:33"),
        CheckOfTest("open", "Profit not known"),
        CheckOfTest("failed", "Revenue could drop over 1.5"),
        CheckOfTest("passed", "More profit"),
    )
    planned = with_result(advice(None)._replace(verb="Planned"), p_value=None)
    assert row_of(planned).checks == ()
    assert row_of(planned).state == "planned"
    unsplit = with_result(advice("b", visitors=(None, None)), sample_ratio_p=0.5)
    assert row_of(unsplit).checks[0] == CheckOfTest("passed", "Traffic as planned")


def test_measures_are_per_visitor_with_their_lift():
    """Those with a value; their lift if its range is known; and the totals."""
    effects = (
        Effect("conversions", value_a=0.05, value_b=0.06, ratio=1.2, ratio_low=1.1, ratio_high=1.3),
        Effect("revenue", value_a=5.0, value_b=6.0, ratio=1.2),
        Effect("profit"),
    )
    one = with_result(advice("b"), effects=effects)
    one = with_test(one, a=Variant(2_000, 100, 10_000.0), b=Variant(1_000, 60, 6_000.0))
    totals = (
        PerVisitor("Visitors", "integer", 2_000, 1_000),
        PerVisitor("Visitors with an order", "integer", 100, 60),
        PerVisitor("Revenue in all", "money", 10_000.0, 6_000.0),
    )
    lift = Estimate(*(pytest.approx(end) for end in (0.2, 0.1, 0.3)))  # type: ignore[arg-type]
    assert row_of(one).per_visitor == (
        PerVisitor("Orders per visitor", "percent", 0.05, 0.06, lift),
        PerVisitor("Revenue per visitor", "money", 5.0, 6.0),
        *totals,
    )
    for unknown in ({"a": Variant(None, 100, 10_000.0)}, {"b": Variant(None, 60, 6_000.0)}):
        shown = row_of(with_test(one, **unknown)).per_visitor
        assert [each.label for each in shown] == [each.label for each in totals]
    nothing = effects[0]._replace(value_b=0.0, ratio=0.0, ratio_low=0.0, ratio_high=0.1)
    [sold, *_] = row_of(with_result(one, effects=(nothing,))).per_visitor
    assert sold.difference == Estimate(-1.0, -1.0, pytest.approx(-0.9))  # type: ignore[arg-type]
    assert row_of(with_test(one, b=Variant(0, 0))).visitors == 2_000
    no_ratio = with_result(one, effects=(effects[0]._replace(ratio=None),))
    assert row_of(no_ratio).per_visitor[0].difference is None


@pytest.mark.parametrize(("days", "shown"), [(1, 0), (2, 2), (24, 24), (25, 13), (60, 20)])
def test_the_course_has_at_most_24_looks_and_the_last_one(days: int, shown: int):
    """Every step-th, counted from the last."""
    looks = [Look(Variant(1_000 * n, 50 * n), Variant(1_000 * n, 52 * n))
             for n in range(1, days + 1)]  # fmt: skip
    plan = advice("b").decision.test.plan._replace(method="always_valid", ended=False)
    first = date(2026, 5, 1)
    one = with_test(
        advice(None, OPEN, status="running"), plan=plan, a=looks[-1].a, b=looks[-1].b,
        looks=tuple(looks[:-1]), days=tuple(first + timedelta(days=n) for n in range(days)),
    )  # fmt: skip
    course = row_of(one).course
    assert [len(column) for column in course] == [shown] * 4
    if shown:
        assert course.days[-1] == (first + timedelta(days=days - 1)).isoformat()
        step = -(-days // 24)
        assert course.days[-2] == (first + timedelta(days=days - 1 - step)).isoformat()
        assert course.values[-1] == 0.04
        low, high = course.lows[-1] or 0.0, course.highs[-1] or 0.0
        assert low < 0.04 < high
        assert (low, high) == (round(low, 4), round(high, 4))
    assert row_of(with_result(one, p_value=None)).course == Course()


def test_60_tests_have_evidence_and_the_table_has_all():
    many = [advice("b", GAIN, test_id=f"t{n}", name=f"n{n}") for n in range(61)]
    shown = evidence_list(many, "EUR")
    assert (len(shown.rows), shown.total, shown.currency, shown.table) == (
        60, 61, "EUR", "decision",
    )  # fmt: skip
    assert {row.anchor for row in shown.rows} == {f"test-t{n}" for n in range(60)}
    assert shown.rows[0].action == "action-take-t0"
    assert len(all_tests(many).frame) == 61


def test_the_table_of_all_tests_has_each_figure():
    """Of a test that was evaluated and one that was not; the chance is that of B alone."""
    one = advice("b", GAIN, ended=True, left=4)
    one = with_result(one, confidence_level=98.7)
    one = one._replace(decision=one.decision._replace(chance_b_better=0.987))
    unknown = advice(None, status="insufficient_data", p_value=None, visitors=(5, None), start=None)
    [known, blank] = all_tests([one, unknown]).frame.astype(object).to_dict("records")
    verdict = known.pop("verdict")
    assert verdict.startswith("Roll out B")
    assert known == {
        "test": "Gift", "advice": "Take B", "started": date(2026, 5, 11),
        "ended": date(2026, 5, 20), "visitors": 3_000, "measure": "orders",
        "lift": pytest.approx(0.1), "lift_low": pytest.approx(0.01),
        "lift_high": pytest.approx(0.2), "profit_month": pytest.approx(4_500),
        "profit_month_low": pytest.approx(1_800), "profit_month_high": pytest.approx(7_200),
        "confidence": "98.70%", "chance_b_better": "98.7%", "days_left": 4,
    }  # fmt: skip
    empty = {name for name, value in blank.items() if value is None or value != value}
    assert empty == known.keys() - {"test", "advice", "measure"}
    c = one.decision._replace(leading="c")
    assert [told["chance_b_better"] for told in list_report.verdicts([one.decision, c])] == [
        "98.7%", None,
    ]  # fmt: skip
