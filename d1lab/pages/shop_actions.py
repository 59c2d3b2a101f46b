"""Actions on the index: those of a shop, one advice per product, and the largest of all shops."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from d1lab.display.actions import Action, ranked

if TYPE_CHECKING:
    from d1lab.pages.index import IndexEntry, IndexShop

MOST = 10  # actions in the list of all shops, at most `KEPT_ACTIONS` of each shop


class ShopAction(NamedTuple):
    """One action of a shop, and its place."""

    action: Action
    href: str  # of its place on the page that advises it
    shop: str = ""
    shop_href: str = ""


class ShopAdvice(NamedTuple):
    """What a shop is advised to do: its first actions by money, and how many there are."""

    first: tuple[ShopAction, ...]
    total: int
    href: str  # of the whole list; '' if several reports have a part


def advice(entries: Sequence[IndexEntry], overview: IndexEntry | None) -> ShopAdvice:
    """Return the actions of a shop.

    The overview has those of all reports, one per product. Without actions there, or if another
    report is of a later day, the actions of the reports count.

    Args:
        entries: All reports of the shop.
        overview: That of the overview; None without one.
    """
    if overview and overview.good and overview.good.actions and _is_newest(overview, entries):
        return ShopAdvice(_of(overview), overview.good.total_actions, f"{overview.link}#actions")
    others = [entry for entry in entries if entry.good and entry is not overview]
    found = {one.action: one for entry in others for one in _of(entry)}
    total = sum(entry.good.total_actions for entry in others if entry.good)
    return ShopAdvice(tuple(found[action] for action in ranked(found)), total, "")


def _of(entry: IndexEntry) -> tuple[ShopAction, ...]:
    actions = entry.good.actions if entry.good else ()
    return tuple(ShopAction(action, f"{entry.link}#{action.anchor}") for action in actions)


def _is_newest(overview: IndexEntry, entries: Iterable[IndexEntry]) -> bool:
    days = [entry.good.run.as_of for entry in entries if entry.good and entry.good.run.as_of]
    own = overview.good.run.as_of if overview.good else None
    return own is None or own >= max(days, default=own)


def largest(shops: Iterable[IndexShop]) -> list[ShopAction]:
    """Return the largest actions of shops of one currency; none if each shop has only one.

    Args:
        shops: The shops, whose rows already have the first action of each.
    """
    known = {
        ShopAction(one.action, one.href, shop.shop or shop.database, shop.link): one.action
        for shop in shops
        for one in shop.advice.first
        if one.action.amount is not None
    }
    if len({one.shop_href for one in known}) == len(known):
        return []
    return sorted(known, key=lambda one: -(one.action.amount or 0.0))[:MOST]
