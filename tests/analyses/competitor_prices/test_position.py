"""Price position and action, by hand and compared with a plain loop."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d1lab.analyses.competitor_prices.position import (
    REASONS,
    Market,
    Position,
    PriceAction,
    PricingRule,
    position,
    price_action,
)
from d1lab.errors import InputError

MUG = Market(10, [8, 12], cost=5, stock=40, cover_days=30)


def test_position_by_hand():
    """Four competitors: two cheaper, one equal, one more expensive."""
    assert position(10, [8, 9, 10, 12]) == Position(4, 8, 9.5, 10 / 9.5, 3, 0.2)
    assert position(10, [12.5]) == Position(1, 12.5, 12.5, 0.8, 1, -0.25)
    assert position(10, []) == Position(0, None, None, None, None, None)


@pytest.mark.parametrize(("own", "prices"), [(0, [1]), (-1, []), (1, [1, 0]), (float("nan"), [1])])
def test_position_refuses_no_price(own, prices):
    """A price of 0 is rejected."""
    with pytest.raises(InputError, match="above 0"):
        position(own, prices)


def test_answer_matches_only_with_margin_and_stock():
    """Each condition alone prevents the alert and is the reason."""
    cases = {
        "undercut": MUG,
        "no_cost": MUG._replace(cost=None),
        "below_floor": MUG._replace(cost=6.5),
        "no_stock": MUG._replace(stock=0),
        "short_cover": MUG._replace(cover_days=13),
        "in_line": MUG._replace(prices=[9.6, 12]),
    }
    for reason, market in cases.items():
        told = price_action(market, PricingRule())
        assert (told.action, told.reason) == ("match" if market is MUG else None, reason)


def test_answer_at_the_gates_themselves():
    """Values exactly at the threshold, the floor, and the lead time pass."""
    edge = Market(10, [9.5], cost=7.6, stock=1, cover_days=14)
    assert price_action(edge, PricingRule()) == PriceAction(
        "match", "undercut", 9.5, pytest.approx(0.2), pytest.approx(7.6)
    )
    assert price_action(edge._replace(prices=[9.51]), PricingRule()).reason == "in_line"
    assert price_action(edge._replace(cost=7.61), PricingRule()).reason == "below_floor"
    assert price_action(edge._replace(prices=[10.5]), PricingRule()) == PriceAction(
        "raise", "room", 10.5
    )
    assert price_action(edge._replace(prices=[10.49]), PricingRule()).reason == "in_line"


def test_answer_without_a_stock_ledger():
    """Without stock data, the condition passes; oversold counts as no stock."""
    assert price_action(MUG._replace(stock=None, cover_days=None), PricingRule()).action == "match"
    assert price_action(MUG._replace(stock=-2), PricingRule()).reason == "no_stock"


def test_answer_without_a_cost_tells_up_to_which_it_would_pay():
    """A floor of 20% of 8 leaves 6.40 for the cost."""
    assert price_action(MUG._replace(cost=None), PricingRule()).highest_cost == 6.4
    below = price_action(MUG._replace(cost=7), PricingRule())
    assert (below.margin, below.price) == (pytest.approx(0.125), 8)


def test_answer_competitors_sold_out_put_no_pressure():
    """All out of stock: room if the shop has stock. No observations: not available."""
    alone = MUG._replace(prices=[], sold_out=2)
    assert price_action(alone, PricingRule()) == PriceAction("raise", "alone")
    assert price_action(alone._replace(stock=0), PricingRule()).reason == "no_stock"
    assert price_action(alone._replace(sold_out=0), PricingRule()).reason == "not_compared"


def test_answer_threshold_of_zero_is_any_lower_price():
    """An equal price is not undercut."""
    rule = PricingRule(threshold=0)
    assert price_action(MUG._replace(prices=[10]), rule).reason == "in_line"
    assert price_action(MUG._replace(prices=[9.99]), rule).action == "match"


@pytest.mark.parametrize(
    "rule",
    [
        PricingRule(threshold=1),
        PricingRule(threshold=-0.01),
        PricingRule(margin_floor=-0.1),
        PricingRule(margin_floor=1),
        PricingRule(lead_time_days=-1),
        PricingRule(1.5),
    ],
)
def test_answer_refuses_a_rule_that_makes_no_sense(rule):
    """A margin floor of 100% of the price cannot be met."""
    with pytest.raises(InputError, match="lead_time_days at least 0"):
        price_action(MUG, rule)


def test_answer_takes_a_rule_without_limits():
    """No threshold, no margin, no lead time: any lower price is matched, at cost."""
    rule = PricingRule(threshold=0, margin_floor=0, lead_time_days=0)
    told = price_action(Market(10, [8], cost=8, stock=1, cover_days=0), rule)
    assert told == PriceAction("match", "undercut", 8, 0, 8)
    assert price_action(Market(10, [8], cost=8.01, stock=1), rule).reason == "below_floor"


def test_answer_without_competitors_is_not_compared():
    """By default, none is known to be out of stock."""
    assert price_action(Market(10, []), PricingRule()).reason == "not_compared"
    assert price_action(Market(10, [], sold_out=1), PricingRule()).reason == "alone"


cents = st.integers(1, 10_000).map(lambda number: number / 100)


@given(cents, st.lists(cents, max_size=6), st.none() | cents, st.none() | st.integers(-2, 50))
def test_answer_never_breaks_its_gates(own, prices, cost, stock):
    """In any market, an alert is undercut with margin and stock, and every reason has words."""
    rule = PricingRule()
    told = price_action(Market(own, prices, cost=cost, stock=stock, cover_days=stock), rule)
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
    """Rank, median, and gap compared with a plain loop over the sorted prices."""
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
