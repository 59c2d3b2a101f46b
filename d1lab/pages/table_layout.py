"""How a page shows a table: ranges behind their numbers, bars in cells, and anchors of rows."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, cast

from markupsafe import Markup, escape

from d1lab.charts.scales import day_in_words
from d1lab.display import DataTable
from d1lab.display.anchors import NAME_AND_KEY, row_anchor
from d1lab.display.table import TableColumn

MOST_CLASSES = 14  # columns of a table that need no class on each cell
SHORT, LONG = 14, 40  # limits of the column classes, in characters

_FIGURE = re.compile(r"[<>≤≥]? ?[+−-]?[$€£]?[\d,]+(\.\d+)?( ?%)?")
_LEVEL = re.compile(r"\d+%")
_BAR, _TREND, _TALL = 48, 64, 16  # pixels of the pictures in cells, as in style.css


class Anchors:
    """Names of rows that links can point to; each is given once per page."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, column: TableColumn, cell: Any) -> str:
        """Return the anchor of a row by its first cell; empty if it has none.

        >>> anchors, product = Anchors(), TableColumn("product", "Product")
        >>> anchors.of(product, "Dark roast (8090537)"), anchors.of(product, "Dark roast (8090537)")
        ('product-8090537', '')
        """
        name = row_anchor(column, cell)
        if name in self._taken:
            return ""
        self._taken.add(name)
        return name


def opening(cell: Markup, drawer: str, is_packed: bool = False) -> Markup:
    """Return the cell of a name as a link that opens the item's drawer; its key stays beside it.

    A packed drawer's name becomes a link when a script has unpacked it.
    """
    named = NAME_AND_KEY.fullmatch(cell.unescape())
    text, key = (cell, "") if named is None else (named[1], Markup(" <span>({})</span>"))
    link = Markup('<data value="{}">{}</data>' if is_packed else '<a href="#{}">{}</a>')
    return link.format(drawer, text) + (key.format(named[2]) if named else "")


class ShownColumn(NamedTuple):
    """A column of a page's table."""

    column: TableColumn
    css: str
    place: int
    ends: tuple[int, int] | None = None  # places of the low and the high end of its range
    end_headers: tuple[str, ...] = ()
    largest: float = 0.0  # length of the longest bar; 0 for a column without bars

    @property
    def header(self) -> Markup:
        """Return the header; with the level of the range, if the label of an end names it."""
        level = _LEVEL.search(" ".join(self.end_headers))
        if self.ends is None:
            return escape(self.column.header)
        name = f"{level[0]} range" if level else "range"
        return Markup("{} <span>{}</span>").format(self.column.header, name)

    def cell(self, row: Sequence[Any], longest: int = 200) -> Markup:
        """Return the content of a cell."""
        value = row[self.place]
        if value is None:
            return Markup("–")
        if isinstance(value, list):
            return _trend(cast("list[float | None]", value))
        shown = _day(value) if self.column.kind == "date" else self.column.shown(value)
        text = escape(shown if len(shown) <= longest else f"{shown[: longest - 1]}…")
        return self._bar(value) + text + self._range(row)

    def raw(self, row: Sequence[Any]) -> Markup:
        """Return the attributes with what is copied: exact numbers, also of the range."""
        value = row[self.place]
        attributes = Markup("")
        if isinstance(value, list):
            exact = " ".join(map(_exact, cast("list[Any]", value)))
            attributes = Markup(' data-v="{}"').format(exact)
        elif self.column.numeric and isinstance(value, int | float):
            is_exact = _exact(value) == self.column.shown(value) and not self.ends
            attributes = Markup("" if is_exact else ' data-v="{}"').format(_exact(value))
        elif self.column.kind == "date" and value is not None:
            attributes = Markup(' data-v="{}"').format(value)  # sorted and copied in ISO format
        if self.ends:
            low, high = ("" if row[end] is None else _exact(row[end]) for end in self.ends)
            attributes += Markup(' data-r="{}|{}"').format(low, high)
        return attributes

    def _range(self, row: Sequence[Any]) -> Markup:
        if self.ends is None:
            return Markup("")
        low, high = (None if row[end] == "inf" else row[end] for end in self.ends)
        if low is None and high is None:
            return Markup("")
        if low is None or high is None:
            side, end = ("up to", high) if low is None else ("from", low)
            return Markup(" <span>{} {}</span>").format(side, self.column.shown(end))
        ends = (self.column.shown(low), self.column.shown(high))
        return Markup(" <span>{} to {}</span>").format(*ends)

    def _bar(self, value: Any) -> Markup:
        if not self.largest or not isinstance(value, int | float):
            return Markup("")
        width = max(1.0, _BAR * abs(value) / self.largest)
        css = "bar loss" if value < 0 else "bar"
        start = _BAR - width
        return Markup(
            '<svg class="{}" aria-hidden="true"><rect x="{:.0f}" width="{:.0f}"/></svg>'
        ).format(css, start, width)


