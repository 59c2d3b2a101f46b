"""Starts of promotions, and what changed for their products, in shops of known truth."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from d1lab.analyses.discount_effect import launches as launches_module
from d1lab.analyses.discount_effect.exposure import OFF, ON, UNKNOWN, OfferedWeeks
from d1lab.analyses.discount_effect.launches import REASONS, Launch, launch_of, launches
from d1lab.analyses.discount_effect.pooling import estimate
from validation.simulate_discounts import demand, frame


def test_a_promotion_of_one_start_is_compared_with_its_past():
    """30 of 200 products at 60% more units for six weeks, from week 40 of 52 on."""
    random = np.random.default_rng(4)
    on = np.zeros((200, 52), dtype=bool)
    on[:30, 40:46] = True
    units = demand(on, 4, 0.6, random)
    found = estimate(frame(units, np.where(on, units, 0)))
    [row] = launches(found.history, found.price).to_dict("records")
    assert row["discount_id"] == "promo"
    assert 9 <= row["weeks_ago"] <= 11  # the first week may be left out
    start = 51 - row["weeks_ago"]
    launch = launch_of(found.history.offers[0])
    assert launch.start == start
    assert 10 <= row["treated"] <= 30
    assert row["controls"] > 100
    assert row["did_lift_low"] < 0.6 < row["did_lift_high"]
    assert row["did_lift_low"] > 0
    assert row["did_why"] is None


def test_a_discount_without_one_start_has_a_reason():
    """Products that begin in different weeks are not one launch."""
    random = np.random.default_rng(3)
    on = np.zeros((80, 52), dtype=bool)
    for row in range(40):
        on[row, 8 + row : 12 + row] = True
    units = demand(on, 6, 0.5, random)
    found = estimate(frame(units, np.where(on, units, 0)))
    [row] = launches(found.history, found.price).to_dict("records")
    assert (row["did_lift"], row["did_why"]) == (None, REASONS["no_start"])
    assert (row["weeks_ago"], row["treated"], row["controls"]) == (None, 0, 0)
    assert (row["did_lift_low"], row["did_lift_high"]) == (None, None)


def test_products_that_are_never_on_offer_begin_nothing():
    """Five of eight products of a discount begin in week 6; the others never show it."""
    state = np.full((8, 20), OFF)
    state[:5, 6:10] = ON
    launch = launch_of(OfferedWeeks(np.arange(8), state, True))
    assert launch is not None
    assert (launch.start, launch.end, launch.rows.tolist()) == (6, 10, [0, 1, 2, 3, 4])
    state[3:5] = OFF
    assert launch_of(OfferedWeeks(np.arange(8), state, True)) is None  # three of eight


@pytest.mark.parametrize(
    ("first", "begun", "last", "expected"),
    [
        ([6] * 4 + [8] * 4, 4, 10, (6, 6, 10)),  # half of them, in the earlier week
        ([6] * 4 + [8] * 5, 5, 10, (8, 8, 10)),
        ([6] * 4 + [7, 8, 9, 10, 11], 4, 12, None),  # fewer than half in any week
        ([0] * 8, 8, 9, None),  # before the history
        ([6] * 8, 8, 16, (6, 6, 14)),  # eight weeks count
        ([6] * 8, 8, 7, (6, 6, 7)),
        ([30] * 8, 8, 34, (30, 30, 34)),
    ],
)
def test_a_launch_is_the_week_of_most_products(first, begun, last, expected):
    """At most 26 weeks before it and 8 after it count."""
    state = np.full((len(first), 40), OFF)
    for row, week in enumerate(first):
        state[row, week:last] = ON
    launch = launch_of(OfferedWeeks(10 * np.arange(len(first)), state, True))
    if expected is None:
        assert launch is None
        return
    assert launch is not None
    assert (launch.start, launch.gap, launch.end) == expected
    assert launch.before == max(expected[0] - 26, 0)
    kept = [10 * row for row, week in enumerate(first) if week <= launch.start]
    assert launch.rows.tolist() == kept
    assert launch_of(OfferedWeeks(np.arange(4), np.full((4, 9), OFF), True)) is None


def test_weeks_in_which_it_may_have_begun_are_left_out():
    """Unknown for most products in two weeks before; and products that may be on count."""
    state = np.full((8, 20), OFF)
    state[:6, 8:12], state[6, 8:12] = ON, UNKNOWN
    state[:5, 6:8], state[0, 5] = UNKNOWN, UNKNOWN
    launch = launch_of(OfferedWeeks(np.arange(8), state, True))
    assert (launch.gap, launch.start, launch.end, launch.before) == (6, 8, 12, 0)
    assert launch.rows.tolist() == [0, 1, 2, 3, 4, 5, 6]
    state[:6, 10:12] = np.where(np.arange(6)[:, None] < 4, OFF, ON)  # most of them end earlier
    launch = launch_of(OfferedWeeks(np.arange(8), state, True))
    assert launch.end == 10
    state[4, 6:8] = OFF
    assert launch_of(OfferedWeeks(np.arange(8), state, True)).gap == 6  # four of seven
    state[3, 6:8] = OFF
    assert launch_of(OfferedWeeks(np.arange(8), state, True)).gap == 8


def test_controls_have_no_offer_and_all_sold_enough_before(monkeypatch):
    """Three expected sales since the start; weeks of the gap are left out."""
    units, price = np.full((6, 12), 1.0), np.zeros((6, 12))
    units[1], units[4] = 0.99, 0.99  # 2.97 expected in three weeks
    units[5, 2] = np.nan  # counts as a week without a sale
    price[3, 1], price[2, 6], price[2, 11] = -0.1, -0.1, -0.1  # in the gap, and after the end
    price[0] = -0.2
    seen = []
    monkeypatch.setattr(
        launches_module, "before_after", lambda *given: seen.append(given) or "found"
    )
    found = SimpleNamespace(sales=SimpleNamespace(units=units))
    launch = Launch(np.array([0, 1]), 1, 6, 8, 11)
    assert launches_module.effect_of(found, price, launch) == "found"
    counts, treated, start = seen[0]
    assert (treated.tolist(), start) == ([True, False], 5)
    assert counts.tolist() == units[[0, 2]][:, [1, 2, 3, 4, 5, 8, 9, 10]].tolist()
    launches_module.effect_of(found, price, Launch(np.array([0]), 0, 0, 2, 11))
    assert len(seen[1][0]) == 0  # no past to tell who sells


def test_a_shop_without_discounts_has_no_launch():
    """No rows, with all columns."""
    units = np.full((12, 30), 3)
    found = estimate(frame(units, np.zeros_like(units)))
    table = launches(found.history, found.price)
    assert len(table) == 0
    assert "did_lift" in table
