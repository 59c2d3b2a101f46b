"""A/B tests of a shop: decisions from rows of the metrics `ab_tests` and `ab_test_looks`.

A plan that was not declared is not made up. The method of a test without a stored one depends on
its plan: with a planned size or end it is group-sequential, otherwise always-valid, because a
report evaluates it every day.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from d1lab.analyses.ab_tests.decision import VERSION, AbResult, as_json, compare
from d1lab.analyses.ab_tests.earnings import default_metric
from d1lab.analyses.ab_tests.history import effect_history
from d1lab.analyses.ab_tests.model import AbPlan, Design, Guardrail, Look, Variant, money_means
from d1lab.analyses.ab_tests.validation import (
    VariantConfig,
    parse_guardrails,
    parse_variant_config,
    variant_error,
)
from d1lab.stats import power

RECENT_DAYS = 7
"""Number of recent days used to compute the traffic per day."""

Row = Mapping[str, Any]


class AbTest(NamedTuple):
    """One test at the end of a day."""

    test_id: str
    name: str
    a: Variant
    b: Variant
    plan: AbPlan
    looks: tuple[Look, ...]  # earlier ones, oldest first
    days: tuple[date, ...]  # of all looks, the current one last; empty without daily sums
    variants: tuple[VariantConfig, VariantConfig]
    faults: tuple[str, ...]  # errors in the configuration
    blocked: str | None  # the error that prevents a decision
    planned_end: date | None
    simulated: bool


class Decision(NamedTuple):
    """Result of one test, with its outlook."""

    test: AbTest
    result: AbResult
    detectable_lift: float | None  # at 80% power, with the visitors so far
    days_left: int | None  # until the plan is reached, at recent traffic


def decide(tests: Any, looks: Any, until: date) -> list[Decision]:
    """Decide on every test, in the order of the rows.

    Args:
        tests: Rows of the metric `ab_tests`: a DataFrame or mappings.
        looks: Rows of the metric `ab_test_looks`.
        until: The day of the report.
    """
    by_test: dict[str, list[Row]] = {}
    for row in _records(looks):
        by_test.setdefault(row["test_id"], []).append(row)
    shop_tests = (read_test(row, by_test.get(row["test_id"], []), until) for row in _records(tests))
    return [_decide(test, until) for test in shop_tests]


def read_test(row: Row, looks: Sequence[Row], until: date) -> AbTest:
    """Build a test from its row and its daily sums.

    Args:
        row: Row of the metric `ab_tests`.
        looks: Rows of `ab_test_looks` for this test; used instead of the totals in `row`.
        until: Report date.
    """
    start, end = _day(row["started_at"]), _day(row["planned_end_at"])
    history, days = _history(looks, start, end)
    variants = (
        parse_variant_config(row["variant_a_config"]),
        parse_variant_config(row["variant_b_config"]),
    )
    rails, rail_fault = parse_guardrails(row["guardrails"])
    if not history and not row["sums_are_later"]:
        last = min(filter(None, (_last_day(row["ended_at"]), until)))
        history = [
            Look(_variant(row, "variant_a_"), _variant(row, "variant_b_"), _share(last, start, end))
        ]
    now = history[-1] if history else Look(Variant(), Variant())
    share = row["share_b"] if row["share_b"] is not None else variants[1].share
    plan = AbPlan(
        method=row["method"] or _method(row),  # pyright: ignore[reportArgumentType]
        primary_metric=row["primary_metric"] or default_metric(now.a, now.b),
        share_b=share,
        share_declared=bool(row["share_declared"]) and share is not None,
        alpha=0.05 if row["alpha"] is None else row["alpha"],
        ended=bool(row["ended"]),
        planned_visitors=row["planned_visitors"],
        planned_looks=row["planned_looks"],
        elapsed=now.elapsed,
        guardrails=rails,
    )
    return AbTest(
        row["test_id"],
        row["test_name"] or row["test_id"],
        now.a,
        now.b,
        plan,
        tuple(history[:-1]),
        tuple(days),
        variants,
        tuple(_config_errors(row, variants)),
        rail_fault,
        end,
        row["source"] == "simulated",
    )


def records(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """Return the decision records: the inputs of each decision and every field of its result."""
    return [
        {
            "test_id": test.test_id,
            "looks": as_json([*test.looks, Look(test.a, test.b, test.plan.elapsed)]),
            "plan": as_json(test.plan),
            "result": as_json(result),
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
    plan = AbPlan(**declared)
    return compare(looks[-1].a, looks[-1].b, plan, looks[:-1])


def results(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """Return the rows to stage for the app's table `ab_test_results`."""
    return [
        {
            "test_id": test.test_id,
            "confidence_level": result.confidence_level,
            "winner": result.winner,
        }
        for test, result, *_ in decisions
    ]


