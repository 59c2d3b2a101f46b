"""Looks that count, and those that are not known: totals, which a report reads each day."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pytest

from d1lab.analyses.ab_tests import shop
from d1lab.analyses.ab_tests.looks import (
    AWAITS_END,
    READ_ONCE,
    early_end,
    not_read_yet,
    planned_shares,
    spent,
    timeline,
)
from d1lab.analyses.ab_tests.model import AbPlan, Look, Variant
from d1lab.analyses.ab_tests.rows import known_rows, read_test
from d1lab.analyses.ab_tests.sentences import sentence
from d1lab.stats import sequential
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


SEQUENTIAL = AbPlan(method="group_sequential", ended=False)
FIXED = AbPlan(ended=False)
NEARLY, TOO_EARLY = 1 - 5e-10, 1 - 2e-9  # of what is due


def at(*shares: float | None) -> list[Look]:
    return [Look(Variant(), Variant(), share) for share in shares]


@pytest.mark.parametrize(
    ("plan", "shares", "kept", "is_finished"),
    [
        (FIXED, [0.2, 0.6], [1], False),
        (FIXED._replace(ended=True), [0.2, 0.6], [1], True),
        (FIXED, [0.5, 1.0, 1.4], [1], True),
        (FIXED, [0.5, NEARLY, 1.4], [1], True),
        (FIXED, [0.5, TOO_EARLY], [1], False),
        (FIXED._replace(totals_only=True), [1.2], [0], False),
        (FIXED._replace(totals_only=True, ended=True), [1.2], [0], True),
        (SEQUENTIAL, [0.3, 0.6, 1.0, 1.2], [0, 1, 2], True),
        (SEQUENTIAL, [0.3, 0.6], [0, 1], False),
        (SEQUENTIAL._replace(planned_looks=2), [0.2, 0.5, 0.7, 1.0, 1.1], [1, 3], True),
        (SEQUENTIAL._replace(planned_looks=2), [0.5 * NEARLY, 0.7], [0], False),
        (SEQUENTIAL._replace(planned_looks=2), [0.5 * TOO_EARLY, 0.7], [1], False),
        (SEQUENTIAL._replace(planned_looks=4), [0.6, 0.7], [0], False),  # two in one
        (SEQUENTIAL._replace(planned_looks=4), [0.2], None, False),
        (SEQUENTIAL._replace(planned_looks=4, ended=True), [0.1, 0.2], [1], True),
        (SEQUENTIAL._replace(planned_looks=4, ended=True), [0.3, 0.4], [0, 1], True),
        (AbPlan(method="always_valid", ended=False), [0.2, 1.0, 1.4], [0, 1, 2], True),
    ],
)
def test_looks_count_up_to_the_end_of_the_plan(plan, shares, kept, is_finished):
    """Of planned looks, the first at or after each; a test that ended is read once more."""
    line = timeline(at(*shares), plan)
    assert (line and list(line.history)) == kept
    if line:
        reached = shares[line.history[-1]]
        assert line.finished is is_finished
        assert line.share_of_plan == pytest.approx(reached)
        assert line.is_due is not line.is_cut_short
        assert line.is_due is (reached >= NEARLY)
        assert len(line.days) == line.history[-1] + 1


def counted(*visitors: int, elapsed: float | None = None) -> list[Look]:
    return [Look(Variant(n, 1), Variant(n, 1), elapsed) for n in visitors]


@pytest.mark.parametrize(
    ("looks", "plan", "shares"),
    [
        (counted(100, 150), AbPlan(planned_visitors=400), [0.5, 0.75]),
        (counted(100, elapsed=0.9), AbPlan(planned_visitors=400), [0.5]),
        (counted(100, elapsed=0.9), AbPlan(), [0.9]),
        ([*at(0.2), *counted(100, elapsed=0.9)], AbPlan(planned_visitors=400), [0.2, 0.9]),
        (at(None, 0.9), AbPlan(planned_looks=4), [0.25, 0.5]),
        (at(None, None), AbPlan(planned_looks=5, look=4), [0.6, 0.8]),
        (at(None, None), AbPlan(), [math.nan, math.nan]),
        ([Look(Variant(), Variant(100))], AbPlan(planned_visitors=400), [0.25]),
        ([Look(Variant(100), Variant())], AbPlan(planned_visitors=400), [0.25]),
    ],
)
def test_the_share_of_the_plan_is_of_visitors_then_days_then_looks(looks, plan, shares):
    assert planned_shares(looks, plan) == pytest.approx(shares, nan_ok=True)


@pytest.mark.parametrize(
    ("looks", "plan", "times"),
    [
        (at(None), SEQUENTIAL._replace(planned_looks=5, look=3), [0.2, 0.4, 0.6]),
        (at(None, None), SEQUENTIAL._replace(planned_looks=5, look=3), [0.2, 0.4, 0.6]),
        (at(None, None), SEQUENTIAL._replace(planned_looks=5), [0.2, 0.4]),
        (at(1.5), SEQUENTIAL._replace(look=3), [1 / 3, 2 / 3, 1.5]),
        (at(0.6), SEQUENTIAL._replace(totals_only=True), [0.45, 0.51875, 0.5875, 0.6]),
        (at(0.51875), SEQUENTIAL._replace(totals_only=True), [0.45, 0.51875]),
        (at(0.45), SEQUENTIAL._replace(totals_only=True), [0.45]),
        (at(0.6), FIXED._replace(totals_only=True, look=3), [0.6]),
    ],
)
def test_earlier_looks_that_are_not_known_are_evenly_spaced(looks, plan, times):
    """They have a place before those that are known, and alpha is spent on them."""
    line = timeline(looks, plan)
    assert line is not None
    assert line.times == pytest.approx(times)
    assert line.information == pytest.approx(times)
    assert list(line.places) == list(range(len(times)))[-len(looks) :]
    assert line.critical == pytest.approx(sequential.bounds(times)[-len(looks) :])


def test_information_is_visitors_if_all_looks_have_them():
    """150 of 250 visitors at the first look, at a fifth of the days; else the share of the plan."""
    plan = SEQUENTIAL
    looks = [*counted(150, elapsed=0.2), *counted(250, elapsed=0.5)]
    line = timeline(looks, plan)
    assert line is not None
    assert line.information == pytest.approx([0.6, 1.0])
    assert line.critical == pytest.approx(sequential.bounds([0.2, 0.5], 0.05, [0.6, 1.0]))
    for other in (Variant(), Variant(0, 0)):
        line = timeline([Look(other, other, 0.2), looks[1]], plan)
        assert line is not None
        assert line.information == pytest.approx([0.2, 0.5])
    alone = timeline(counted(100, elapsed=0.6), plan._replace(totals_only=True))
    assert alone is not None
    assert alone.information == pytest.approx(alone.times)  # some looks are not known
    part = line.only([1])
    assert (part.b, list(part.history), list(part.places)) == ([looks[1].b], [1], [1])
    assert part.critical == pytest.approx(line.critical[1:])
    assert len(part.times) == 2


@pytest.mark.parametrize(
    ("plan", "share", "unread", "spent_", "critical"),
    [
        (FIXED, 0.5, READ_ONCE, 0.5, 2.9626),
        (FIXED, 1.0, None, 1.0, 1.9600),
        (FIXED._replace(ended=True), 0.5, None, 0.5, 2.9626),
        (FIXED._replace(totals_only=True), 1.0, AWAITS_END, 1.0, 1.9600),
        (FIXED._replace(totals_only=True), 0.5, READ_ONCE, 0.5, 2.9626),
        (SEQUENTIAL, 0.5, None, 0.5, 2.9626),
        (SEQUENTIAL._replace(totals_only=True), 1.0, AWAITS_END, 1.0, None),
        (SEQUENTIAL._replace(totals_only=True, ended=True), 1.0, None, 1.0, None),
        (AbPlan(method="always_valid", ended=False, totals_only=True), 1.0, None, None, math.nan),
    ],
)
def test_a_test_is_read_at_its_end_unless_it_has_interim_looks(
    plan, share, unread, spent_, critical
):
    """Alpha is that of the share of the plan: one look at half of it spends .0031."""
    line = timeline(at(share), plan)
    assert line is not None
    assert not_read_yet(line, plan) == unread
    expected = spent_ and pytest.approx(float(sequential.spent_alpha(spent_)))
    assert spent(line, plan) == expected
    if critical:
        assert line.critical == pytest.approx([critical], abs=1e-4, nan_ok=True)
    told = early_end(line, plan)
    assert told == (
        " after 50% of the plan, adjusted for the early end"
        if plan.method == "fixed" and share == 0.5
        else ""
    )


def test_without_a_plan_nothing_is_early_or_due():
    line = timeline(at(None), AbPlan())
    assert line is not None
    assert (line.is_due, line.is_cut_short, line.finished) == (False, False, True)
    assert spent(line, AbPlan(alpha=0.01)) == 0.01
    assert line.critical == pytest.approx([1.9600], abs=1e-4)
