"""Orders that Shopify's export split: their last lines are at the start of the next file.

Only the first line of an order has the order's own fields. A file that begins with other
lines continues another file in its folder: the lines are read together, whichever of
the two files is loaded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from d1lab.errors import InputError
from d1lab.ingest.column_map import ColumnMap
from d1lab.ingest.table_file import Record, header_of, records

MOST_FILES = 50
_OWN_FIELDS = ("financial_status", "currency", "subtotal", "total")


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
    found = records(path)
    names = header_of(path, found)
    places = [names.index(columns.columns[f][0]) for f in _OWN_FIELDS if f in columns.columns]
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