def reasons(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """Return the rows to stage for `d1lab_ab_test_decisions`: decision, method, and reason."""
    return [
        {
            "test_id": test.test_id,
            "chance_b_better": result.chance_b_better,
            "analysis_status": result.status,
            "analysis_reason": result.reason,
            "analysis_method": result.method,
            "analysis_version": VERSION,
            "analysis_look": result.look,
            "analysis_p_value": result.p_value,
        }
        for test, result, *_ in decisions
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


def _decide(test: AbTest, until: date) -> Decision:
    result = compare(test.a, test.b, test.plan, test.looks)
    if test.blocked:  # a winner has to pass the guardrails, and these cannot be evaluated
        result = AbResult("invalid_input", test.blocked, inputs_hash=result.inputs_hash)
    return Decision(test, result, _detectable(test), _days_left(test, result, until))


def _records(frame: Any) -> list[Row]:
    rows = frame.to_dict("records") if hasattr(frame, "to_dict") else frame
    return [{name: _known(value) for name, value in row.items()} for row in rows]


def _known(value: Any) -> Any:
    """Convert the missing values of a frame (NaN, NaT, and pandas' NA) to None."""
    try:
        return None if value != value else value
    except TypeError:  # bool(NA) raises
        return None


def _day(moment: Any) -> date | None:
    return moment.date() if isinstance(moment, datetime) else moment


def _last_day(ended_at: Any) -> date | None:
    """Return the last day of a test; one that ended at midnight ended on the day before."""
    return None if ended_at is None else _day(ended_at - timedelta(microseconds=1))


def _history(
    rows: Sequence[Row], start: date | None, end: date | None
) -> tuple[list[Look], list[date]]:
    """Return the cumulative sums at the end of each day, and the days."""
    by_day: dict[date, dict[str, Variant]] = {}
    for row in rows:
        day = _day(row["day"])
        if day is not None:
            by_day.setdefault(day, {})[row["variant"]] = _variant(row, "")
    days = sorted(by_day)
    looks = [
        Look(by_day[d].get("a", Variant()), by_day[d].get("b", Variant()), _share(d, start, end))
        for d in days
    ]
    return looks, days


def _share(day: date, start: date | None, end: date | None) -> float | None:
    """Return the share of the planned days elapsed at the end of a day."""
    if start is None or end is None or end <= start or day < start:
        return None
    return ((day - start).days + 1) / (end - start).days


def _variant(row: Row, prefix: str) -> Variant:
    return Variant(*(row[f"{prefix}{name}"] for name in Variant._fields))


def _method(row: Row) -> Design:
    planned = (row["planned_visitors"], row["planned_end_at"], row["planned_looks"])
    return "always_valid" if planned == (None, None, None) else "group_sequential"


def _config_errors(row: Row, variants: tuple[VariantConfig, VariantConfig]) -> Iterable[str]:
    for letter, variant in zip("ab", variants, strict=True):
        if variant.fault:
            yield (
                f"the configuration of variant {letter} is invalid ({variant.fault}), "
                "so its discount and its products are unknown"
            )
    stated = variants[1].share
    if None not in (stated, row["share_b"]) and stated != row["share_b"]:
        yield f"B's declared share is {row['share_b']:g}, but its configuration has {stated:g}"
    if row["sums_are_later"]:
        yield "there are no daily sums, and the totals include days after the report date"


def _detectable(test: AbTest) -> float | None:
    """Return the detectable lift of the primary metric, for one evaluation of these visitors."""
    a, b, metric = test.a, test.b, test.plan.primary_metric
    if not a.visitors or not b.visitors or variant_error(a) or variant_error(b):
        return None
    if metric == "conversions":
        rate = (a.conversions or 0) / a.visitors
        found = power.detectable_rate(rate, a.visitors, b.visitors) if 0 < rate < 1 else None
        return None if found is None else found / rate - 1
    if None in (getattr(a, f"{metric}_squares"), getattr(b, f"{metric}_squares")):
        return None
    both = money_means(metric, [a], [b], None)
    base, error = float(both.a[0]), float(both.error[0])
    return power.detectable_difference(error) / base if base > 0 and error > 0 else None


def _days_left(test: AbTest, result: AbResult, until: date) -> int | None:
    """Return the days until the planned visitors or the planned end; None if neither is planned."""
    if test.plan.ended or result.winner or test.plan.method == "always_valid":
        return None
    if test.plan.planned_visitors:
        seen = [(x.a.visitors or 0) + (x.b.visitors or 0) for x in test.looks]
        now = (test.a.visitors or 0) + (test.b.visitors or 0)
        recent = ([0] * RECENT_DAYS + seen)[-RECENT_DAYS]
        days = min(len(seen) + 1, RECENT_DAYS)
        return power.days_left(test.plan.planned_visitors, now, (now - recent) / days)
    return max((test.planned_end - until).days - 1, 0) if test.planned_end else None
