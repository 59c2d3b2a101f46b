"""Actions of A/B tests: what acting changes, by the traffic that it concerns."""

from __future__ import annotations

from datetime import date, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from d1lab.analyses.ab_tests.actions import declared
from d1lab.analyses.ab_tests.effects import Effect
from d1lab.display.actions import Action
from d1lab.display.table import TableColumn
from d1lab.pages.table_layout import Anchors

UNTIL = date(2026, 5, 30)
START, END = datetime(2026, 5, 11, 9), datetime(2026, 5, 20, 12)
LOSS = Effect("profit", difference=-0.5, difference_low=-0.8, difference_high=-0.2, p_value=0.01)
GAIN = Effect("profit", difference=0.5, difference_low=-0.1, difference_high=1.1, p_value=0.2)


def acts(winner: str | None, *effects: Effect, **given: Any) -> list[dict[str, Any]]:
    """The actions for one test over 20 days with 2,000 visitors of A and 1,000 of B."""
    visitors = given.get("visitors", (2_000, 1_000))
    ended, name = given.get("ended", False), given.get("name", "Gift")
    a, b = (SimpleNamespace(visitors=count) for count in visitors)
    test = SimpleNamespace(test_id="Test 1", name=name, a=a, b=b, plan=SimpleNamespace(ended=ended))
    status = given.get("status", "decided")
    result = SimpleNamespace(status=status, winner=winner, ended=ended, effects=effects)
    rows = [{"started_at": given.get("start", START), "ended_at": END if ended else None}]
    decision: Any = SimpleNamespace(test=test, result=result, arms=(), leading="b")
    return list(declared([decision], rows, UNTIL))


def test_stopping_saves_what_b_loses_on_its_own_visitors():
    """1,000 visitors of B in 20 days are 1,500 in 30, each with 0.50 less profit."""
    [one] = acts("a", LOSS)
    assert (one["verb"], one["key"], one["meaning"]) == ("Stop", "stop-test-1", "lost")
    assert (one["amount"], one["low"], one["high"]) == pytest.approx((750, 300, 1200))
    assert one["basis"] == "tested"
    assert "less profit" in one["reason"]


def test_taking_b_while_the_test_runs_gains_on_as_visitors():
    [one] = acts("b", GAIN)
    assert (one["verb"], one["amount"]) == ("Take B", pytest.approx(1500))
    assert (one["low"], one["high"]) == pytest.approx((-300, 3300))
    assert "not proven" in one["reason"]


def test_taking_b_after_the_end_gains_on_all_visitors_of_the_days_that_it_ran():
    """3,000 visitors in 10 days."""
    [one] = acts("b", GAIN, ended=True)
    assert one["amount"] == pytest.approx(4500)


def test_an_ended_test_that_a_won_needs_no_action():
    assert acts("a", LOSS, ended=True) == []
    assert acts("none", LOSS) == acts(None, LOSS, status="running") == []


def test_a_broken_split_is_repeated():
    [one] = acts(None, status="sample_ratio_mismatch")
    assert (one["verb"], one["basis"]) == ("Repeat", "counted")
    assert "amount" not in one


@pytest.mark.parametrize(
    "given",
    [
        {"effects": ()},
        {"effects": (GAIN._replace(p_value=None),)},
        {"effects": (GAIN,), "visitors": (None, None)},
        {"effects": (GAIN,), "start": None},
        {"effects": (LOSS,)},  # the declared metric won, and profit points the other way
    ],
)
def test_an_unknown_amount_is_not_invented(given):
    [one] = acts("b", *given.pop("effects"), **given)
    assert one["amount"] is None


def test_an_unbounded_interval_is_no_range():
    [one] = acts("b", GAIN._replace(difference_high=float("inf")))
    assert one["amount"] == pytest.approx(1500)
    assert "low" not in one


def test_declared_fields_make_an_action():
    [one] = acts("a", LOSS)
    assert Action.of_fields(**one).sentence == "Stop the test “Gift”"


@pytest.mark.parametrize("name", ["Gift", "10% off, from 3", "Banner (round 2)", "Über-Test!"])
def test_the_link_leads_to_the_row_of_the_test(name):
    """The anchor is that which the page gives to the row."""
    [one] = acts("a", LOSS, name=name)
    assert one["link"] == Anchors().of(TableColumn("test", "Test"), name)
