"""Details of an item on a page: a drawer for each item that a table of the page names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast

from markupsafe import Markup

from d1lab.display import DataTable
from d1lab.display.anchors import NAME_AND_KEY, row_anchor
from d1lab.pages.table_layout import ShownColumn, layout

FIGURES = 4  # numbers at the top of a drawer
OPEN_BYTES = 3_000  # of the first drawers of a page, which open without scripts
MOST_BYTES = 400_000  # of all drawers, before packing; items beyond are shown in the tables only
_WIDTH, _HEIGHT = 320, 56  # units of a drawer's trend


class ItemList(NamedTuple):
    """A table that names an item."""

    anchor: str
    title: str


class DetailTrend(NamedTuple):
    """A series of an item, oldest first."""

    title: Markup
    told: str  # the last value, and the largest one, as the picture shows them
    svg: Markup


class ItemDetails(NamedTuple):
    """The drawer of one item."""

    anchor: str
    name: str
    key: str  # such as the SKU; '' if the name has none
    figures: tuple[tuple[Markup, Markup], ...]  # labels and values
    trends: tuple[DetailTrend, ...]
    facts: tuple[tuple[Markup, Markup], ...]
    lists: tuple[ItemList, ...]  # tables of the page that name the item
    is_packed: bool = False  # whether a script unpacks it, to keep the page small

    @property
    def row(self) -> str:
        """Anchor of the item's row, to return to."""
        return self.anchor.removeprefix("about-")


def item_details(details: Iterable[DataTable], tables: Sequence[DataTable]) -> list[ItemDetails]:
    """Return the drawers of a page, in the order of the details: those beyond the first are packed.

    Args:
        details: Tables of details; their rows that no table names are left out.
        tables: Tables on the page.
    """
    named = _lists(tables)
    found: dict[str, ItemDetails] = {}
    size = 0
    for table in details:
        columns = layout(table)
        for row in table.rows:
            anchor = row_anchor(table.columns[0], row[0])
            if anchor not in named or anchor in found:
                continue
            made = _item(anchor, columns, row, named[anchor])
            size += sum(len(str(part)) for part in made)
            if size > MOST_BYTES:
                return list(found.values())
            found[anchor] = made._replace(is_packed=size > OPEN_BYTES)
    return list(found.values())


def _lists(tables: Iterable[DataTable]) -> dict[str, tuple[ItemList, ...]]:
    """Return the tables that name each item, by the item's anchor."""
    named: dict[str, tuple[ItemList, ...]] = {}
    for table in tables:
        place = ItemList(f"list-{table.name}", table.title)
        for anchor in {row_anchor(table.columns[0], row[0]) for row in table.rows} - {""}:
            named[anchor] = (*named.get(anchor, ()), place)
    return named


def _item(
    anchor: str, columns: Sequence[ShownColumn], row: Sequence[Any], lists: tuple[ItemList, ...]
) -> ItemDetails:
    name = NAME_AND_KEY.fullmatch(str(row[0]))
    rest = columns[1:]
    trends = [c for c in rest if isinstance(row[c.place], list)]
    known = [c for c in rest if c not in trends and row[c.place] not in (None, "")]
    figures = [column for column in known if column.column.numeric][:FIGURES]
    facts = [column for column in known if column not in figures]
    return ItemDetails(
        anchor=f"about-{anchor}",
        name=name[1] if name else str(row[0]),
        key=name[2] if name else "",
        figures=tuple((column.header, column.cell(row)) for column in figures),
        trends=tuple(_trend(column, cast("list[Any]", row[column.place])) for column in trends),
        facts=tuple((column.header, column.cell(row)) for column in facts),
        lists=lists,
    )


def _trend(column: ShownColumn, values: Sequence[float | None]) -> DetailTrend:
    """Return bars from 0; a period without a value, or with 0, has none."""
    known = [value for value in values if value is not None]
    largest, step = max(known, default=0) or 1, _WIDTH / len(values)
    bars = "".join(
        f"M{(place + 0.5) * step:.0f} {_HEIGHT}v-{_HEIGHT * value / largest:.0f}"
        for place, value in enumerate(values)
        if value is not None and value > 0
    )
    told = f"last {known[-1]:,g}, most {max(known):,g}" if known else ""
    svg = Markup(
        '<svg viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">'
        '<path d="{}"/></svg>'
    ).format(_WIDTH, _HEIGHT, bars)
    return DetailTrend(column.header, told, svg)
