"""Decisions from rows: plans are read, not made up, and sentences match the decisions."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import orjson
import pandas as pd
import pytest

from d1lab import catalog
from d1lab.analyses.ab_tests import list_report, report, tables
from d1lab.analyses.ab_tests import shop as ab_tests
from d1lab.analyses.ab_tests.advice import advised
from d1lab.analyses.ab_tests.decision import as_json
from d1lab.analyses.ab_tests.sentences import sentence
from d1lab.analyses.ab_tests.validation import parse_guardrails, parse_variant_config
from d1lab.lab import Lab
from d1lab.metrics import evaluate, load_metrics

UNTIL = date(2026, 5, 10)
START = datetime(2026, 5, 1)
EMPTY: dict[str, Any] = dict.fromkeys(
    [
        "test_name",
        "variant_a_config",
        "variant_b_config",
        "share_b",
        "alpha",
        "method",
        "primary_metric",
        "planned_visitors",
        "planned_looks",
        "planned_end_at",
        "guardrails",
        "ended_at",
        "source",
        *(
            f"variant_{variant}_{name}"
            for variant in "ab"
            for name in ("visitors", "conversions", "revenue", "revenue_squares", "profit")
        ),
        "variant_a_profit_squares",
        "variant_b_profit_squares",
    ]
)


def row(**given: Any) -> dict[str, Any]:
    """Return a row of the metric `ab_tests`; values not given are missing, as in pandas."""
    base = {"test_id": "t", "started_at": START, "ended": False, "share_declared": False}
    return {**{k: math.nan for k in EMPTY}, **base, "sums_are_later": False, **given}


def day_rows(days: int, a: dict[str, float], b: dict[str, float]) -> list[dict[str, Any]]:
    """Return rows of the metric `ab_test_looks`: cumulative sums of equal days."""
    names = ("visitors", "conversions", "revenue", "revenue_squares", "profit", "profit_squares")
    return [
        {"test_id": "t", "day": START.date() + timedelta(days=day), "variant": variant}
        | {name: sums[name] * (day + 1) if name in sums else math.nan for name in names}
        for day in range(days)
        for variant, sums in (("a", a), ("b", b))
    ]


def decide(test: dict[str, Any], looks: list[dict[str, Any]] | None = None) -> ab_tests.Decision:
    [decision] = ab_tests.decide([test], looks or [], UNTIL)
    return decision


COUNTS = {
    "variant_a_visitors": 10_000,
    "variant_a_conversions": 500,
    "variant_b_visitors": 10_000,
    "variant_b_conversions": 620,
}
DECLARED = {"share_b": 0.5, "share_declared": True}


def test_the_guides_columns_alone_are_refused_with_a_reason() -> None:
    """Conversions and revenue without visitors or a declared share: as in the decision table."""
    guide = {"variant_a_conversions": 50, "variant_b_conversions": 90, "variant_a_revenue": 2_000.0}
    found = decide(row(**guide, variant_b_revenue=3_600.0, ended=True, ended_at=UNTIL_MOMENT))
    assert found.result.status == "not_declared"
    assert found.result.order_value_b == 40.0
    assert "not declared" in sentence(found.result)


UNTIL_MOMENT = datetime(2026, 5, 10)


def test_a_test_without_a_method_is_read_by_the_plan_it_has() -> None:
    """A planned size or end is group-sequential; nothing planned is the default plan."""
    assert decide(row(**COUNTS, **DECLARED)).test.plan.method == "group_sequential"
    planned = decide(row(**COUNTS, **DECLARED, planned_visitors=40_000))
    assert planned.test.plan.method == "group_sequential"
    assert planned.result.share_of_plan == 0.5
    ending = decide(row(**COUNTS, **DECLARED, planned_end_at=START + timedelta(days=20)))
    assert ending.result.share_of_plan == 0.5


def test_a_stored_method_stays() -> None:
    """A fixed-horizon test is not evaluated before its end, on any report date."""
    fixed = row(**COUNTS, **DECLARED, method="fixed", planned_end_at=START + timedelta(days=20))
    found = decide(fixed)
    assert (found.result.status, found.result.p_value, found.days_left) == ("running", None, 10)
    assert "evaluated once" in sentence(found.result)
    strange = decide(row(**COUNTS, **DECLARED, method="gut feeling"))
    assert strange.result.status == "invalid_input"


def test_daily_sums_are_the_looks() -> None:
    """Ten days of daily sums are ten looks, and the totals of the row are not counted again."""
    looks = day_rows(
        10, {"visitors": 1_000, "conversions": 50}, {"visitors": 1_000, "conversions": 70}
    )
    found = decide(row(**COUNTS, **DECLARED, method="always_valid"), looks)
    assert (found.result.look, found.test.b.conversions) == (10, 700)
    assert (found.result.winner, len(found.test.days)) == ("b", 10)
    course = ab_tests.effect_histories([found])
    assert [point["day"].day for point in course] == list(range(1, 11))
    widths = [point["lift_high"] - point["lift_low"] for point in course]
    assert widths == sorted(widths, reverse=True)
    assert course[-1]["lift_low"] == pytest.approx((found.result.ratio_low or 0) - 1)


def test_traffic_says_how_many_days_are_left() -> None:
    """20,000 of 50,000 visitors in ten days, 2,000 a day: fifteen more."""
    looks = day_rows(
        10, {"visitors": 1_000, "conversions": 50}, {"visitors": 1_000, "conversions": 51}
    )
    plan = {"method": "group_sequential", "planned_visitors": 50_000}
    found = decide(row(**DECLARED, **plan), looks)
    assert (found.result.status, found.days_left) == ("running", 15)


def test_malformed_configuration_is_a_reason_and_no_crash() -> None:
    """The decision does not need it; the missing parts are listed with a reason."""
    found = decide(row(**COUNTS, **DECLARED, variant_b_config='{"discount_rate": 0.1'))
    assert found.result.status != "invalid_input"
    [left_open] = [u for u in report.unsaid([found]) if "configuration" in u["why"]]
    assert "variant b" in left_open["why"]


def test_malformed_guardrails_forbid_a_decision() -> None:
    """A winner cannot be checked against unreadable guardrails, so there is none."""
    found = decide(row(**COUNTS, **DECLARED, ended=True, guardrails="[{}]"))
    assert (found.result.status, found.result.winner) == ("invalid_input", None)
    assert "guardrails" in (found.result.reason or "")


def test_share_in_the_configuration_counts_only_if_declared() -> None:
    """The share in variant b's configuration is used, and a contradiction is reported."""
    config = '{"share": 0.5}'
    declared = decide(row(**COUNTS, variant_b_config=config, share_declared=True))
    assert declared.result.sample_ratio_p == 1.0
    late = decide(row(**COUNTS, variant_b_config=config))
    assert late.result.sample_ratio_p is None
    other = decide(row(**COUNTS, **DECLARED, variant_b_config='{"share": 0.2}'))
    assert any("0.2" in fault for fault in other.test.faults)


