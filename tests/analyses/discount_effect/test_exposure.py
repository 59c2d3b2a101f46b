"""When a discount was on offer: by hand, and never by the product's own sales."""

from __future__ import annotations

import numpy as np
import pytest

from d1lab.analyses.discount_effect.exposure import (
    OFF,
    ON,
    UNKNOWN,
    Uses,
    WeeklySales,
    every_buyer_gets,
    offered,
)


def _sales(units):
    units = np.array(units, dtype=float)
    return WeeklySales(units, np.nan_to_num(units) * 10, np.zeros(units.shape))


def _uses(units):
    sku, week = np.nonzero(units)
    sold = np.array(units, dtype=float)[sku, week]
    return Uses(sku, week, sold, sold)


def _states(offer, rows, weeks):
    whole = np.full((rows, weeks), OFF)
    whole[offer.skus] = offer.state
    return whole


def test_a_run_counts_between_its_first_and_last_sale():
    """The weeks of its first and last sale, at either price, are unknown; an empty one counts."""
    units = [[4, 4, 4, 0, 4, 4, 4, 4, 0, 4, 4, 4]]
    with_it = [[0, 0, 0, 0, 0, 4, 4, 4, 0, 4, 0, 0]]
    state = _states(offered(_sales(units), _uses(with_it)), 1, 12)[0]
    expected = [UNKNOWN, OFF, OFF, OFF, UNKNOWN, UNKNOWN, ON, ON, ON, UNKNOWN, UNKNOWN, UNKNOWN]
    assert state.tolist() == expected


def test_a_product_that_always_sells_shows_every_week():
    """Only weeks with both prices are unknown, unless their neighbors are all discounted."""
    units = [[9] * 10]
    with_it = [[0, 0, 0, 5, 9, 0, 9, 9, 9, 9]]
    state = _states(offered(_sales(units), _uses(with_it)), 1, 10)[0]
    assert state.tolist() == [OFF, OFF, OFF, UNKNOWN, ON, OFF, ON, ON, ON, ON]


def test_a_slow_product_shows_nothing():
    """With less than one unit a week, whole offers pass without a sale."""
    units = np.zeros((2, 40))
    units[0], units[1, ::3] = 5, 2
    with_it = np.zeros((2, 40))
    with_it[0, 10:20], with_it[1, 9:20:3] = 5, 2
    state = _states(offered(_sales(units), _uses(with_it)), 2, 40)
    assert set(state[0]) == {ON, OFF}
    assert set(state[1]) <= {UNKNOWN}


def test_every_buyer_gets_leaves_one_use_out():
    """A week has a use because it is looked at; the other units of the week tell."""
    sales = _sales([[2] * 30])
    some, all_of_them = [[1] * 30], [[2] * 30]
    assert not every_buyer_gets(sales, _uses(some))
    assert every_buyer_gets(sales, _uses(all_of_them))
    assert not every_buyer_gets(sales, _uses([[2] * 4]))  # four other units are too few


@pytest.fixture
def code():
    """Twelve products sell 10 a week for 40 weeks; six of them with a code from 10 to 29."""
    units = np.full((12, 40), 10)
    with_it = np.zeros((12, 40), dtype=int)
    with_it[:6, 10:30] = 3
    return units, with_it


def test_a_code_is_on_from_first_to_last_use(code):
    """For the products that use it, whoever takes it; off for those that surely would have."""
    units, with_it = code
    with_it[2, 12:20] = 0  # nobody took it for this product
    state = _states(offered(_sales(units), _uses(with_it)), 12, 40)
    assert (state[:6, 10:30] == ON).all()
    assert (state[:6, :10] == OFF).all()
    assert (state[6:] == OFF).all()


def test_a_gap_in_which_it_would_have_been_used_is_off(code):
    """Two weeks without any of 18 uses a week."""
    units, with_it = code
    with_it[:, 15:17] = 0
    state = _states(offered(_sales(units), _uses(with_it)), 12, 40)
    assert state[0, 8:19].tolist() == [OFF, OFF, *[ON] * 5, OFF, OFF, ON, ON]


def test_a_gap_of_a_rare_code_is_on():
    """One use in four weeks: three weeks without one mean nothing."""
    units, with_it = np.full((12, 40), 40), np.zeros((12, 40), dtype=int)
    with_it[[0, 1, 2, 3, 0, 1, 2], range(8, 36, 4)] = 1
    state = _states(offered(_sales(units), _uses(with_it)), 12, 40)
    assert (state[0, 13:32] != OFF).all()


def test_a_products_own_uses_do_not_decide_its_weeks(code):
    """Where only it extends the offer, its own weeks are unknown, those of the others are on."""
    units, with_it = code
    with_it[0, 30:34] = 9
    state = _states(offered(_sales(units), _uses(with_it)), 12, 40)
    assert (state[0, 31:34] == UNKNOWN).all()
    assert (state[1, 31:33] == ON).all()
    alone = np.zeros((12, 40), dtype=int)
    alone[0, 10:30] = 3
    state = _states(offered(_sales(units), _uses(alone)), 12, 40)
    assert state[0, 9:12].tolist() == [OFF, UNKNOWN, ON]
    assert state[0, 28:31].tolist() == [ON, UNKNOWN, OFF]


def test_products_too_slow_to_tell_are_unknown_while_it_is_on(code):
    """One unit in 40 weeks, with or without a use; a slight discount does not blur them."""
    units, with_it = code
    slow = np.zeros((2, 40), dtype=int)
    slow[0, 5], slow[1, 12] = 1, 1
    used = np.zeros((2, 40), dtype=int)
    used[1, 12] = 1
    sales, uses = _sales(np.vstack([units, slow])), _uses(np.vstack([with_it, used]))
    state = _states(offered(sales, uses), 14, 40)
    assert (state[12:, 10:30] == UNKNOWN).all()
    assert (state[12:, :10] == OFF).all()


def test_a_code_of_the_whole_shop_is_on_for_all(code):
    """Where nearly all products that would tell have a use, the others have it, too."""
    units, with_it = code
    with_it[6:, 10:30] = 3
    slow = np.zeros((1, 40), dtype=int)
    slow[0, 5] = 1
    sales, uses = _sales(np.vstack([units, slow])), _uses(np.vstack([with_it, 0 * slow]))
    state = _states(offered(sales, uses), 13, 40)
    assert (state[:, 10:30] == ON).all()
