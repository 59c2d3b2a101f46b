"""A page as the warehouse takes it: typed columns, and the values that did not fit."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import NamedTuple

import orjson
import pyarrow as pa

from d1lab.d1.database import Value
from d1lab.d1.keyset import Page
from d1lab.pull.convert import Misfit, fit
from d1lab.pull.fields import Field, schema_of


class Quarantined(NamedTuple):
    """A value that did not fit, and the row that it stands in."""

    row_id: int | None  # None in a table without rowids
    key: str  # a JSON object
    column: str
    value: str
    reason: str


class Batch(NamedTuple):
    """Rows ready for the warehouse."""

    record: pa.RecordBatch
    quarantined: list[Quarantined]


Batches = Generator[Batch]
"""Batches as they are read; closing it ends the reading."""


class Read(NamedTuple):
    """What a source gives of one sweep."""

    batches: Batches
    bookmark: str | None  # with which the table is surely current
    changes_seen: int | None  # the change log is to be read on from here
    is_resumed: bool  # some of it was read by a pull that died


class Layout:
    """How the pages of one table become batches.

    Args:
        fields: The columns of the warehouse table.
        key: The columns, as D1 names them, that tell rows apart; none for the rowid.
    """

    def __init__(self, fields: Sequence[Field], key: Sequence[str]) -> None:
        self.fields, self.key = tuple(fields), tuple(key)
        self.read = tuple(field for field in fields if field.source is not None)
        self.schema = schema_of(self.fields)
        self.columns = tuple(str(field.source) for field in self.read)

    def batch(self, page: Page) -> Batch:
        """A page with typed columns."""
        arrays = [pa.array(page.rowids or [None] * page.rows, pa.int64())]
        quarantined: list[Quarantined] = []
        for field, values in zip(self.read, page.columns, strict=True):
            array, misfits = fit(values, field.kind)
            arrays.append(array)
            quarantined += self._quarantined(page, field, misfits)
        return Batch(pa.RecordBatch.from_arrays(arrays, schema=self.schema), quarantined)

    def _quarantined(
        self, page: Page, field: Field, misfits: list[Misfit]
    ) -> Iterator[Quarantined]:
        for row, value, reason in misfits:
            row_id = page.rowids[row] if page.rowids else None
            key = {name: page.columns[self.columns.index(name)][row] for name in self.key}
            yield Quarantined(
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