def _exact(value: Any) -> str:
    """Return a value as copied; a fraction with ten digits, as more would only make pages large.

    >>> _exact(171.0), _exact(123_456_789_012.5), _exact(0.1 + 0.2), _exact("inf")
    ('171', '123456789012.5', '0.3', 'inf')
    """
    if not isinstance(value, float) or not math.isfinite(value):
        return str(value)
    if abs(value) < 1e15 and (value.is_integer() or abs(value) > 1e7):
        return str(int(value) if value.is_integer() else round(value, 4))
    return f"{value:.10g}"


def column_css(most: int = MOST_CLASSES) -> str:
    """Return the rules for the columns of a table by its class: 'n2' is `n` for the second one."""
    numbers, short = (
        ",".join(f".{kind}{place}>tbody>tr>:nth-child({place})" for place in range(1, most + 1))
        for kind in "ns"
    )
    return (
        f"{numbers},{short}{{min-width:0;white-space:nowrap}}"
        f"{numbers}{{text-align:right;--shown:var(--range);--wide:var(--range-width);--left:4px}}"
    )


def table_class(columns: Sequence[ShownColumn]) -> str:
    """Return the classes of a table for its columns, such as 'n2 s3'."""
    shown = enumerate(columns[:MOST_CLASSES], 1)
    return " ".join(f"{each.css}{place}" for place, each in shown if each.css in ("n", "s"))


def _day(value: Any) -> str:
    """Return a date or time in words; a text that is none as it is."""
    try:
        return day_in_words(str(value))
    except ValueError:
        return str(value)


def layout(table: DataTable) -> list[ShownColumn]:
    """Return the columns of a table as a page shows them.

    The ends of a range (`lift_low`, `lift_high`) stand behind their number (`lift`), and a column
    without any value is left out.
    """
    columns = table.columns
    ends = dict(_ranges(columns))
    hidden = {place for pair in ends.values() for place in pair}
    shown: list[ShownColumn] = []
    for place, column in enumerate(columns):
        cells = [row[place] for row in table.rows]
        if place in hidden or (table.rows and place and all(_is_empty(cell) for cell in cells)):
            continue
        pair = ends.get(place)
        headers = tuple(columns[end].header for end in pair) if pair else ()
        largest = _largest(cells) if column.name in table.bars else 0.0
        shown.append(ShownColumn(column, _class(column, cells), place, pair, headers, largest))
    return shown


def _is_empty(cell: Any) -> bool:
    return cell is None or cell == ""


def _largest(cells: Sequence[Any]) -> float:
    return max((abs(cell) for cell in cells if isinstance(cell, int | float)), default=0.0)


def _ranges(columns: Sequence[TableColumn]) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield the places of a number, and of the low and the high end of its range.

    The number is the nearest column of the same kind before the ends.
    """
    for low in range(1, len(columns) - 1):
        name, after = columns[low].name, columns[low + 1].name
        if not (name.endswith("low") and after == f"{name.removesuffix('low')}high"):
            continue
        before = columns[low - 1]
        if before.numeric and before.kind == columns[low].kind and not before.name.endswith("high"):
            yield low - 1, (low, low + 1)


def _class(column: TableColumn, cells: Sequence[object]) -> str:
    """Return the CSS class of a column.

    `n`: right-aligned; `s`: short, never wrapped; `l`: long, with a minimum width; '': other.
    """
    if column.numeric:
        return "n"
    texts = [column.shown(cell) for cell in cells if cell is not None]
    if texts and all(map(_FIGURE.fullmatch, texts)) and re.search("[.%<>]", "".join(texts)):
        return "n"  # such as p-values "< 0.0001", but not a SKU of digits
    longest = max(map(len, texts), default=0)
    return "s" if longest <= SHORT else "l" if longest > LONG else ""


def _trend(values: Sequence[float | None]) -> Markup:
    """Return a line of its own scale from 0, with the last value."""
    known = [value for value in values if value is not None]
    if not known:
        return Markup("–")
    low, high = min(0.0, *known), max(0.0, *known)
    span, step = (high - low) or 1.0, _TREND / max(len(values) - 1, 1)
    points = [
        (round(place * step), round(_TALL - _TALL * (value - low) / span))
        for place, value in enumerate(values)
        if value is not None
    ]
    moves = " ".join(f"{x - x0} {y - y0}" for (x0, y0), (x, y) in pairwise(points))
    line = f"M{points[0][0]} {points[0][1]}l{moves or '0 0'}".replace(" -", "-")
    name = f"from {known[0]:g} to {known[-1]:g}"
    return Markup('<svg class="trend" role="img" aria-label="{}"><path d="{}"/></svg>').format(
        name, line
    )
