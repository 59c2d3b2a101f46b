"""Where a price stands, and when it calls for an answer; by hand and against a plain loop."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d1lab.analyses.competitor_prices.position import (
    REASONS,
    Answer,
    Market,
    Position,
    Rule,
    answer,
    position,
)
from d1lab.errors import InputError

MUG = Market(10, [8, 12], cost=5, stock=40, cover_days=30)


def test_position_by_hand():
    """Four competitors: two cheaper, one equal, one dearer."""
    assert position(10, [8, 9, 10, 12]) == Position(4, 8, 9.5, 10 / 9.5, 3, 0.2)
    assert position(10, [12.5]) == Position(1, 12.5, 12.5, 0.8, 1, -0.25)
    assert position(10, []) == Position(0, None, None, None, None, None)


@pytest.mark.parametrize(("own", "prices"), [(0, [1]), (-1, []), (1, [1, 0]), (float("nan"), [1])])
def test_position_refuses_no_price(own, prices):
    """Nothing divides by a price of 0."""
    with pytest.raises(InputError, match="above 0"):
        position(own, prices)


def test_answer_matches_only_with_margin_and_stock():
    """Each gate by itself closes the alert, and says so."""
    cases = {
        "undercut": MUG,
        "no_cost": MUG._replace(cost=None),
        "below_floor": MUG._replace(cost=6.5),
        "no_stock": MUG._replace(stock=0),
        "short_cover": MUG._replace(cover_days=13),
        "in_line": MUG._replace(prices=[9.6, 12]),
    }
    for reason, market in cases.items():
        told = answer(market, Rule())
        assert (told.action, told.reason) == ("match" if market is MUG else None, reason)


def test_answer_at_the_gates_themselves():
    """Exactly the threshold, the floor and the lead time let through."""
    edge = Market(10, [9.5], cost=7.6, stock=1, cover_days=14)
    assert answer(edge, Rule()) == Answer(
        "match", "undercut", 9.5, pytest.approx(0.2), pytest.approx(7.6)
    )
    assert answer(edge._replace(prices=[9.51]), Rule()).reason == "in_line"
    assert answer(edge._replace(cost=7.61), Rule()).reason == "below_floor"
    assert answer(edge._replace(prices=[10.5]), Rule()) == Answer("raise", "room", 10.5)
    assert answer(edge._replace(prices=[10.49]), Rule()).reason == "in_line"


def test_answer_without_a_stock_ledger():
    """Where no stock is recorded that gate is open; oversold counts as none."""
    assert answer(MUG._replace(stock=None, cover_days=None), Rule()).action == "match"
    assert answer(MUG._replace(stock=-2), Rule()).reason == "no_stock"


def test_answer_without_a_cost_tells_up_to_which_it_would_pay():
    """A floor of 20 % of 8 leaves 6.40 for the cost."""
    assert answer(MUG._replace(cost=None), Rule()).highest_cost == 6.4
    below = answer(MUG._replace(cost=7), Rule())
    assert (below.margin, below.price) == (pytest.approx(0.125), 8)


def test_answer_competitors_sold_out_put_no_pressure():
    """All sold out: maybe room, if there is stock; nobody looked at: nothing is known."""
    alone = MUG._replace(prices=[], sold_out=2)
    assert answer(alone, Rule()) == Answer("raise", "alone")
    assert answer(alone._replace(stock=0), Rule()).reason == "no_stock"
    assert answer(alone._replace(sold_out=0), Rule()).reason == "not_compared"


def test_answer_threshold_of_zero_is_any_lower_price():
    """An equal price is no undercut."""
    rule = Rule(threshold=0)
    assert answer(MUG._replace(prices=[10]), rule).reason == "in_line"
    assert answer(MUG._replace(prices=[9.99]), rule).action == "match"


@pytest.mark.parametrize(
    "rule", [Rule(threshold=1), Rule(margin_floor=-0.1), Rule(lead_time_days=-1), Rule(1.5)]
)
def test_answer_refuses_a_rule_that_makes_no_sense(rule):
    """A margin floor of the whole price can never be met."""
    with pytest.raises(InputError, match="inside"):
        answer(MUG, rule)


cents = st.integers(1, 10_000).map(lambda number: number / 100)


@given(cents, st.lists(cents, max_size=6), st.none() | cents, st.none() | st.integers(-2, 50))
def test_answer_never_breaks_its_gates(own, prices, cost, stock):
    """Whatever the market: an alert is an undercut with margin and stock, and each has words."""
    rule = Rule()
    told = answer(Market(own, prices, cost=cost, stock=stock, cover_days=stock), rule)
    assert told.reason in REASONS
    if told.action == "match":
        assert cost is not None
        assert told.price == min(prices)
        assert told.price <= own * (1 - rule.threshold) + 1e-6
        assert told.price - cost >= rule.margin_floor * told.price - 1e-6
        assert stock is None or stock >= rule.lead_time_days
    if told.action == "raise":
        assert all(price > own for price in prices)


@given(cents, st.lists(cents, min_size=1, max_size=7))
def test_position_is_what_counting_says(own, prices):
    """Rank, median and gap against a plain loop over the sorted prices."""
    ordered = sorted(prices)
    half = len(ordered) // 2
    middle = ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
    cheaper = 0
    for price in ordered:
        if price < own:
            cheaper += 1
    found = position(own, prices)
    assert (found.rank, found.cheapest, found.competitors) == (cheaper + 1, ordered[0], len(prices))
    assert found.price_index == pytest.approx(own / middle)
    assert found.gap == pytest.approx((own - ordered[0]) / own, abs=1e-9)
