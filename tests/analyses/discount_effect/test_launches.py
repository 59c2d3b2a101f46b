"""Starts of promotions, and what changed for their products, in shops of known truth."""

from __future__ import annotations

import numpy as np

from d1lab.analyses.discount_effect.exposure import OFF, ON, OfferedWeeks
from d1lab.analyses.discount_effect.launches import REASONS, launch_of, launches
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


def test_products_that_are_never_on_offer_begin_nothing():
    """Five of eight products of a discount begin in week 6; the others never show it."""
    state = np.full((8, 20), OFF)
    state[:5, 6:10] = ON
    launch = launch_of(OfferedWeeks(np.arange(8), state, True))
    assert launch is not None
    assert (launch.start, launch.end, launch.rows.tolist()) == (6, 10, [0, 1, 2, 3, 4])
    state[3:5] = OFF
    assert launch_of(OfferedWeeks(np.arange(8), state, True)) is None  # three of eight


def test_a_shop_without_discounts_has_no_launch():
    """No rows, with all columns."""
    units = np.full((12, 30), 3)
    found = estimate(frame(units, np.zeros_like(units)))
    table = launches(found.history, found.price)
    assert len(table) == 0
    assert "did_lift" in table
