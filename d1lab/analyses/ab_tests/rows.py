"""A/B tests from rows of the metrics `ab_tests` and `ab_test_looks`.

A declared plan is read, not changed. A test without one gets the default plan of its start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from d1lab.analyses.ab_tests.earnings import default_metric
from d1lab.analyses.ab_tests.model import AbPlan, Arm, Guardrail, Look, Variant
from d1lab.analyses.ab_tests.plans import WEEK_DAYS, DefaultPlan, default_plan
from d1lab.analyses.ab_tests.validation import (
    VariantConfig,
    parse_guardrails,
    parse_variant_config,
)

Row = Mapping[str, Any]

_BY_DEFAULT = (None, "group_sequential")
"""Methods that need an end: the default plan has one."""


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
    planned_end: date | None  # last planned day
    simulated: bool
    default: DefaultPlan | None  # the plan of a test that declares none, or no end
    more: tuple[Arm, ...]  # variants beyond B
    first_day: date | None


def read_test(row: Row, looks: Sequence[Row], until: date, arms: Sequence[Row] = ()) -> AbTest:
    """Build a test from its row and its daily sums.

    Args:
        row: Row of the metric `ab_tests`.
        looks: Rows of `ab_test_looks` for this test; used instead of the totals in `row`.
        until: Report date.
        arms: Rows of `ab_test_arms` for this test. With any, all sums are totals, because there are
            no days of these variants.
    """
    if arms:
        looks = ()
    start, default = _day(row["started_at"]), _default(row)
    end = _end(row, start, default)
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
    plan = _plan(row, now, variants[1].share, rails, default)._replace(totals_only=not days)
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
        default,
        tuple(_arm(arm, row) for arm in arms),
        start,
    )


def _arm(arm: Row, row: Row) -> Arm:
    """Return a variant beyond B; nothing is known of it on a day before its totals."""
    sums = Variant() if row["sums_are_later"] else _variant(arm, "")
    return Arm(str(arm["variant"]), sums, arm["share"])


def _plan(
    row: Row,
    now: Look,
    configured: float | None,
    rails: tuple[Guardrail, ...],
    default: DefaultPlan | None,
) -> AbPlan:
    """Return the declared plan; the default plan has its place where none is declared."""
    share = row["share_b"] if row["share_b"] is not None else configured
    planned_looks = row["planned_looks"]
    if default and row["method"] in _BY_DEFAULT:
        planned_looks = default.looks
    return AbPlan(
        method=row["method"] or "group_sequential",
        primary_metric=row["primary_metric"] or default_metric(now.a, now.b),
        share_b=share,
        share_declared=bool(row["share_declared"]) and share is not None,
        alpha=0.05 if row["alpha"] is None else row["alpha"],
        ended=bool(row["ended"]),
        planned_visitors=row["planned_visitors"],
        planned_looks=planned_looks,
        elapsed=now.elapsed,
        guardrails=rails,
        count_inflation=row.get("count_inflation"),
        money_inflation=max(row.get("money_inflation") or 1.0, 1.0),
        tuned_conversions=default.tuned_conversions if default else None,
        unit=row.get("unit") or "visitor",
    )


def _default(row: Row) -> DefaultPlan | None:
    """Return the default plan of a test without a planned size or end; the recorded one first."""
    planned = (row["planned_visitors"], row["planned_end_at"], row["planned_looks"])
    if row["started_at"] is None or planned != (None, None, None) or row["method"] == "fixed":
        return None
    found = default_plan(_count(row.get("orders_before")))
    if row.get("plan_days") is None:
        return found
    return DefaultPlan(
        int(row["plan_days"]),
        int(row["plan_days"]) // WEEK_DAYS,
        _count(row["plan_orders_before"]),
        _count(row["plan_tuned_conversions"]),
    )


def _count(value: Any) -> int | None:
    return None if value is None else int(value)


def _end(row: Row, start: date | None, default: DefaultPlan | None) -> date | None:
    """Return the last planned day; a time within a day counts that day."""
    if row["planned_end_at"] is not None:
        return _last_day(row["planned_end_at"])
    if default is None or start is None or row["method"] not in _BY_DEFAULT:
        return None
    return start + timedelta(days=default.days - 1)


def known_rows(frame: Any) -> list[Row]:
    """Return the rows of a frame or of mappings, with None for missing values."""
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
    """Return the last day before a moment: midnight belongs to the day before."""
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
    if start is None or end is None or end < start or day < start:
        return None
    return ((day - start).days + 1) / ((end - start).days + 1)


def _variant(row: Row, prefix: str) -> Variant:
    """Return the sums of a row; only days have those of a covariate."""
    known = {name: row[f"{prefix}{name}"] for name in Variant._fields[:6]}
    return Variant(**known, **{name: row.get(f"{prefix}{name}") for name in Variant._fields[6:]})


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
