"""One advice per product: of several, the first of a fixed order, on all pages of a shop.

    order      runs out before a delivery could arrive: order it, and do not discount it meanwhile
    cap        sold below its unit cost: end the discount, or raise the price
    clear      on hand without a sale for 90 days
    price      a competitor's price suggests a test of a lower or a higher price
    discount   a discount is likely to pay
    test       a discount may pay, and its test is worth its cost
    pause      sold less while a discount was on offer
    keep       sells without a discount
    without    hardly sells without a discount: learn what two weeks without it bring

What is certain and urgent comes before what is likely: stock, then money that each sale loses, then
capital; then the price, which the effect of a discount depends on; then discounts. Products
of an action are those that no earlier advice names, so that no two pages contradict each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

Advice = Literal["order", "cap", "clear", "price", "discount", "test", "pause", "keep", "without"]

PRECEDENCE: tuple[Advice, ...] = get_args(Advice)
"""All kinds of advice, the one that comes first before the others."""


def settle(candidates: Mapping[Advice, Iterable[str]]) -> dict[str, Advice]:
    """Return the advice of each product: the first of those that name it.

    Args:
        candidates: SKUs by the advice that would be given if there were no other.

    >>> settle({"discount": ["mug", "tea"], "order": ["tea"]})
    {'tea': 'order', 'mug': 'discount'}
    """
    chosen: dict[str, Advice] = {}
    for kind in PRECEDENCE:
        for sku in candidates.get(kind, ()):
            chosen.setdefault(sku, kind)
    return chosen


def one_each(named: Sequence[tuple[Any, Advice | None, Collection[str]]]) -> dict[int, set[str]]:
    """Return the products that each of several actions keeps, by its position.

    Args:
        named: For each action: the action, its advice (None for one that no rule knows), and its
            products. Actions of the same advice, and unknown ones, rank in the order given.
    """
    order = sorted(range(len(named)), key=lambda place: (_rank(named[place][1]), place))
    taken: set[str] = set()
    kept: dict[int, set[str]] = {}
    for place in order:
        kept[place] = set(named[place][2]) - taken
        taken |= kept[place]
    return kept


def _rank(kind: Advice | None) -> int:
    return len(PRECEDENCE) if kind is None else PRECEDENCE.index(kind)
