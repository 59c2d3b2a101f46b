"""Advice on a test: what its profit, its winner, and its state allow to say."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from d1lab.analyses.ab_tests.advice import Verb, advised
from d1lab.analyses.ab_tests.effects import Effect
from d1lab.analyses.ab_tests.model import Variant
from d1lab.analyses.ab_tests.report import verdict
from tests.support.ab_advice import GAIN, LOSS, OPEN, UNTIL, advice


@pytest.mark.parametrize(
    ("winner", "effects", "given", "verb", "said"),
    [
        ("a", [LOSS], {"metric": "profit"}, "Stop", "less profit"),
        ("a", [LOSS], {"metric": "profit", "ended": True}, "Keep A", "less profit"),
        (None, [LOSS], {"status": "running"}, "Stop", "less profit"),
        ("b", [GAIN], {}, "Take B", "more profit"),
        ("b", [], {}, "Take B", "unit costs or visitors are missing"),
        ("b", [OPEN._replace(p_value=None)], {}, "Take B", "not known"),
        ("b", [OPEN], {}, "Wait", "More orders; profit not proven. Let it run."),
        ("b", [OPEN], {"ended": True}, "Wait", "A longer test could prove it."),
        (None, [], {"status": "running", "left": 3}, "Wait", "3 days of its plan left"),
        (None, [], {"status": "running", "p_value": None}, "Wait", "Read once, at its end."),
        ("none", [OPEN], {"status": "no_decision", "ended": True}, "Keep A", "No proof"),
        (
            "none",
            [GAIN],
            {"status": "no_decision", "ended": True},
            "Keep A",
            "its own measure, orders",
        ),
        (None, [GAIN], {"status": "running", "left": 3}, "Wait", "shows no proof; 3"),
        ("none", [], {"status": "guardrail_failed"}, "Wait", "could get worse"),
        (None, [], {"status": "sample_ratio_mismatch"}, "Repeat", "not split as planned"),
        (None, [], {"status": "not_declared"}, "Repeat", "not counted"),
        (None, [], {"status": "not_declared", "ended": True}, "Keep A", "not counted"),
        (None, [], {"status": "insufficient_data"}, "Wait", "Not enough data"),
        (None, [], {"status": "invalid_input"}, "Wait", "contradict"),
    ],
)
def test_advice_follows_profit_then_winner_then_state(
    winner: Any, effects: list[Effect], given: dict[str, Any], verb: Verb, said: str
):
    one = advice(winner, *effects, **given)
    assert one.verb == verb
    assert said in one.reason
    assert len(one.reason) <= 85


def test_a_headline_does_not_deny_a_proven_profit():
    gains = advice("none", GAIN, status="no_decision", ended=True)
    assert verdict([gains], "USD")[0] == "The test is not clear enough to take B. Keep A: 1."
    other = advice("none", OPEN, status="no_decision", ended=True, test_id="Test 2")
    assert verdict([gains, other], "USD")[0].startswith("None of 2 tests is clear enough")
    assert verdict([other], "USD")[0].startswith("The test does not show that B earns more.")


def test_a_test_without_start_visitors_and_orders_is_planned():
    one = advice(None, status="insufficient_data", visitors=(None, None), start=None)
    assert one.verb == "Wait"  # its orders are counted
    planned = one.decision._replace(test=one.decision.test._replace(a=Variant(), b=Variant()))
    [found] = advised([planned], [{"started_at": None, "ended_at": None}], UNTIL)
    assert (found.verb, found.is_running, found.days) == ("Planned", False, 0)


def test_stopping_saves_what_b_loses_on_its_own_visitors():
    """1,000 visitors of B in 20 days are 1,500 in 30, each with 0.50 less profit."""
    one = advice("a", LOSS)
    assert one.change == pytest.approx((750, 300, 1200))
    assert one.month == pytest.approx((-2250, -3600, -900))


def test_taking_b_while_the_test_runs_gains_on_as_visitors():
    assert advice("b", GAIN).change == pytest.approx((1500, 600, 2400))


def test_an_end_at_midnight_is_the_end_of_the_day_before():
    """3,000 visitors in 10 days, all of whom see B from then on."""
    one = advice("b", GAIN, ended=True)
    assert (one.days, one.last_day) == (10, date(2026, 5, 20))
    assert one.change == one.month == pytest.approx((4500, 1800, 7200))


@pytest.mark.parametrize(
    "given",
    [
        {"effects": ()},
        {"effects": (OPEN._replace(p_value=None),)},
        {"effects": (GAIN,), "visitors": (None, None)},
        {"effects": (GAIN,), "start": None},
    ],
)
def test_an_unknown_amount_is_not_invented(given):
    one = advice("b", *given.pop("effects"), **given)
    assert one.month is None
    assert one.change is None


def test_an_unbounded_interval_is_no_range():
    assert advice("b", GAIN._replace(difference_high=float("inf"))).month == pytest.approx(
        (2250, 900, None)
    )
