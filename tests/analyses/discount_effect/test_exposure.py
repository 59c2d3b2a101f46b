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
    _most_expected,
    _products,
    _rate,
    _rates,
    _runs,
    every_buyer_gets,
    offered,
    totals,
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


@pytest.mark.parametrize(
    ("units", "with_it", "gets"),
    [
        ([11], [11], True),  # ten other units
        ([10], [10], False),
        ([11, 1], [10, 1], True),  # nine of ten
        ([21], [18], False),
        ([12, 12], [12, 9], False),
        ([2] * 10, [2] * 9 + [1], True),
    ],
)
def test_every_buyer_gets_what_nine_of_ten_others_get(units, with_it, gets):
    """Of at least ten units beyond the first of each week."""
    assert every_buyer_gets(_sales([units]), _uses([with_it])) is gets
    more = Uses(np.array([0]), np.array([0]), np.array([99.0]), np.array([1.0]))
    assert every_buyer_gets(_sales([[11]]), more)  # more uses than sales: at most all


@pytest.mark.parametrize(("sold_weeks", "state"), [(19, [OFF, ON]), (18, [UNKNOWN, UNKNOWN])])
def test_often_is_19_of_20_weeks(sold_weeks, state):
    """A product that sells in nearly all weeks shows a week between two of another kind."""
    units = np.full((1, 20), 3)
    units[0, sold_weeks:] = 0
    with_it = np.zeros((1, 20), int)
    with_it[0, 4:8] = 3
    with_it[0, 9:11] = 3
    found = _states(offered(_sales(units), _uses(with_it)), 1, 20)[0]
    assert found[8:10].tolist() == state


@pytest.mark.parametrize(("units", "shows"), [(20, True), (19, False)])
def test_one_unit_a_week_shows_a_week(units, shows):
    """Of the weeks in which it was for sale."""
    sold = np.zeros((2, 24))
    sold[0], sold[1, ::2] = 3, 2.0
    sold[1, 0] -= 24 - 4 - units
    sold[1, 20:] = np.nan
    with_it = np.zeros((2, 24), int)
    with_it[:, 8:15] = np.nan_to_num(sold[:, 8:15])
    found = _states(offered(_sales(sold), _uses(with_it)), 2, 24)[1]
    assert (found == ON).any() == shows
    assert (found[20:] == UNKNOWN).all()


@pytest.mark.parametrize(("stray", "state"), [(2, ON), (1, OFF)])
def test_a_tenth_of_a_week_is_a_stray(stray, state):
    """Of 20 units in the week; a week in which a part is discounted is a mixed one."""
    units = np.full((9, 12), 20)
    with_it = np.zeros((9, 12), int)
    with_it[:, 4:8] = 20
    with_it[0, 6], with_it[0, 1] = stray, stray
    found = _states(offered(_sales(units), _uses(with_it)), 9, 12)[0]
    assert found[1] == (UNKNOWN if stray == 2 else OFF)
    assert found[6] == (ON if stray == 2 else OFF)


def test_rates_are_those_of_counts_of_which_none_is_zero():
    """Poisson counts: rate / (1 - exp(-rate)) is their mean."""
    for rate in (0.3, 2.0, 9.0):
        assert _rate(rate / (1 - np.exp(-rate))) == pytest.approx(rate, rel=1e-3)


@pytest.mark.parametrize(("gap", "is_on"), [(2, True), (3, False)])
def test_a_gap_is_off_from_three_expected_uses(gap, is_on):
    """Uses of 1 and 2 a week: a rate of 0.87, or 1.75 in two weeks and 2.6 in three."""
    mean = 1.2 / (1 - np.exp(-1.2))
    used = np.full(30, mean)
    used[10 : 10 + gap] = 0
    used[:3] = 0
    state = _runs(used[None])[0]
    assert (state[10 : 10 + gap] == (ON if is_on else OFF)).all()
    assert (state[:3] == OFF).all()
    assert (state[3:10] == ON).all()


def test_a_first_or_last_week_below_half_of_the_others_is_incomplete():
    state = _runs(np.array([[0, 4.9, 10, 10, 10, 5.0, 0, 0]]))
    assert state[0].tolist() == [OFF, UNKNOWN, ON, ON, ON, ON, OFF, OFF]
    assert _runs(np.array([[0, 3.0, 9, 0]]))[0].tolist() == [OFF, ON, ON, OFF]  # no week between
    assert _runs(np.zeros((2, 3))).tolist() == [[OFF] * 3] * 2


def test_runs_of_several_rows_are_those_of_each():
    """A use in the last week of a row and one in the first week of the next are two runs."""
    rng = np.random.default_rng(3)
    used = rng.poisson(2, (60, 15)) * (rng.random((60, 15)) < 0.4)
    used[:2] = 1
    together = _runs(used)
    assert together.tolist() == [_runs(row[None])[0].tolist() for row in used]
    assert set(together.ravel()) == {ON, OFF, UNKNOWN}


