"""Decisions of a shop together: what is staged, recorded, and added over all its tests."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from typing import Any

import orjson
import pytest

from d1lab.analyses.ab_tests import shop
from d1lab.analyses.ab_tests.decision import VERSION, as_json, compare
from d1lab.analyses.ab_tests.prior import learned_sd, log_lift
from tests.analyses.ab_tests.test_ab_tests import (
    COUNTS,
    DECLARED,
    EMPTY,
    START,
    UNTIL,
    day_rows,
    row,
)

DAYS = ({"visitors": 1_000, "conversions": 50}, {"visitors": 1_000, "conversions": 52})


def test_results_are_staged_with_their_method_and_reason():
    """The columns of both tables, of a test without a result and of one with a winner."""
    open_ = row(**COUNTS, **DECLARED, test_id="open", sums_are_later=True)
    won = row(**COUNTS, **DECLARED, test_id="won", method="fixed", ended=True)
    found = shop.decide([open_, won], [], UNTIL)
    result = compare(*found[1].test[2:5])
    assert shop.Decision(*found[1][:4])[4:] == (None, None, (), "b")
    assert (found[1].arms, found[1].leading, found[1].winner) == ((), "b", "b")
    assert shop.results(found) == [
        {"test_id": "open", "confidence_level": None, "winner": None},
        {"test_id": "won", "confidence_level": result.confidence_level, "winner": "b"},
    ]
    lift = log_lift("conversions", *found[1].test[2:5])
    assert lift is not None
    first, second = shop.reasons(found)
    assert second == {
        "test_id": "won",
        "chance_b_better": pytest.approx(lift.chance(learned_sd([lift]))),
        "analysis_status": "decided",
        "analysis_reason": None,
        "analysis_method": "score",
        "analysis_version": VERSION,
        "analysis_look": 1,
        "analysis_p_value": result.p_value,
    }
    assert (first["analysis_status"], first["chance_b_better"]) == ("insufficient_data", None)
    assert first["analysis_reason"] == "conversions is missing for at least one variant"
    assert [one.false_discovery for one in found] == [None, result.p_value]


def test_a_declared_plan_is_not_staged_and_a_default_one_is():
    tests = [
        row(**COUNTS, test_id="own", planned_visitors=9_000),
        row(**COUNTS, test_id="default", orders_before=4_000),
    ]
    assert shop.plans(shop.decide(tests, [], UNTIL)) == [
        {"test_id": "default", "plan_days": 28, "plan_orders_before": 4_000,
         "plan_tuned_conversions": 4_000},
    ]  # fmt: skip


def test_looks_belong_to_their_test_and_tests_keep_their_order():
    """Of two tests, one has days; the other its totals. Chances have the spread of both."""
    looks = day_rows(10, *DAYS)
    tests = [
        row(**COUNTS, **DECLARED, method="always_valid", test_id="u"),
        row(**COUNTS, **DECLARED, method="always_valid"),
    ]
    found = shop.decide(tests, looks, UNTIL)
    assert [(one.test.test_id, one.test.b.conversions) for one in found] == [("u", 620), ("t", 520)]
    lifts = [log_lift("conversions", *one.test[2:5]) for one in found]
    sd = learned_sd(lift for lift in lifts if lift)
    chances = [lift.chance(sd) if lift else None for lift in lifts]
    assert [one.chance_b_better for one in found] == pytest.approx(chances)
    p = [one.result.p_value or 1.0 for one in found]
    shown = [one.false_discovery for one in found]
    assert shown == pytest.approx([min(2 * p[0], p[1]), p[1]])


def test_money_without_a_log_has_its_own_chance():
    """A loses money, so that there is no ratio: the chance is that of the difference."""
    money = {"variant_a_revenue": -100.0, "variant_b_revenue": 9_000.0}
    squares = {"variant_a_revenue_squares": 9e5, "variant_b_revenue_squares": 9e5}
    test = row(**COUNTS, **DECLARED, **money, **squares, primary_metric="revenue", ended=True,
               method="fixed")  # fmt: skip
    [found] = shop.decide([test], [], UNTIL)
    assert found.result.p_value is not None
    assert found.chance_b_better == found.result.chance_b_better


@pytest.mark.parametrize("given", [{"planned_end_at": START + timedelta(days=20)},
                                   {"planned_looks": 5, "look": 4}])  # fmt: skip
def test_a_decision_with_days_is_repeated_from_its_record(given: dict[str, Any]):
    """The share of the days at each look is part of the record."""
    given = {name: value for name, value in given.items() if name in EMPTY}
    test = row(**DECLARED, **given, guardrails='[{"metric": "conversions", "margin": 0.5}]')
    [found] = shop.decide([test], day_rows(6, *DAYS), date(2026, 5, 6))
    [record] = orjson.loads(orjson.dumps(shop.records([found])))
    assert record["test_id"] == "t"
    assert len(record["looks"]) == 6
    assert "arms" not in record
    again = shop.replay(record)
    assert again == found.result
    assert as_json(again) == record["result"]
    assert again.p_value is not None


def test_the_course_has_a_point_for_each_look():
    """The lift and its range, of tests with days only; an end that is not bounded is empty."""
    looks = day_rows(3, {"visitors": 500, "conversions": 0}, {"visitors": 500, "conversions": 9})
    tests = [
        row(**DECLARED, method="always_valid", test_name="Gift"),
        row(**COUNTS, **DECLARED, method="always_valid", test_id="totals"),
    ]
    points = shop.effect_histories(shop.decide(tests, looks, UNTIL))
    assert [(one["test"], one["day"]) for one in points] == [
        ("Gift", date(2026, 5, day)) for day in (1, 2, 3)
    ]
    assert {(one["lift"], one["lift_high"]) for one in points} == {(None, None)}
    assert points[-1]["lift_low"] == pytest.approx(
        compare(*shop.decide(tests, looks, UNTIL)[0].test[2:6]).ratio_low - 1
    )
    known = day_rows(3, *DAYS)
    *_, last = shop.effect_histories(shop.decide(tests[:1], known, UNTIL))
    assert last["lift"] == pytest.approx(0.04)
    assert -1 < last["lift_low"] < 0.04 < last["lift_high"] < math.inf


ARM = {"test_id": "t", "variant": "c", "visitors": 10_000, "conversions": 660, "share": 1 / 3,
       **dict.fromkeys(("revenue", "revenue_squares", "profit", "profit_squares"))}  # fmt: skip


def test_unreadable_guardrails_leave_several_variants_without_a_result():
    thirds = {"share_b": 1 / 3, "share_declared": True, "method": "fixed", "ended": True}
    test = row(**COUNTS, **thirds)
    [found] = shop.decide([test], [], UNTIL, [ARM])
    assert (found.leading, found.winner, len(found.arms)) == ("c", "c", 2)
    assert found.result.chance_b_better is found.detectable_lift is None
    [record] = orjson.loads(orjson.dumps(shop.records([found])))
    assert shop.replay(record) == found.result
    blocked = shop.decide([test | {"guardrails": "[{}]"}], [], UNTIL, [ARM])[0]
    assert (blocked.result.status, blocked.winner, blocked.arms) == ("invalid_input", None, ())
    two = shop.decide([test | {"guardrails": "[{}]", "share_b": 0.5}], [], UNTIL)[0]
    assert (two.result.status, two.winner) == ("invalid_input", None)
    assert two.result.inputs_hash


def test_days_left_of_several_variants_are_those_to_the_planned_end():
    """The planned visitors are of all variants, and only A's and B's are known by day."""
    test = row(**COUNTS, share_b=1 / 3, share_declared=True, planned_visitors=90_000,
               planned_end_at=datetime(2026, 5, 21))  # fmt: skip
    assert shop.decide([test], [], UNTIL, [ARM])[0].days_left == 10
    two = test | {"share_b": 0.5, "share_declared": False}
    assert shop.decide([two], [], UNTIL)[0].days_left == 35  # 20,000 of 90,000 in ten days
    assert shop.decide([two | {"started_at": None}], [], UNTIL)[0].days_left is None
