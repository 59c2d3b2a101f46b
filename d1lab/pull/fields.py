"""How each column of a D1 table maps to the warehouse."""

# pyright: standard

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

import pyarrow as pa

from d1lab import catalog
from d1lab.d1.database import ColumnInfo, TableInfo, quote
from d1lab.d1.declarations import Comments, Declarations
from d1lab.types import TYPES, Kind
from d1lab.warehouse import DAY, AppColumn

ROWID = "_rowid"
"""The warehouse column with D1's rowid; NULL for a table without rowids."""

_OF_AFFINITY: dict[str, Kind] = {"INTEGER": "integer", "REAL": "real", "TEXT": "text"}
_NUMBERS = ("DEC", "NUM", "MONEY", "CURRENCY")


class Field(NamedTuple):
    """A column of a warehouse table."""

    name: str
    kind: Kind
    source: str | None  # the column in D1; None if the declared column is missing there

    @property
    def duckdb_type(self) -> str:
        """The type of the column in the warehouse."""
        return TYPES[self.kind].duckdb


def fields_of(table: TableInfo | None, declared: catalog.Table | None) -> tuple[Field, ...]:
    """Return the columns of a warehouse table: the declared ones, then D1's other ones.

    Args:
        table: The table in D1; None if D1 does not have it.
        declared: The same table in the catalog; None if the catalog does not declare it.
    """
    found = {column.name.lower(): column for column in table.columns} if table else {}
    fields = []
    for column in declared.columns if declared else ():
        source = found.pop(column.name.lower(), None)
        fields.append(Field(column.name, column.type, source.name if source else None))
    for column in found.values():
        fields.append(Field(_free_name(column.name), kind_of(column), column.name))
    return tuple(fields)


def app_columns(tables: Mapping[str, TableInfo], said: Declarations) -> list[AppColumn]:
    """Return the warehouse's records of the columns of the app's own tables.

    Args:
        tables: By their names in the warehouse.
        said: What the database's SQL says of them.
    """
    found = []
    for name, table in tables.items():
        comments = said.comments.get(table.name, Comments("", {}))
        sources = {column.name: column for column in table.columns}
        for field in fields_of(table, None):
            column = sources[str(field.source)]
            found.append(
                AppColumn(
                    table_name=name,
                    column_name=field.name,
                    declared=column.declared,
                    key_position=column.key_position,
                    refers_to=".".join(filter(None, column.refers_to or ())),
                    comment=comments.columns.get(column.name.lower(), ""),
                    table_comment=comments.table,
                )
            )
    return found


def kind_of(column: ColumnInfo) -> Kind:
    """Return a lossless kind for a column that the catalog does not declare.

    SQLite gives NUMERIC affinity to numbers, but also to DATETIME, BOOLEAN, JSON, UUID, and any
    unrecognized type name: those stay text, unless the name suggests numbers.

    >>> [kind_of(ColumnInfo("a", t, "NUMERIC", False, 0)) for t in ("DECIMAL(9,2)", "DATETIME")]
    ['real', 'text']
    """
    declared = column.declared.upper()
    if column.affinity == "BLOB":
        return "blob" if declared else "text"
    if column.affinity == "NUMERIC":
        if "BOOL" in declared:
            return "integer"
        return "real" if any(part in declared for part in _NUMBERS) else "text"
    return _OF_AFFINITY[column.affinity]


def schema_of(fields: tuple[Field, ...]) -> pa.Schema:
    """Return the Arrow schema of a table's batches: the rowid, then every column in D1."""
    columns = [pa.field(ROWID, pa.int64())]
    columns += [pa.field(f.name, TYPES[f.kind].arrow_type) for f in fields if f.source is not None]
    return pa.schema(columns)


def casts(fields: tuple[Field, ...]) -> str:
    """Return SQL that casts the columns to warehouse types, in the order of `schema_of`."""
    columns = [ROWID]
    for field in fields:
        if field.source is not None:
            column = quote(field.name)
            is_cast = field.kind == "money"
            columns.append(f"CAST({column} AS {field.duckdb_type})" if is_cast else column)
    return ", ".join(columns)


def signature(fields: tuple[Field, ...]) -> str:
    """Return a text that changes when a change of columns requires a full reread of the table."""
    return json.dumps([list(field) for field in fields])


def _free_name(name: str) -> str:
    return f"{name}_" if name.lower() in (ROWID, DAY) else name
