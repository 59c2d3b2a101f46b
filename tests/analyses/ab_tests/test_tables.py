"""Rows of the tables: every cell of tests made by hand, and formats at their limits."""

from __future__ import annotations

import math
from typing import Any

import pytest

from d1lab.analyses.ab_tests import tables
from d1lab.analyses.ab_tests.conclusion import Effect
from d1lab.analyses.ab_tests.decision import AbResult
from d1lab.analyses.ab_tests.model import Variant
from d1lab.analyses.ab_tests.shop import Decision
from tests.support.ab_advice import advice

CONVERTS = Effect("conversions", value_a=0.05, value_b=0.06, ratio=1.2, ratio_low=1.1,
                  ratio_high=1.3, p_value=0.01, variance_saved=0.25)  # fmt: skip
EARNS = Effect("revenue", value_a=5.0, value_b=6.0, difference=1.0, difference_low=0.5,
               difference_high=math.inf, p_value=0.00002)  # fmt: skip
RESULT = AbResult(
    "decided", method="group_sequential_x", p_value=0.01234, confidence_level=98.76, winner="b",
    rate_a=0.05, rate_b=0.06, ratio=1.2, sample_ratio_p=0.4321, expected_loss_a=0.002,
    expected_loss_b=0.0003, look=7, share_of_plan=0.5, spent_alpha=0.02, effects=(CONVERTS, EARNS),
    break_even_ratio=1.5, break_even_basis="profit", break_even="missed", order_value_a=40.0,
    order_value_b=30.0, adjusted_ratio=1.15,
)  # fmt: skip
UNKNOWN = AbResult("insufficient_data", look=0)


def decision(result: AbResult) -> Decision:
    test = advice("b").decision.test
    a, b = Variant(1_000, 50, 2_000.0), Variant(1_001, 60, 1_800.0)
    plan = test.plan._replace(method="always_valid")
    test = test._replace(name="Gift", a=a, b=b, plan=plan)
    return Decision(test, result, 0.11, 9, false_discovery=0.05)


@pytest.mark.parametrize(
    ("of", "known", "unknown"),
    [
        (
            tables.methods,
            {"test": "Gift", "design": "always valid", "method": "group sequential x",
             "variance_saved": 0.25, "p_value": "0.0123", "false_discovery": "0.0500", "look": 7,
             "share_of_plan": 0.5, "spent_alpha": 0.02, "lift": 0.2, "adjusted_lift": 0.15,
             "risk_a": 20.0, "risk_b": 3.0},
            {"test": "Gift", "design": "always valid", "method": None, "variance_saved": None,
             "p_value": None, "false_discovery": "0.0500", "look": 0, "share_of_plan": None,
             "spent_alpha": None, "lift": None, "adjusted_lift": None, "risk_a": None,
             "risk_b": None},
        ),
        (
            tables.traffic,
            {"test": "Gift", "visitors_a": 1_000, "visitors_b": 1_001, "rate_a": 0.05,
             "rate_b": 0.06, "sample_ratio_p": "0.4321", "detectable_lift": 0.11},
            {"test": "Gift", "visitors_a": 1_000, "visitors_b": 1_001, "rate_a": None,
             "rate_b": None, "sample_ratio_p": None, "detectable_lift": 0.11},
        ),
        (
            tables.totals,
            {"test": "Gift", "conversions_a": 50, "conversions_b": 60, "revenue_a": 2_000.0,
             "revenue_b": 1_800.0, "order_value_a": 40.0, "order_value_b": 30.0},
            {"test": "Gift", "conversions_a": 50, "conversions_b": 60, "revenue_a": 2_000.0,
             "revenue_b": 1_800.0, "order_value_a": None, "order_value_b": None},
        ),
        (
            tables.money,
            {"test": "Gift", "metric": "revenue", "value_a": 5.0, "value_b": 6.0,
             "difference": 1.0, "difference_low": 0.5, "difference_high": None,
             "p_value": "< 0.0001"},
            None,
        ),
        (
            tables.break_evens,
            {"test": "Gift", "discount_rate": 0.1, "break_even_lift": 0.5, "lift": 0.2,
             "lift_low": 0.1, "lift_high": 0.3, "basis": "profit", "pays": "missed"},
            None,
        ),
    ],
)  # fmt: skip
def test_each_table_has_a_row_of_a_test(of: Any, known: dict[str, Any], unknown: Any) -> None:
    """What is not known is an empty cell; a table of effects leaves it out."""
    rows = of([decision(RESULT), decision(UNKNOWN)])
    assert rows[0] == {
        name: pytest.approx(value) if isinstance(value, float) else value
        for name, value in known.items()
    }
    assert rows[1:] == ([] if unknown is None else [unknown])


def test_a_lift_without_ends_and_a_metric_without_a_p_value_are_not_shown() -> None:
    open_ = CONVERTS._replace(ratio=None, ratio_low=None, ratio_high=math.inf)
    untested = EARNS._replace(p_value=None)
    test = decision(RESULT._replace(effects=(untested, open_)))
    assert tables.money([test]) == []
    [row] = tables.break_evens([test])
    assert (row["lift"], row["lift_low"], row["lift_high"]) == (None, None, None)
    [row] = tables.break_evens(
        [decision(RESULT._replace(effects=(open_._replace(ratio_high=None),)))]
    )
    assert row["lift_high"] is None
    assert tables.break_evens([decision(RESULT._replace(effects=(EARNS,)))]) == []
    assert tables.break_evens([decision(RESULT._replace(break_even_ratio=None))]) == []


def test_probabilities_are_never_shown_as_certain() -> None:
    shares = (None, 0.0, 0.00099, 0.001, 0.5, 0.999, 0.9991, 1.0)
    assert [tables.chance(share) for share in shares] == [
        None, "< 0.1%", "< 0.1%", "0.1%", "50.0%", "99.9%", "> 99.9%", "> 99.9%",
    ]  # fmt: skip
    assert [tables.level(share) for share in (None, 99.99, 94.1)] == [None, "99.99%", "94.10%"]
    assert [tables.shown_p(p) for p in (None, 0.0, 0.000099, 0.0001, 0.5, 1.0)] == [
        None, "< 0.0001", "< 0.0001", "0.0001", "0.5000", "1.0000",
    ]  # fmt: skip


def test_percentages_below_1_have_a_decimal() -> None:
    shares = (0.01, 0.0099, -0.01, -0.0099, 0.0, 0.0004, -0.0004, 1.234, -0.126)
    assert [tables.percent(share) for share in shares] == [
        "1%", "1.0%", "−1%", "−1.0%", "0%", "0%", "0%", "123%", "−13%",
    ]  # fmt: skip
    assert [tables.percent(share, "+") for share in (0.25, -0.25, 0.0, 0.0004)] == [
        "+25%", "−25%", "0%", "0%",
    ]  # fmt: skip
