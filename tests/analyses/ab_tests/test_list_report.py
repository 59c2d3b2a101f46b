"""The list of tests: order, state, what A and B are, and checks."""

from __future__ import annotations

from datetime import date

import pytest

from d1lab.analyses.ab_tests.guardrails import GuardrailResult
from d1lab.analyses.ab_tests.list_report import all_tests, evidence_list
from d1lab.analyses.ab_tests.validation import VariantConfig
from d1lab.display.ab_test_list import CheckOfTest, Estimate
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
