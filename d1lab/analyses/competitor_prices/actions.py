"""Actions of the competitor price report: test a lower price, test a higher price."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from d1lab.analyses.competitor_prices import tables as frames
from d1lab.analyses.competitor_prices.study import PriceStudy
from d1lab.counting import counted

_PRICES = ["sku", "product", "paid_price", "own_price", "cheapest"]


def declared(found: PriceStudy, taken: Collection[str]) -> Iterator[dict[str, Any]]:
    """Yield the actions, as arguments of `lab.action`; what they earn is not known before a test.

    Args:
        found: Results of `study`.
        taken: Products with an advice that comes before a change of the price.
    """
    (lower, lower_others), (higher, higher_others) = (
        _free(rows, taken) for rows in (frames.alerts(found), frames.room(found))
    )
    if len(lower):
        yield {
            "verb": "Test",
            "key": "test-lower-price",
            "what": "a lower price on {items}",
            "reason": f"A competitor is at least {found.rule.threshold:.0%} below the price paid; "
            f"matching keeps a margin of {found.rule.margin_floor:.0%} or more.{lower_others}",
            "basis": "counted",
            "item": "product",
            "items": lower[[*_PRICES, "cheapest_at"]],
            "link": "list-prices-to-match",
        }
    if len(higher):
        yield {
            "verb": "Test",
            "key": "test-higher-price",
            "what": "a higher price on {items}",
            "reason": "Customers pay less here than at any competitor, or no competitor has it in "
            f"stock. Where there is a discount, reduce it first.{higher_others}",
            "basis": "counted",
            "item": "product",
            "items": higher[_PRICES],
            "link": "list-products-with-room-to-raise-the-price",
        }


def _free(rows: Any, taken: Collection[str]) -> tuple[Any, str]:
    """Return the rows without another advice, and a sentence on the others, if there are any."""
    free = rows[~rows["sku"].isin(taken)]
    others = counted(len(rows) - len(free), "other")
    return free, "" if len(free) == len(rows) else f" For {others}, another advice comes first."
