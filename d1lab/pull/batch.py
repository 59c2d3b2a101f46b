"""A batch of rows as the warehouse takes it: typed columns, and the values that did not fit."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import NamedTuple

import orjson
import pyarrow as pa

from d1lab.d1.database import Value
from d1lab.d1.keyset import Batch
from d1lab.pull.convert import Unconverted, convert
from d1lab.pull.fields import Field, schema_of


class QuarantinedValue(NamedTuple):
    """A value that did not fit, and the row that it stands in."""

    row_id: int | None  # None in a table without rowids
    key: str  # a JSON object
    column: str
    value: str
    reason: str


class TypedBatch(NamedTuple):
    """Rows ready for the warehouse."""

    record: pa.RecordBatch
    quarantined: list[QuarantinedValue]


TypedBatches = Generator[TypedBatch]
"""Batches as they are read; closing it ends the reading."""


class Read(NamedTuple):
    """What a source gives of one sweep."""

    batches: TypedBatches
    bookmark: str | None  # with which the table is surely current
    changes_seen: int | None  # the change log is to be read on from here
    is_resumed: bool  # some of it was read by a pull that died
    is_mixed: bool = False  # ... and D1 may have changed since
    is_unbounded: bool = False  # it may hold rows beyond the sweep's bounds


class Layout:
    """How the batches of one table get their types.

    Args:
        fields: The columns of the warehouse table.
        key: The columns, as D1 names them, that tell rows apart; none for the rowid.
    """

    def __init__(self, fields: Sequence[Field], key: Sequence[str]) -> None:
        self.fields, self.key = tuple(fields), tuple(key)
        self.read = tuple(field for field in fields if field.source is not None)
        self.schema = schema_of(self.fields)
        self.columns = tuple(str(field.source) for field in self.read)

    def typed(self, batch: Batch) -> TypedBatch:
        """The batch with typed columns, and what does not fit its column."""
        arrays = [pa.array(batch.rowids or [None] * batch.rows, pa.int64())]
        quarantined: list[QuarantinedValue] = []
        for field, values in zip(self.read, batch.columns, strict=True):
            array, unconverted = convert(values, field.kind)
            arrays.append(array)
            quarantined += self._quarantined(batch, field, unconverted)
        return TypedBatch(pa.RecordBatch.from_arrays(arrays, schema=self.schema), quarantined)

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
    """A value as text: blobs as SQL writes them.

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
