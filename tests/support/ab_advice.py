"""A/B tests with advice, made by hand, and a row of their list."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from d1lab.analyses.ab_tests.advice import AdvisedTest, advised
from d1lab.analyses.ab_tests.decision import AbResult
from d1lab.analyses.ab_tests.effects import Effect
from d1lab.analyses.ab_tests.model import AbPlan, Variant
from d1lab.analyses.ab_tests.rows import AbTest
from d1lab.analyses.ab_tests.shop import Decision
from d1lab.analyses.ab_tests.validation import VariantConfig
from d1lab.display.ab_test_list import AbTestRow, CheckOfTest, Course, Estimate, PerVisitor

UNTIL = date(2026, 5, 30)
START, END = datetime(2026, 5, 11, 9), datetime(2026, 5, 21)
LOSS = Effect("profit", difference=-0.5, difference_low=-0.8, difference_high=-0.2, p_value=0.01)
OPEN = Effect("profit", difference=0.5, difference_low=-0.1, difference_high=1.1, p_value=0.2)
GAIN = Effect("profit", difference=0.5, difference_low=0.2, difference_high=0.8, p_value=0.01)


def advice(winner: Any, *effects: Effect, **given: Any) -> AdvisedTest:
    """The advice on a test over 20 days with 2,000 visitors of A and 1,000 of B."""
    ended = given.get("ended", False)
    a, b = (Variant(count, 100) for count in given.get("visitors", (2_000, 1_000)))
    configs = (VariantConfig(0.0), VariantConfig(0.1))
    test = AbTest(
        given.get("test_id", "Test 1"), given.get("name", "Gift"), a, b, AbPlan(ended=ended), (),
        (), configs, (), None, None, False, None, (), None,
    )  # fmt: skip
    result = AbResult(
        given.get("status", "decided"),
        winner=winner,
        ended=ended,
        effects=effects,
        p_value=given.get("p_value", 0.01),
        ratio=1.1,
        ratio_low=1.01,
        ratio_high=1.2,
        primary_metric=given.get("metric", "conversions"),
    )
    row = {"started_at": given.get("start", START), "ended_at": END if ended else None}
    [one] = advised([Decision(test, result, None, given.get("left"))], [row], UNTIL)
    return one


ROW = AbTestRow(
    "test-gift", "Gift <b>", "running", "Running", "A and B at the same prices", 3_000, "orders",
    Estimate(0.1, 0.01), Estimate(-5.0, -9.0, -1.0), (CheckOfTest("passed", "Traffic 50:50"),),
    "Stop", "Less profit.", True, "action-stop-gift", "$5 lost a month.",
    (PerVisitor("Orders per visitor", "percent", 0.1, 0.11, Estimate(0.1, 0.01)),),
    Course(("2026-05-01", "2026-05-02"), (0.1, None), (None, 0.0), (0.2, 0.3)), "fixed",
)  # fmt: skip
