"""A batch of rows for the warehouse: typed columns, and the values that did not convert."""

# pyright: standard

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import NamedTuple

import orjson
import pyarrow as pa

from d1lab.d1.batches import Batch
from d1lab.d1.database import Value
from d1lab.pull.convert import Unconverted, convert, typed
from d1lab.pull.fields import Field, schema_of
from d1lab.types import TYPES


class QuarantinedValue(NamedTuple):
    """A value that did not convert, and its row."""

    row_id: int | None  # None for a table without rowids
    key: str  # a JSON object
    column: str
    value: str
    reason: str


class TypedBatch(NamedTuple):
    """Rows ready for the warehouse."""

    record: pa.RecordBatch
    quarantined: list[QuarantinedValue]


TypedBatches = Generator[TypedBatch]
"""Batches as they are read; closing the generator stops reading."""


class Read(NamedTuple):
    """What a source returns for one sweep."""

    batches: TypedBatches
    bookmark: str | None  # the table is current at least as of this one
    changes_seen: int | None  # the next pull reads the change log from here
    is_resumed: bool  # an interrupted pull read part of it
    is_mixed: bool = False  # ... and D1 may have changed since
    is_unbounded: bool = False  # it may hold rows beyond the sweep's bounds


class Layout:
    """The column types of one table, and how to apply them.

    Args:
        fields: The columns of the warehouse table.
        key: The columns, by their D1 names, that identify a row; empty for the rowid.
    """

    def __init__(self, fields: Sequence[Field], key: Sequence[str]) -> None:
        self.fields, self.key = tuple(fields), tuple(key)
        self.read = tuple(field for field in fields if field.source is not None)
        self.schema = schema_of(self.fields)
        self.columns = tuple(str(field.source) for field in self.read)

    def typed(self, batch: Batch) -> TypedBatch:
        """Return the batch with typed columns, and the values that do not convert."""
        arrays = [pa.array(batch.rowids or [None] * batch.rows, pa.int64())]
        quarantined: list[QuarantinedValue] = []
        for field, values in zip(self.read, batch.columns, strict=True):
            array, unconverted = convert(values, field.kind)
            arrays.append(array)
            quarantined += self._quarantined(batch, field, unconverted)
        return TypedBatch(pa.RecordBatch.from_arrays(arrays, schema=self.schema), quarantined)

    def checked(self, rowids: pa.Array, columns: Sequence[pa.Array]) -> TypedBatch:
        """Return a batch of Arrow columns, with the types that Arrow reads from SQLite."""
        arrays, unfit = [rowids], list[tuple[Field, list[Unconverted]]]()
        for field, column in zip(self.read, columns, strict=True):
            array, rows = typed(column, field.kind)
            arrays.append(array)
            if rows:
                reason = TYPES[field.kind].range_reason
                unfit.append((field, [Unconverted(r, column[r].as_py(), reason) for r in rows]))
        record = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
        if not unfit:
            return TypedBatch(record, [])
        given = [column.to_pylist() for column in columns]
        batch = Batch(rowids.to_pylist(), given, len(rowids), rowids[-1].as_py())
        quarantined = [
            q for field, values in unfit for q in self._quarantined(batch, field, values)
        ]
        return TypedBatch(record, quarantined)

    def _quarantined(
        self, batch: Batch, field: Field, unconverted: list[Unconverted]
    ) -> Iterator[QuarantinedValue]:
        for row, value, reason in unconverted:
            row_id = batch.rowids[row] if batch.rowids else None
            key = {name: batch.columns[self.columns.index(name)][row] for name in self.key}
            yield QuarantinedValue(
                row_id, _json(key or {"rowid": row_id}), field.name, shown(value), reason
            )


def shown(value: Value) -> str:
    """Return a value as text, blobs as SQL literals.

    >>> shown(b"ab"), shown(1.5), shown("x")
    ("x'6162'", '1.5', 'x')
    """
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    return str(value).encode(errors="backslashreplace").decode()


def _json(key: dict[str, Value]) -> str:
    return orjson.dumps(
        {
            shown(name): value if isinstance(value, (int, float, type(None))) else shown(value)
            for name, value in key.items()
        }
    ).decode()
