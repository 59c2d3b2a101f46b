"""Orders that an export split: their last lines are at the start of the next file.

In Shopify's export only the first line of an order has the order's own fields. A file that begins
with other lines continues another file in its folder. In other files nothing marks an order's first
line: the next part of an export bears the next number (orders-1.csv, orders-2.csv), and repeats no
line of the order. The lines are read together, whichever of the two files is loaded.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from d1lab.errors import InputError
from d1lab.ingest.column_map import ColumnMap
from d1lab.ingest.table_file import Record, header_of, records

MOST_FILES = 50
OWN_FIELDS = ("financial_status", "currency", "subtotal", "total")


_NUMBER = re.compile(r"\d+")
_DATE = re.compile(r"\d{4}[-_.]?\d{2}([-_.]?\d{2})?$")  # a dated file is not a part


class Missing(NamedTuple):
    """Records of other files that belong to a file's first and last order."""

    before: list[list[str]]
    after: list[list[str]]


class _Table(NamedTuple):
    """The columns used to join orders: the name, and the cells that mark an order's first line."""

    header: list[str]
    name: int
    own: list[int]

    def name_of(self, record: Record) -> str:
        cells = record[1]
        return cells[self.name].strip() if len(cells) > self.name else ""

    def begins(self, record: Record) -> bool:
        """Whether a record has the order's own fields."""
        return any(record[1][place].strip() for place in self.own if place < len(record[1]))


def missing_parts(path: Path, columns: ColumnMap) -> Missing:
    """Return the lines of a file's first and last order that are in other files of its folder."""
    if columns.layout == "shopify":
        return _missing_of_shopify(path, columns)
    has_orders = "order_id" in columns.columns  # files of prices and products have none
    if not columns.whole_orders or columns.unpack or not has_orders:
        return Missing([], [])
    return _missing_of_parts(path, columns)


def _missing_of_parts(path: Path, columns: ColumnMap) -> Missing:
    """Return the lines from the parts of the export before and after this one."""
    found = records(path)
    names = header_of(path, found)
    table = _Table(names, names.index(columns.columns["order_id"][0]), [])
    first, last = _ends(found, table)
    before = _cells_of(_part(path, -1), table, first, at_end=True)
    after = _cells_of(_part(path, 1), table, last, at_end=False)
    return Missing(before, after)


def _ends(found: Iterator[Record], table: _Table) -> tuple[list[Record], list[Record]]:
    """Return the lines of the first and of the last order of a file."""
    first: list[Record] = []
    last: list[Record] = []
    for record in found:
        if last and table.name_of(record) != table.name_of(last[0]):
            first = first or last
            last = []
        last.append(record)
    return first or last, last


def _part(path: Path, step: int) -> Path:
    """Return the part before or after this one, by the last number in its name; itself if none."""
    numbers = list(_NUMBER.finditer(path.stem))
    if not numbers or _DATE.search(path.stem):
        return path
    start, end = numbers[-1].span()
    number = f"{int(numbers[-1].group()) + step:0{end - start}d}"
    return path.with_name(f"{path.stem[:start]}{number}{path.stem[end:]}{path.suffix}")


def _cells_of(part: Path, table: _Table, own: list[Record], *, at_end: bool) -> list[list[str]]:
    """Return the lines of an order that a part has at its start or end, and this file does not.

    If the part repeats one of the order's lines here, it has the whole order: nothing is missing.
    """
    if not own or not part.is_file():
        return []
    try:
        found = records(part)
        if header_of(part, found) != table.header:
            return []
        first, last = _ends(found, table)
    except InputError:
        return []  # another file, not part of this export
    lines = [cells for _, cells in (last if at_end else first)]
    here = [cells for _, cells in own]
    is_same = bool(lines) and table.name_of((0, lines[0])) == table.name_of(own[0])
    return lines if is_same and not any(cells in here for cells in lines) else []


def _missing_of_shopify(path: Path, columns: ColumnMap) -> Missing:
    found = records(path)
    names = header_of(path, found)
    places = [names.index(columns.columns[f][0]) for f in OWN_FIELDS if f in columns.columns]
    table = _Table(names, names.index(columns.columns["order_name"][0]), places)
    first = next(found, None)
    if not places or first is None:
        return Missing([], [])
    last = next(iter(deque(found, maxlen=1)), first)
    before = [] if table.begins(first) else _tail(path, table, table.name_of(first))
    return Missing(before, _head(path, table, table.name_of(last)))


def _tail(path: Path, table: _Table, name: str) -> list[list[str]]:
    """Return the last lines of the file that ends with the order of that name."""
    for found in _others(path, table):
        kept: list[Record] = []
        for record in found:
            if table.name_of(record) != name:
                kept = []
            else:
                kept.append(record)
        if kept and table.begins(kept[0]):
            return [cells for _, cells in kept]
    return []


def _head(path: Path, table: _Table, name: str) -> list[list[str]]:
    """Return the first lines of the file that starts in the middle of the order of that name."""
    for found in _others(path, table):
        kept = list(takewhile(lambda record: table.name_of(record) == name, found))
        if kept and not table.begins(kept[0]):
            return [cells for _, cells in kept]
    return []


def _others(path: Path, table: _Table) -> Iterator[Iterator[Record]]:
    """Yield the records of files in the same folder with the same columns."""
    beside: Sequence[Path] = sorted(path.parent.glob(f"*{path.suffix}"))[:MOST_FILES]
    for other in beside:
        if other.name != path.name:
            try:
                found = records(other)
                if header_of(other, found) == table.header:
                    yield found
            except InputError:
                continue  # another file, not part of this load
