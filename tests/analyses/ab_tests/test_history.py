"""The course of an effect: at each look, what a report of that day said."""

from __future__ import annotations

import math
from typing import Any

import pytest

from d1lab.analyses.ab_tests.decision import compare
from d1lab.analyses.ab_tests.history import effect_history
from d1lab.analyses.ab_tests.model import AbPlan, Look, Variant

HALF = AbPlan(share_b=0.5, share_declared=True, ended=False, planned_visitors=40_000)
UNEVEN = AbPlan(method="always_valid", share_b=0.4, share_declared=True, ended=False)
RATES = [(2_000, 100, 106), (4_000, 205, 200), (7_000, 349, 370)]
COUNTS = [(None, 100, 70), (None, 205, 130), (None, 349, 240)]


def looks(rows: list[tuple[int | None, int, int]]) -> list[Look]:
    """Looks with orders of 40 each, and 2,000 squared."""
    return [
        Look(*(Variant(n, x, 40.0 * x, 2_000.0 * x) for x in both)) for n, *both in rows
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "plan"),
    [
        (RATES, HALF._replace(method="group_sequential")),
        (RATES, HALF._replace(method="always_valid")),
        (RATES, HALF._replace(method="group_sequential", primary_metric="revenue")),
        (RATES, HALF._replace(method="always_valid", primary_metric="revenue")),
        (COUNTS, UNEVEN),
    ],
)
def test_each_point_is_the_result_of_its_look(rows, plan):
    """Without a decision so far, the interval of all looks up to it, and its own estimate."""
    seen = looks(rows)
    found = effect_history(*seen[-1][:2], plan, seen[:-1])
    assert [point.look for point in found] == [0, 1, 2]
    for point in found:
        then = compare(*seen[point.look][:2], plan, seen[: point.look])
        assert (then.p_value or 0) > 0.05
        assert point[1:] == pytest.approx((then.ratio, then.ratio_low, then.ratio_high))


def test_a_look_without_a_result_has_no_point():
    """Money waits for 25 conversions of each variant; a ratio to nothing is not known."""
    few, *rest = looks([(500, 24, 30), *RATES])
    plan = HALF._replace(method="always_valid", primary_metric="revenue")
    assert [p.look for p in effect_history(*rest[-1][:2], plan, [few, *rest[:-1]])] == [1, 2, 3]
    none, *rest = looks([(None, 0, 3), *COUNTS])
    first, *_ = effect_history(*rest[-1][:2], UNEVEN, [none, *rest[:-1]])
    assert (first.look, first.ratio, first.ratio_high) == (0, None, math.inf)


@pytest.mark.parametrize(
    "plan",
    [
        HALF,  # read once
        HALF._replace(method="always_valid", alpha=0.0),
        HALF._replace(method="group_sequential", planned_visitors=None),
        HALF._replace(method="always_valid", primary_metric="profit"),
        HALF._replace(method="group_sequential", planned_visitors=None, planned_looks=5, look=1),
    ],
)
def test_without_a_result_there_is_no_course(plan: AbPlan):
    a, b = Variant(900, 40), Variant(900, 45)
    shown = effect_history(a, b, plan)
    assert (shown == []) is (plan.look is None)
    wrong: Any = a._replace(conversions=901)
    assert effect_history(wrong, b, plan) == []
    waits = plan._replace(method="group_sequential", planned_visitors=90_000, planned_looks=2)
    assert effect_history(a, b, waits) == []


def test_points_of_planned_looks_keep_their_place_among_all_days():
    """Two looks of the plan in six days: the third and the last."""
    rows = [(n, n // 20, n // 19) for n in (2_000, 5_000, 10_000, 11_000, 16_000, 20_000)]
    plan = HALF._replace(method="group_sequential", planned_looks=2)
    *earlier, last = looks(rows)
    assert [p.look for p in effect_history(*last[:2], plan, earlier)] == [2, 5]