def test_totals_beyond_the_day_are_not_used() -> None:
    """Without daily sums, a report for an earlier day has no data on the test."""
    found = decide(row(**COUNTS, **DECLARED, sums_are_later=True))
    assert (found.result.status, found.result.rate_a) == ("insufficient_data", None)


def test_a_decision_is_reproduced_from_its_record_to_the_digit() -> None:
    """The record goes through JSON and gives the same result, field by field."""
    looks = day_rows(
        10,
        {"visitors": 1_000, "conversions": 50, "revenue": 2_000.1, "revenue_squares": 99_999.9},
        {"visitors": 1_003, "conversions": 66, "revenue": 2_500.7, "revenue_squares": 120_000.3},
    )
    test = row(
        **DECLARED, method="group_sequential", planned_visitors=25_000, primary_metric="revenue"
    )
    found = decide(test | {"guardrails": '[{"metric": "conversions", "margin": 0.02}]'}, looks)
    [record] = orjson.loads(orjson.dumps(ab_tests.records([found])))
    again = ab_tests.replay(record)
    assert as_json(again) == as_json(found.result) == record["result"]
    assert again.inputs_hash == found.result.inputs_hash
    assert (record["result"]["look"], record["result"]["method"]) == (10, "welch")
    assert 0 < record["result"]["spent_alpha"] < 0.05


