"""The query of one batch: its SQL, packed or plain, and the rows in its result.

Packed, the database returns one JSON array per column. JSON cannot contain blobs, and D1 changes
text that is not UTF-8. Columns that can have such values are read wrapped: 'b' or 't' for blob or
text, then the hexadecimal digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, cast

from d1lab.d1.batches import (
    Batch,
    BatchForm,
    BatchSize,
    DamagedBatchError,
    parse,
    require_whole,
    size_of,
    unwrap,
)
from d1lab.d1.database import Result, TableInfo, Value, quote, rowid_name

MOST_ARGUMENTS = 31  # of a function on D1

_WRAP = (
    "CASE typeof({0}) WHEN 'blob' THEN 'b' || hex({0})"
    " WHEN 'text' THEN 't' || hex({0}) ELSE {0} END"
)


class BatchQuery:
    """Builds the queries for batches of one table, and reads their results.

    Args:
        table: The table.
        columns: The columns to read, by name.
        size: The size of batches, which learns from each result.
        packed: Whether the database packs batches, unless a form says otherwise.
    """

    def __init__(
        self, table: TableInfo, columns: Sequence[str], size: BatchSize, *, packed: bool
    ) -> None:
        self._columns, self._size, self._packed = tuple(columns), size, packed
        self.rowid = f"t.{rowid_name(table)}" if table.has_rowid else ""
        self._alias = table.rowid_column if table.rowid_column in self._columns else None
        self.table = f"{quote(table.name)} AS t"

    def sql(self, form: BatchForm, source: str) -> str:
        """Return the query for the rows of `source`, the text after FROM."""
        cells = self._cells(form)
        named = ", ".join(f"{cell} AS c{place}" for place, cell in enumerate(cells))
        source = f"SELECT {named} FROM {source}"  # noqa: S608  names are quoted, values bound
        if not form.packed:
            return source
        arrays = ", ".join(f"json_group_array(c{place})" for place in range(len(cells)))
        return f"SELECT {arrays} FROM ({source})"  # noqa: S608

    def sql_of_rowids(self, form: BatchForm) -> str:
        """Return the query for the rows with the rowids ?1, a JSON array; at most ?2 of them."""
        if self._packed and not form.packed:  # one row that is too big as JSON
            where = f"{self.rowid} = json_extract(?1, '$[0]')"
            return self.sql(form, f"{self.table} WHERE {where} LIMIT ?2")
        cells = self._cells(form)
        parts = [
            f"json_array({', '.join(cells[start : start + MOST_ARGUMENTS])})"
            for start in range(0, len(cells), MOST_ARGUMENTS)
        ]
        row = "'[' || " + " || ',' || ".join(parts) + " || ']'"
        found = f"(SELECT {row} FROM {self.table} WHERE {self.rowid} = j.value)"  # noqa: S608
        rows = f"SELECT {found} AS r FROM json_each(?1) AS j LIMIT ?2"  # noqa: S608
        return f"SELECT json_group_array(json(r)) FROM ({rows})" if form.packed else rows  # noqa: S608

    def unpack(self, result: Result, form: BatchForm) -> Batch:
        """Return the batch in the result of `sql`.

        Raises:
            DamagedBatchError: The result is incomplete or invalid.
        """
        if form.packed:
            if not result.rows:  # an aggregate always has one
                raise DamagedBatchError
            cells = [str(cell) for cell in result.rows[0]]
            columns = [parse(cell) for cell in cells]
            sizes = [size_of(cell) for cell in cells]
        else:
            columns = [list(column) for column in zip(*result.rows, strict=True)]
            columns = columns or [[] for _ in result.columns]
            sizes = [sum(size_of(value) for value in column) for column in columns]
        return self._batch(columns, form, widest=max(sizes), total=sum(sizes))

    def _batch(
        self, columns: list[list[Value]], form: BatchForm, *, widest: int, total: int
    ) -> Batch:
        """Parse the columns, and choose the next batch size from their sizes in bytes."""
        require_whole(columns, len(self._cells(form)), has_rowids=bool(self.rowid))
        rows = len(columns[0])
        self._size.learn(rows, widest, total)
        rowids = cast("list[int]", columns.pop(0)) if self.rowid else []
        for place, name in enumerate(self._columns):
            if name == self._alias:
                columns.insert(place, list(rowids))
            elif name in form.wrapped:
                columns[place] = [unwrap(value) for value in columns[place]]
        return Batch(rowids, columns, rows, 0)

    def unpack_rows(self, result: Result, form: BatchForm) -> Batch:
        """Return the batch in the result of `sql_of_rowids`; raises as `unpack` does."""
        if self._packed and not form.packed:
            return self.unpack(result, form)
        texts = [str(row[0]) for row in result.rows if row[0] is not None]
        if form.packed and not texts:
            raise DamagedBatchError
        parsed = parse(texts[0]) if form.packed else [parse(text) for text in texts]
        rows = [list(chain.from_iterable(cast("Any", row))) for row in parsed if row is not None]
        columns = [list(column) for column in zip(*rows, strict=True)]
        columns = columns or [[] for _ in self._cells(form)]
        size = sum(map(len, texts))
        return self._batch(columns, form, widest=size, total=size)

    def _cells(self, form: BatchForm) -> list[str]:
        """Return the expressions to select: the rowid, if there is one, and the columns."""
        cells = [self.rowid] if self.rowid else []
        return cells + [
            _WRAP.format(f"t.{quote(c)}") if c in form.wrapped else f"t.{quote(c)}"
            for c in self._columns
            if c != self._alias  # already selected as the rowid
        ]
