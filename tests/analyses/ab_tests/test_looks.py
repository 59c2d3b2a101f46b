"""Looks that are not known: totals without days, which a report reads each day all the same."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from d1lab.analyses.ab_tests import shop
from d1lab.analyses.ab_tests.looks import AWAITS_END, timeline
from d1lab.analyses.ab_tests.model import AbPlan, Look, Variant
from d1lab.analyses.ab_tests.rows import known_rows, read_test
from d1lab.analyses.ab_tests.sentences import sentence
from tests.analyses.ab_tests.test_ab_tests import START, row

TOTALS = {
    "share_b": 0.5,
    "share_declared": True,
    "planned_end_at": START + timedelta(days=28),
    "variant_a_visitors": 10_000,
    "variant_b_visitors": 10_000,
    "variant_a_conversions": 500,
    "variant_b_conversions": 640,
}


def day(count: int) -> date:
    """Return a day of the test, from 1."""
    return START.date() + timedelta(days=count - 1)


def test_daily_reports_of_totals_keep_the_error_rate():
    """Crossing a bound on any of 28 days: 7.3% if each report took its look for the first."""
    plans = [read_test(known_rows([row(**TOTALS)])[0], [], day(n)).plan for n in range(1, 29)]
    look = [Look(Variant(), Variant(), plan.elapsed) for plan in plans]
    lines = [timeline([one], plan) for one, plan in zip(look, plans, strict=True)]
    critical = np.array([float(line.critical[-1]) for line in lines if line])
    times = np.arange(1, 29) / 28
    steps = np.random.default_rng(1).normal(size=(40_000, 28))
    z = np.cumsum(steps, axis=1) / np.sqrt(np.arange(1, 29))
    assert [plan.elapsed for plan in plans] == pytest.approx(times)
    assert 0.045 < (np.abs(z) >= critical).any(axis=1).mean() < 0.057


def test_totals_of_a_test_that_runs_on_are_not_read():
    """From its planned end on they grow each day: it is read once, when its end is stored."""
    [due] = shop.decide([row(**TOTALS)], [], day(28))
    assert (due.result.status, due.result.p_value) == ("running", None)
    assert due.result.reason == AWAITS_END
    assert sentence(due.result).startswith("Its planned end is reached")
    [before] = shop.decide([row(**TOTALS)], [], day(27))
    assert (before.result.status, before.winner) == ("decided", "b")
    ended = row(**TOTALS, ended_at=START + timedelta(days=35), ended=True)
    for until in (40, 80):
        [read] = shop.decide([ended], [], day(until))
        assert (read.result.status, read.winner, read.result.look) == ("decided", "b", 9)


@pytest.mark.parametrize("size", [19_000, 20_000])
def test_planned_visitors_are_an_end_too(size: int):
    """The same for a test with a planned size; an always-valid one has no end."""
    given = TOTALS | {"planned_end_at": None, "planned_visitors": size}
    [due] = shop.decide([row(**given)], [], day(20))
    assert due.result.reason == AWAITS_END
    [ended] = shop.decide([row(**given, ended=True)], [], day(20))
    assert (ended.result.status, ended.winner) == ("decided", "b")
    [watched] = shop.decide([row(**given, method="always_valid")], [], day(20))
    assert watched.winner == "b"


def test_a_decision_by_totals_is_repeated_from_its_record():
    """The record tells that only totals were known."""
    [due] = shop.decide([row(**TOTALS)], [], day(28))
    [record] = shop.records([due])
    assert shop.replay(record) == due.result
    assert AbPlan(**{**record["plan"], "guardrails": ()}).totals_only