def test_staged_rows_are_the_columns_that_d1lab_owns() -> None:
    """Every staged name is in the catalog, and its level is the stored one."""
    [staged] = ab_tests.results([decide(row(**COUNTS, **DECLARED, ended=True, method="fixed"))])
    owned = catalog.table("ab_test_results").owned("analysis")
    assert set(staged) == {"test_id", *owned}
    assert (staged["winner"], staged["confidence_level"]) == ("b", 99.97)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ended": True}, "Roll out B: it converts 24% more than A (95% interval +11% to +39%)"),
        ({"ended": True, "variant_b_conversions": 390}, "Keep A: B converts 22% fewer"),
        ({"ended": True, "variant_b_conversions": 520}, "Inconclusive: B converts 4% more"),
        ({"ended": True, "variant_b_visitors": 13_000}, "sample ratio mismatch"),
        ({"ended": True, "variant_b_conversions": 0, "variant_a_conversions": 0}, "No result yet"),
        ({"ended": True, "variant_b_conversions": 10_001}, "numbers are inconsistent"),
        ({"ended": True, "variant_a_conversions": 0}, "6.2 percentage points more"),
    ],
)
def test_verdicts_are_sentences(given: dict[str, Any], said: str) -> None:
    """The sentence on the page for each outcome of a test."""
    found = decide(row(**{**COUNTS, **DECLARED, "method": "fixed", **given}))
    assert said in sentence(found.result)
    assert "p =" not in sentence(found.result)


def test_a_win_that_loses_money_is_not_to_be_taken() -> None:
    """B converts more but earns less per visitor: keep A, and say why."""
    profits = {
        "variant_a_profit": 20_000.0,
        "variant_b_profit": 14_000.0,
        "variant_a_profit_squares": 1e6,
        "variant_b_profit_squares": 7e5,
    }
    found = decide(row(**COUNTS, **DECLARED, **profits, method="fixed", ended=True))
    assert (found.result.winner, found.result.break_even) == ("a", "missed")
    assert sentence(found.result).startswith(
        "Keep A: although B converts 24% more than A, it earns 30% less profit per visitor"
    )
    test = row(**COUNTS, **DECLARED, **profits, method="fixed", ended=True)
    text, status = report.verdict(advised([found], [test], UNTIL))
    assert (text, status) == ("The test does not show that B earns more. Keep A: 1.", "neutral")
    [line] = tables.break_evens([found])
    assert line["break_even_lift"] == pytest.approx(40 / (14_000 / 620) - 1)


def test_a_tie_that_loses_money_says_so() -> None:
    """The primary metric is undecided, but B earns significantly less: the page says so."""
    profits = {
        "variant_a_profit": 20_000.0,
        "variant_b_profit": 14_000.0,
        "variant_a_profit_squares": 1e6,
        "variant_b_profit_squares": 7e5,
    }
    tie = {**COUNTS, "variant_b_conversions": 520}
    found = decide(row(**tie, **DECLARED, **profits, method="fixed", ended=True))
    assert (found.result.winner, found.result.break_even) == ("a", "missed")
    assert sentence(found.result).startswith("Keep A: B earns 30% less profit per visitor")
    near = {**tie, **profits, "variant_b_profit": 17_330.0}
    found = decide(
        row(**near, **DECLARED, method="fixed", ended=True, primary_metric="conversions")
    )
    assert (found.result.winner, found.result.break_even) == ("none", "missed")
    told = sentence(found.result)
    assert told.endswith("not significant, and B earns less profit per visitor.")


