"""Batches of rows: their size, their form, and their values as D1 packs them."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import NamedTuple, cast

import orjson

from d1lab.d1.database import Value
from d1lab.errors import D1UnavailableError

FIRST_ROWS = 1_000  # the first batch, which measures the row width
MOST_ROWS = 20_000  # larger batches are not faster
CELL_BYTES = 1_000_000  # target size of the widest cell: half of D1's limit
BATCH_BYTES = 8_000_000  # target size of the whole batch
LONGEST_PAUSE_SECONDS = 10.0

sleep = time.sleep  # replaced in tests


class DamagedBatchError(D1UnavailableError):
    """A batch that is incomplete although its response is complete."""

    def __init__(self) -> None:
        super().__init__(
            "a batch of rows from D1 is incomplete or damaged. It was discarded. Pull again."
        )


class Batch(NamedTuple):
    """Consecutive rows of a table, column by column.

    `upto` is the position reached with this batch: a rowid, or a key as JSON text.
    """

    rowids: list[int]  # empty for a table without rowids
    columns: list[list[Value]]
    rows: int
    upto: int | str
    after: int | None = None  # where it begins, if not at the end of the previous batch


class BatchForm(NamedTuple):
    """The form in which a batch is requested."""

    packed: bool
    wrapped: frozenset[str] = frozenset()


class BatchSize:
    """The next batch size, adapted to D1's limits while reading."""

    def __init__(self, first: int = FIRST_ROWS, most: int = MOST_ROWS) -> None:
        self.rows, self._ceiling, self._most = min(first, most), most, most
        self._pause_seconds = 0.0

    def learn(self, rows: int, widest_bytes: int, batch_bytes: int) -> None:
        """Choose the next size from the width of a received batch."""
        if rows:
            by_width = min(
                CELL_BYTES * rows // max(widest_bytes, 1), BATCH_BYTES * rows // max(batch_bytes, 1)
            )
            self._ceiling = min(self._most, self._ceiling + self._ceiling // 4 + 1)
            self.rows = max(1, min(by_width, self._ceiling))
        self._pause_seconds = 0.0

    def shrink(self) -> bool:
        """Halve the size; return False if it already is one row."""
        smaller = self.rows > 1
        self.rows = self._ceiling = max(1, self.rows // 2)
        return smaller

    def pause(self) -> None:
        """Wait for an overloaded database, longer after each rejection."""
        self._pause_seconds = min(2 * self._pause_seconds or 0.5, LONGEST_PAUSE_SECONDS)
        sleep(self._pause_seconds)


def require_whole(columns: Sequence[object], count: int, *, has_rowids: bool) -> None:
    """Refuse columns that are too few, of different lengths, or without a number for each row."""
    lists = [cast("list[object]", column) for column in columns if isinstance(column, list)]
    is_table = len(columns) == count and len({len(values) for values in lists}) == 1
    if not is_table or len(lists) < count:
        raise DamagedBatchError
    if has_rowids and not {int}.issuperset(map(type, lists[0])):
        raise DamagedBatchError


def within(batch: Batch, after: int, upto: int) -> Batch:
    """Return the rows of a batch between two rowids."""
    places = [place for place, rowid in enumerate(batch.rowids) if after < rowid <= upto]
    columns = [[column[place] for place in places] for column in batch.columns]
    return Batch([batch.rowids[place] for place in places], columns, len(places), upto, after)


def parse(cell: str) -> list[Value]:
    """Parse the values of a packed column, including infinities, which orjson rejects.

    Raises:
        DamagedBatchError: It is not whole.

    >>> parse("[9007199254740993, 1.0, -9.0e+999, null]")
    [9007199254740993, 1.0, -inf, None]
    """
    try:
        return orjson.loads(cell)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        raise DamagedBatchError from None


def unwrap(value: Value) -> Value:
    """Unwrap a value; text that is not UTF-8 is returned as bytes.

    >>> unwrap("t61"), unwrap("b61"), unwrap("tFF"), unwrap(5)
    ('a', b'a', b'\xff', 5)
    """
    if not isinstance(value, str):
        return value
    try:
        content = bytes.fromhex(value[1:])
    except ValueError:
        raise DamagedBatchError from None
    if value[:1] == "b":
        return content
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content


def size_of(value: Value) -> int:
    """Return the size in bytes of a text or blob; a constant for any other value."""
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode(errors="surrogatepass"))
    return len(value) if isinstance(value, bytes) else 8
