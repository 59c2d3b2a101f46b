"""Price position of a product among its competitors, and the action: match, raise, or none.

The rule matches a lower competitor price only if the minimum margin is kept and if the stock lasts
until the next delivery. It ignores competitors who are out of stock.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Literal, NamedTuple

from d1lab.errors import InputError

Action = Literal["match", "raise"]

REASONS = {
    "undercut": "competitor is cheaper; matching keeps the minimum margin",
    "room": "lowest price, with room below the next competitor",
    "alone": "all observed competitors are out of stock",
    "in_line": "within the threshold of the lowest competitor price",
    "no_stock": "out of stock",
    "short_cover": "stock runs out before a delivery can arrive",
    "no_cost": "unit cost missing",
    "below_floor": "matching would fall below the minimum margin",
    "not_compared": "no comparable competitor price",
}
"""Reasons for an action or for having none, in words."""

_EXACT = 1e-9  # prices are in cents; their ratios are not


class Market(NamedTuple):
    """Prices, cost, and stock of one product; None if unknown."""

    own: float  # paid per unit, after discounts; > 0
    prices: Sequence[float]  # comparable ones: in stock, recent, same currency; > 0
    sold_out: int = 0  # competitors with a recent observation who are out of stock
    cost: float | None = None  # per unit; >= 0
    stock: float | None = None  # units on hand; None without a stock ledger
    cover_days: float | None = None  # days of supply; None if unknown


class PricingRule(NamedTuple):
    """Thresholds of the pricing rule."""

    threshold: float = 0.05  # smaller differences to the cheapest are ignored; inside [0, 1)
    margin_floor: float = 0.2  # minimum margin as a share of the price; inside [0, 1)
    lead_time_days: float = 14.0  # days from order to delivery; >= 0


class Position(NamedTuple):
    """Price position; all fields except the count are None without a comparable price."""

    competitors: int  # prices compared
    cheapest: float | None
    middle: float | None  # median of these prices
    price_index: float | None  # price paid / median
    rank: int | None  # 1: no competitor is cheaper
    gap: float | None  # 1 - cheapest / own; negative if the cheapest is more expensive


class PriceAction(NamedTuple):
    """Action for one product; a field is None if it does not apply or is unknown."""

    action: Action | None  # None: no action, or not available
    reason: str  # one of `REASONS`
    price: float | None = None  # price to match, or upper limit for a higher price
    margin: float | None = None  # margin after matching, as a share of that price
    highest_cost: float | None = None  # maximum unit cost at which matching keeps the floor


def position(own: float, prices: Sequence[float]) -> Position:
    """Compute the position of a price among competitor prices.

    Args:
        own: Price paid in the shop; > 0.
        prices: Competitor prices; each > 0.

    Raises:
        InputError: A price is not above 0.

    >>> position(10, [8, 12, 11])
    Position(competitors=3, cheapest=8, middle=11, price_index=0.9090909090909091, rank=2, gap=0.2)
    """
    if not (own > 0 and all(price > 0 for price in prices)):
        raise InputError(f"prices must be above 0: shop {own}, competitors {list(prices)[:5]}")
    if not prices:
        return Position(0, None, None, None, None, None)
    cheapest, middle = min(prices), median(prices)
    rank = 1 + sum(price < own for price in prices)
    gap = (own - cheapest) / own
    return Position(len(prices), cheapest, middle, own / middle, rank, gap)


def price_action(market: Market, rule: PricingRule) -> PriceAction:
    """Choose the action for one product.

    Raises:
        InputError: A price is not above 0, or the rule is out of range.

    >>> price_action(Market(10, [8, 12], cost=5, stock=40, cover_days=30), PricingRule())
    PriceAction(action='match', reason='undercut', price=8, margin=0.375, highest_cost=6.4)
    """
    if not (0 <= rule.threshold < 1 and 0 <= rule.margin_floor < 1 and rule.lead_time_days >= 0):
        raise InputError(
            f"threshold and margin_floor must be in [0, 1), and lead_time_days at least 0: {rule}"
        )
    found = position(market.own, market.prices)
    if found.cheapest is None or found.gap is None:
        return _without_prices(market)
    if market.stock is not None and market.stock <= 0:
        return PriceAction(None, "no_stock")
    if found.gap > 0 and found.gap >= rule.threshold - _EXACT:
        return _undercut(market, found.cheapest, rule)
    if found.cheapest > market.own and found.cheapest >= market.own * (1 + rule.threshold) - _EXACT:
        return PriceAction("raise", "room", found.cheapest)
    return PriceAction(None, "in_line")


def _without_prices(market: Market) -> PriceAction:
    if not market.sold_out:
        return PriceAction(None, "not_compared")
    if market.stock is not None and market.stock <= 0:
        return PriceAction(None, "no_stock")
    return PriceAction("raise", "alone")


def _undercut(market: Market, cheapest: float, rule: PricingRule) -> PriceAction:
    highest = cheapest * (1 - rule.margin_floor)
    if market.cover_days is not None and market.cover_days < rule.lead_time_days:
        return PriceAction(None, "short_cover", highest_cost=highest)
    if market.cost is None:
        return PriceAction(None, "no_cost", cheapest, highest_cost=highest)
    margin = (cheapest - market.cost) / cheapest
    if margin < rule.margin_floor - _EXACT:
        return PriceAction(None, "below_floor", cheapest, margin, highest)
    return PriceAction("match", "undercut", cheapest, margin, highest)