@pytest.mark.parametrize("method", ["always_valid", "group_sequential"])
def test_a_running_test_that_loses_money_is_to_be_stopped(method: str) -> None:
    """500 vs. 620 conversions at a profit of 10,000 vs. 6,500: red, even beside a winner."""
    losing = {
        "variant_a_profit": 10_000.0,
        "variant_b_profit": 6_500.0,
        "variant_a_profit_squares": 4e5,
        "variant_b_profit_squares": 3e5,
    }
    test = row(**COUNTS, **DECLARED, **losing, method=method, planned_visitors=30_000)
    found = decide(test)
    assert (found.result.winner, found.test.plan.primary_metric) == ("a", "profit")
    told = sentence(found.result)
    assert told.startswith("Stop the test and keep A: although B converts 24% more")
    won = {"test_id": "w", "test_name": "x"}
    winning = row(**COUNTS, **DECLARED, **won, method="fixed", ended=True)
    both = advised([decide(winning), found], [winning, test], UNTIL)
    text, status = report.verdict(both, "USD")
    assert text == "Stop 1 of 2 tests (t): $10,500 lost a month while B is shown. Take B: 1."
    assert status == "bad"
    [staged] = ab_tests.results([found])
    assert staged["winner"] == "a"


def test_profit_is_primary_unless_another_metric_is_declared() -> None:
    """Profit that can be tested decides; totals without squares leave it to conversions."""
    profits = {"variant_a_profit": 10_000.0, "variant_b_profit": 12_000.0}
    squares = {"variant_a_profit_squares": 4e5, "variant_b_profit_squares": 4e5}
    known = decide(row(**COUNTS, **DECLARED, **profits, **squares, method="fixed", ended=True))
    assert known.result.primary_metric == "profit"
    totals = decide(row(**COUNTS, **DECLARED, **profits, method="fixed", ended=True))
    assert totals.result.primary_metric == "conversions"
    assert "profit" not in sentence(totals.result)


def test_totals_describe_what_nothing_may_be_concluded_from() -> None:
    """The guide's columns alone: counts and order values, no test."""
    found = decide(
        row(variant_a_conversions=122, variant_b_conversions=189, variant_a_revenue=610.0)
    )
    assert found.result.status == "not_declared"
    [line] = tables.totals([found])
    assert (line["conversions_a"], line["conversions_b"]) == (122, 189)
    assert (line["order_value_a"], line["order_value_b"]) == (5, None)


def test_headline_counts_every_test_once() -> None:
    """Six outcomes of a test, each counted."""
    ends = [
        row(**COUNTS, **DECLARED, method="fixed", ended=True, test_name="x"),
        row(**{**COUNTS, "variant_b_conversions": 390}, **DECLARED, method="fixed", ended=True),
        row(**{**COUNTS, "variant_b_conversions": 510}, **DECLARED, method="fixed", ended=True),
        row(**{**COUNTS, "variant_b_conversions": 510}, **DECLARED),
        row(variant_a_conversions=5, variant_b_conversions=6),
    ]
    ends = [test | {"test_id": f"t{place}"} for place, test in enumerate(ends)]
    decisions = [decide(test) for test in ends]
    text, status = report.verdict(advised(decisions, ends, UNTIL))
    assert status == "good"
    assert text == "Take B in 1 of 5 tests (x). Repeat: 1. Wait: 1. Keep A: 2."


def test_no_chance_or_level_is_shown_as_certain() -> None:
    """The maximum is 99.99, and a probability near 1 is shown as > 99.9%, not as 100%."""
    sure = decide(row(**{**COUNTS, "variant_b_conversions": 900}, **DECLARED, ended=True))
    [shown] = list_report.verdicts([sure])
    assert (shown["confidence"], shown["chance_b_better"]) == ("99.99%", "> 99.9%")


