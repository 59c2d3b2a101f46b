"""A/B tests of a shop: decisions from rows of the metrics `ab_tests` and `ab_test_looks`.

A declared plan is never changed. A test without one has the default plan of its start, so its rule
does not depend on when a report first sees it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, NamedTuple

from d1lab.analyses.ab_tests import outlook
from d1lab.analyses.ab_tests.arms import ArmResult, compare_arms
from d1lab.analyses.ab_tests.decision import VERSION, AbResult, as_json, compare
from d1lab.analyses.ab_tests.history import effect_history
from d1lab.analyses.ab_tests.model import AbPlan, Arm, Guardrail, Look, Variant
from d1lab.analyses.ab_tests.prior import LogLift, false_discovery, learned_sd, log_lift
from d1lab.analyses.ab_tests.rows import AbTest, Row, known_rows, read_test

PLAN_COLUMNS = (
    "test_id",
    "plan_days",
    "plan_orders_before",
    "plan_tuned_conversions",
)
"""Columns of `plans`."""


class Decision(NamedTuple):
    """Result of one test, with its outlook."""

    test: AbTest
    result: AbResult
    detectable_lift: float | None  # at 80% power, with the visitors so far, by the rule in use
    days_left: int | None  # until the plan is reached, at recent traffic
    chance_b_better: float | None = None  # with lifts as the shop's tests have them
    false_discovery: float | None = None  # p adjusted by Benjamini-Hochberg over the shop's tests
    arms: tuple[ArmResult, ...] = ()  # all comparisons with A, of a test of three and more variants
    leading: str = "b"  # the variant that `result` compares with A, in B's place

    @property
    def winner(self) -> str | None:
        """Name of the winning variant, 'none' after an end without one, or None."""
        return self.leading if self.result.winner == "b" else self.result.winner


def decide(tests: Any, looks: Any, until: date, arms: Any = ()) -> list[Decision]:
    """Decide on every test, in the order of the rows.

    Args:
        tests: Rows of the metric `ab_tests`: a DataFrame or mappings.
        looks: Rows of the metric `ab_test_looks`.
        until: The day of the report.
        arms: Rows of the metric `ab_test_arms`: the variants beyond A and B.
    """
    days, others = _by_test(looks), _by_test(arms)
    decisions: list[Decision] = []
    for row in known_rows(tests):
        key = row["test_id"]
        test = read_test(row, days.get(key, []), until, others.get(key, []))
        decisions.append(_decide_arms(test, until) if test.more else _decide(test, until))
    return _together(decisions)


def _by_test(rows: Any) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in known_rows(rows):
        found.setdefault(row["test_id"], []).append(row)
    return found


def _decide_arms(test: AbTest, until: date) -> Decision:
    """Compare all variants with A; visitors still to come are known only by a planned end."""
    everything = compare_arms(test.a, _but_a(test), test.plan)
    result = everything.result
    if test.blocked:
        result = AbResult("invalid_input", test.blocked)
    result = result._replace(chance_b_better=None)  # of the leading variant, which may not be B
    dated = test._replace(plan=test.plan._replace(planned_visitors=None))
    left = outlook.days_left(dated, result, until)
    arms = () if test.blocked else everything.arms
    return Decision(test, result, None, left, arms=arms, leading=everything.leading)


def _but_a(test: AbTest) -> list[Arm]:
    return [Arm("b", test.b, test.plan.share_b), *test.more]


def _decide(test: AbTest, until: date) -> Decision:
    result = compare(test.a, test.b, test.plan, test.looks)
    if test.blocked:  # a winner has to pass the guardrails, and these cannot be evaluated
        result = AbResult("invalid_input", test.blocked, inputs_hash=result.inputs_hash)
    detectable = outlook.detectable_lift(test, result)
    return Decision(test, result, detectable, outlook.days_left(test, result, until))


def _together(decisions: list[Decision]) -> list[Decision]:
    """Add what depends on all tests: chances under the shop's lifts, and false discoveries."""
    lifts = [_lift(one) for one in decisions]
    sd = learned_sd(lift for lift in lifts if lift)
    shown = false_discovery([one.result.p_value for one in decisions])
    return [
        one._replace(
            chance_b_better=lift.chance(sd) if lift else one.result.chance_b_better,
            false_discovery=adjusted,
        )
        for one, lift, adjusted in zip(decisions, lifts, shown, strict=True)
    ]


def _lift(decision: Decision) -> LogLift | None:
    test, result = decision.test, decision.result
    if result.p_value is None or test.plan.unit != "visitor":
        return None
    return log_lift(result.primary_metric, test.a, test.b, test.plan)


def records(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """Return the decision records: the inputs of each decision and every field of its result."""
    return [
        {
            "test_id": test.test_id,
            "looks": as_json([*test.looks, Look(test.a, test.b, test.plan.elapsed)]),
            "plan": as_json(test.plan),
            "result": as_json(result),
            **({"arms": as_json(test.more)} if test.more else {}),
        }
        for test, result, *_ in decisions
    ]


def replay(record: Mapping[str, Any]) -> AbResult:
    """Repeat a decision from its record; the result is identical to the last digit.

    Args:
        record: An item of `records`, decoded from JSON.
    """
    looks = [
        Look(Variant(**look["a"]), Variant(**look["b"]), look["elapsed"])
        for look in record["looks"]
    ]
    rails = tuple(Guardrail(**rail) for rail in record["plan"]["guardrails"])
    declared: dict[str, Any] = {**record["plan"], "guardrails": rails}
    plan, (a, b) = AbPlan(**declared), looks[-1][:2]
    if not record.get("arms"):
        return compare(a, b, plan, looks[:-1])
    more = [Arm(arm["name"], Variant(**arm["sums"]), arm["share"]) for arm in record["arms"]]
    found = compare_arms(a, [Arm("b", b, plan.share_b), *more], plan)
    return found.result._replace(chance_b_better=None)


def results(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """Return the rows to stage for the app's table `ab_test_results`."""
    return [
        {
            "test_id": test.test_id,
            "confidence_level": result.confidence_level,
            "winner": decision.winner,
        }
        for decision in decisions
        for test, result in [decision[:2]]
    ]


def reasons(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """Return the rows to stage for `d1lab_ab_test_decisions`: decision, method, and reason."""
    return [
        {
            "test_id": test.test_id,
            "chance_b_better": decision.chance_b_better,
            "analysis_status": result.status,
            "analysis_reason": result.reason,
            "analysis_method": result.method,
            "analysis_version": VERSION,
            "analysis_look": result.look,
            "analysis_p_value": result.p_value,
        }
        for decision in decisions
        for test, result in [decision[:2]]
    ]


def plans(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """Return the rows to stage for `d1lab_ab_test_plans`: the default plans that are in use."""
    return [
        {
            "test_id": test.test_id,
            "plan_days": test.default.days,
            "plan_orders_before": test.default.orders_before,
            "plan_tuned_conversions": test.default.tuned_conversions,
        }
        for test, *_ in decisions
        if test.default
    ]


def effect_histories(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """Return the lift and its interval at each look of the tests designed for monitoring."""
    return [
        {
            "test": test.name,
            "day": test.days[point.look],
            "lift": None if point.ratio is None else point.ratio - 1,
            "lift_low": point.ratio_low - 1,
            "lift_high": point.ratio_high - 1 if math.isfinite(point.ratio_high) else None,
        }
        for test, *_ in decisions
        if test.days
        for point in effect_history(test.a, test.b, test.plan, test.looks)
    ]