def test_totals_are_by_product_and_by_week():
    found = totals(_sales([[1, np.nan, 4], [np.nan, np.nan, 0]]))
    assert found.units.tolist() == [5, 0]
    assert found.most.tolist() == [4, 0]
    assert found.unknown.tolist() == [1, 2]
    assert found.by_week.tolist() == [1, 0, 4]
    assert totals(_sales(np.zeros((2, 0)))).most.tolist() == [0, 0]


def _told(units, with_it):
    sales, uses = _sales(units), _uses(with_it)
    weekly = _runs(np.bincount(uses.week, uses.units, sales.units.shape[1])[None])[0]
    return [part.tolist() for part in _products(sales, uses, weekly, totals(sales))]


@pytest.mark.parametrize(
    ("rate", "used", "its", "unclear"),
    [
        (10.0, 3, False, False),  # 10 x 10 weeks x 30% = 30 uses expected, none seen
        (1.0, 3, False, False),  # exactly three
        (0.99, 3, False, True),
        (0.99, 0.1, False, True),  # of 1% of the units: but one that has no use at all
    ],
)
def test_a_product_without_a_use_tells_if_three_were_expected(rate, used, its, unclear):
    """By its sales in the weeks before and after the offer."""
    units = np.full((8, 40), 10.0)
    units[7] = rate
    units[7, 10:20] = 0.5  # does not matter
    with_it = np.zeros((8, 40))
    with_it[:4, 10:20] = used if used >= 1 else 3
    found = _told(units, with_it)
    assert (found[0][7], found[1][7]) == (its, unclear)
    assert found[0][:4] == [True] * 4
    assert found[1][:7] == [False] * 7


@pytest.mark.parametrize(("without", "is_whole"), [(1, True), (2, False)])
def test_a_discount_of_19_of_20_products_is_for_all(without, is_whole):
    units = np.full((21, 40), 10.0)
    units[20] = 0.01
    with_it = np.zeros((21, 40))
    with_it[: 20 - without, 10:20] = 3
    its, unclear = _told(units, with_it)
    assert its == ([True] * 21 if is_whole else [True] * 18 + [False] * 3)
    assert unclear == ([False] * 21 if is_whole else [False] * 20 + [True])


@pytest.mark.parametrize("without", [35, 10, 1])
def test_what_the_largest_products_tell_does_not_depend_on_how_many_are_looked_at(without):
    """They are looked at first only to leave out the others; of 40, none or all give the same."""
    rng = np.random.default_rng(8)
    units = rng.poisson(np.geomspace(0.5, 60, 40)[:, None], (40, 30)).astype(float)
    its = rng.permutation(40) >= without
    with_it = np.where(its[:, None] & (np.abs(np.arange(30) - 14) < 6), units // 2, 0)
    sales, uses = _sales(units), _uses(with_it)
    weekly, whole = _runs(with_it.sum(axis=0)[None])[0], totals(sales)
    found = [
        _products(sales, uses, weekly, whole._replace(largest=whole.largest[:count]))
        for count in (0, 3, 40)
    ]
    assert all(np.array_equal(one, found[0]) for one in found)
    assert found[0][0].all() == (without == 1)


@pytest.mark.parametrize(("used", "unclear"), [(4, False), (5, True)])
def test_a_discount_of_less_than_a_twentieth_blurs_nothing(used, unclear):
    """Of the units of the whole shop while it was on: 4.9% or 5% of 1,000."""
    units = np.full((11, 30), 10.0)
    units[10] = 0.0
    with_it = np.zeros((11, 30))
    with_it[:used, 10:20] = 1
    its, told = _told(units, with_it)
    assert its == [True] * used + [False] * (11 - used)
    assert told[10] == unclear


def test_rates_are_of_weeks_outside_or_of_all():
    units = np.array([[1.0, 5, np.nan, 3], [np.nan, 5, 7, np.nan], [np.nan] * 4])
    inside = np.array([False, True, True, False])
    assert _rates(units, inside).tolist() == [2, 6, 0]


def test_the_bound_on_what_was_expected_holds(code):
    """At least what the product sells in its other weeks, times the weeks on."""
    rng = np.random.default_rng(6)
    units = np.where(rng.random((30, 20)) < 0.2, np.nan, rng.poisson(2, (30, 20)))
    weekly = np.where(np.arange(20) < 8, ON, OFF).astype(np.int8)
    sales = _sales(units)
    bound = _most_expected(totals(sales), weekly)
    expected = _rates(units, weekly != OFF) * np.isfinite(units[:, :8]).sum(axis=1)
    assert (expected <= bound).all()
    most = np.nanmax(units, axis=1) * 8 * (1 + 1e-9)
    assert (bound <= most).all()
    assert (bound < most).any()


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