@pytest.mark.parametrize(
    "text", ["[", "3", '{"skus": 5}', '{"share": true}', '{"share": NaN}', "[" * 100_000]
)
def test_unreadable_configurations_have_a_fault(text: str) -> None:
    """Any invalid text gives a reason that is short enough to show."""
    fault = parse_variant_config(text).fault
    assert fault
    assert len(fault) < 200


def test_configurations_are_read() -> None:
    """Discount as a rate or a percentage, share, and products; other keys are ignored."""
    variant = parse_variant_config('{"percent": 20, "share": 0.3, "skus": ["A"], "colour": "red"}')
    assert variant == (0.2, 0.3, ("A",), None)
    assert parse_variant_config(None) == parse_variant_config("  ") == (None, None, None, None)


@pytest.mark.parametrize("text", ["{", "[1]", '[{"metric": "x", "margin": 0.1}]', "[" * 100_000])
def test_unreadable_guardrails_have_a_fault(text: str) -> None:
    """As configurations."""
    rails, fault = parse_guardrails(text)
    assert rails == ()
    assert fault
    assert len(fault) < 300


def test_metrics_feed_the_decisions(tiny_lab: Lab) -> None:
    """The test of the tiny warehouse, from SQL to a staged row and a saved record."""
    until = tiny_lab.as_of()
    tests = tiny_lab.metric("ab_tests", until=until)
    looks = tiny_lab.metric("ab_test_looks", until=until)
    assert looks[["variant", "visitors", "conversions"]].to_dict("records") == [
        {"variant": "a", "visitors": 500, "conversions": 50},
        {"variant": "b", "visitors": 505, "conversions": 65},
    ]
    [found] = ab_tests.decide(tests, looks, until)
    assert found.test.variants[1].discount_rate == 0.2
    assert found.test.a.revenue_squares is None
    assert tiny_lab.stage(pd.DataFrame(ab_tests.results([found])), table="ab_test_results") == 1
    path = tiny_lab.keep(ab_tests.records([found]), "decisions")
    assert json.loads(path.read_text())[0]["test_id"] == "t1"


def test_refusals_alone_can_be_staged(tiny_lab: Lab) -> None:
    """Columns with only NULL are written back to D1 as NULL."""
    rows = ab_tests.results([decide(row(variant_a_conversions=5, variant_b_conversions=6))])
    assert rows[0]["winner"] is rows[0]["confidence_level"] is None
    assert tiny_lab.stage(pd.DataFrame(rows), table="ab_test_results") == 1


def test_looks_stay_unknown_after_an_unknown_day() -> None:
    """A day with unknown visitors makes the sums from that day on NULL, and no others."""
    days = """
        CREATE VIEW ab_test_days AS
        SELECT 'harbor' AS shop, 't' AS test_id, day::DATE AS day, variant, visitors, conversions,
            1.5 AS revenue, NULL AS revenue_squares, NULL AS discount_cost, NULL AS profit,
            NULL AS profit_squares, NULL AS source, NULL::DOUBLE AS covariate,
            NULL::DOUBLE AS covariate_squares, NULL::DOUBLE AS covariate_revenue,
            NULL::DOUBLE AS covariate_profit
        FROM (VALUES
            ('2026-05-01', 'a', 10, 1), ('2026-05-01', 'b', 12, 1),
            ('2026-05-02', 'a', NULL, 2), ('2026-05-03', 'a', 9, 1)
        ) AS v (day, variant, visitors, conversions)
    """
    with duckdb.connect() as con:
        con.execute(days)
        metric = load_metrics()["ab_test_looks"]
        found = evaluate(con, metric, {"shop": "harbor", "until": UNTIL}).fetchall()
    assert [(row[2].day, *row[3:6]) for row in found] == [
        (1, "a", 10, 1),
        (1, "b", 12, 1),
        (2, "a", None, 3),
        (2, "b", 12, 1),
        (3, "a", None, 4),
        (3, "b", 12, 1),
    ]
