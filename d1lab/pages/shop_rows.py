"""Rows of the index: one per shop, with what to do first, and links to its reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from d1lab.counting import counted
from d1lab.pages.storage import ALL_DATA, file_name
from d1lab.pages.wording import clip, lead

if TYPE_CHECKING:
    from d1lab.pages.index import IndexShop

FULL = 200  # shops with their finding; the rows of the others are shorter

_NOTABLE = {
    "failed": ("failed", "failed"),
    "timeout": ("timed out", "timed out"),
    "bad": ("needs attention", "need attention"),
}


class ShopLink(NamedTuple):
    """A link to a report."""

    title: str
    href: str


class ShopRow(NamedTuple):
    """One shop of the index."""

    anchor: str
    name: str
    database: str
    href: str  # of its overview, or else of its first report
    amount: float | None  # of its first action
    amount_text: str
    meaning: str
    action: str  # its first action
    finding: str  # of its overview
    links: tuple[ShopLink, ...]  # reports that no overview leads to
    state: str  # such as '1 failed', where that needs attention


def shop_rows(shops: Iterable[IndexShop]) -> list[ShopRow]:
    """Return the rows of shops, in their order."""
    return [_row(shop, is_full=place < FULL) for place, shop in enumerate(shops)]


def notable(statuses: Iterable[str]) -> str:
    """Return how many reports failed or need attention, such as '1 failed, 2 need attention'."""
    found = Counter(statuses)
    parts = (f"{found[s]:,} {words[found[s] > 1]}" for s, words in _NOTABLE.items() if found[s])
    return ", ".join(parts)


def _row(shop: IndexShop, *, is_full: bool) -> ShopRow:
    overview, first = shop.overview, shop.first
    run = overview.good.run if overview and overview.good else None
    return ShopRow(
        anchor=f"shop-{file_name(shop.database)}-{file_name(shop.shop or ALL_DATA)}",
        name=clip(shop.shop or shop.database, 80),
        database=clip(shop.database, 60),
        href=(overview or shop.entries[0]).link,
        amount=first.amount if first else None,
        amount_text=first.amount_text if first else "",
        meaning=first.meaning_text if first else "",
        action=clip(first.sentence, 90) if first else "",
        finding=lead(run.verdict.text)[0] if is_full and run and run.verdict else "",
        links=() if overview else _links(shop),
        state=notable(entry.status for entry in shop.entries),
    )


def _links(shop: IndexShop) -> tuple[ShopLink, ...]:
    return tuple(ShopLink(clip(e.newest.run.title, 60), e.link) for e in shop.entries)


def headline(rows: Sequence[ShopRow], shops: int) -> str:
    """Return where to start, or how many shops there are.

    Args:
        rows: The rows, with those of reports on all shops.
        shops: The number of shops; 0 if all reports are on all shops.
    """
    count = counted(shops or len(rows), "shop")
    if not rows or not rows[0].amount:
        return count
    first = rows[0]
    return f"{count}. Start with {first.name}: {first.amount_text} {first.meaning}"
