"""Rows of the index: one per shop, with what to do first, and links to its reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from d1lab.counting import counted
from d1lab.page_places import ALL_DATA, file_name
from d1lab.pages.key_figures import small_spark
from d1lab.pages.shop_weeks import ShopWeek
from d1lab.pages.wording import clip

if TYPE_CHECKING:
    from d1lab.pages.index import IndexShop

MOST_STARTS = 2  # currencies whose first shop the headline names
FULL = 200  # shops with their trend; the rows of the others are shorter

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
    currency: str | None  # of its amounts, '' if not set; None without an amount
    amount: float | None  # of its first action
    amount_text: str
    meaning: str
    action: str  # its first action
    action_href: str
    more: int  # further actions of the shop
    more_href: str  # of the whole list
    week: ShopWeek | None  # of its overview
    line: Markup  # the trend of its revenue
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
    return ShopRow(
        anchor=f"shop-{file_name(shop.database)}-{file_name(shop.shop or ALL_DATA)}",
        name=clip(shop.shop or shop.database, 80),
        database=clip(shop.database, 60),
        href=shop.link,
        currency=shop.currency,
        amount=first.amount if first else None,
        amount_text=first.amount_text if first else "",
        meaning=first.meaning_text if first else "",
        action=clip(first.sentence, 90) if first else "",
        week=shop.week,
        action_href=shop.first_link if is_full else "",
        more=shop.advice.total - 1,
        more_href=shop.advice.href if is_full else "",
        line=small_spark(shop.week.revenue) if shop.week and is_full else Markup(""),
        links=() if overview else _links(shop),
        state=notable(entry.status for entry in shop.entries),
    )


def _links(shop: IndexShop) -> tuple[ShopLink, ...]:
    return tuple(ShopLink(clip(e.newest.run.title, 60), e.link) for e in shop.entries)


def headline(rows: Sequence[ShopRow], shops: int) -> str:
    """Return what happened, and where to start; or how many shops there are.

    Args:
        rows: The rows, with those of reports on all shops.
        shops: The number of shops; 0 if all reports are on all shops.
    """
    count = counted(shops, "shop") if shops else "Reports on all shops"
    changes = [row.week.change for row in rows if row.week and row.week.change is not None]
    fell = sum(change < 0 for change in changes)
    told = f"Revenue fell in {fell} of {counted(len(changes), 'shop')} last week."
    starts = list(_first_of_each(rows))
    if not starts:
        return told if changes else count
    told = told if changes else f"{count}."
    if len(starts) > MOST_STARTS:
        return f"{told} Start with the first shop of one of {len(starts)} currencies"
    return f"{told} Start with " + ", or with ".join(
        f"{row.name}: {row.amount_text} {row.meaning}" for row in starts
    )


def _first_of_each(rows: Iterable[ShopRow]) -> Iterator[ShopRow]:
    """Yield the first shop with an amount of each currency."""
    seen: set[str | None] = set()
    for row in rows:
        if row.amount and row.currency not in seen:
            seen.add(row.currency)
            yield row
