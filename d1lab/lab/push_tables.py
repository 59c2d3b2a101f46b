"""Tables of the app that a project can stage results for, with their column types."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from d1lab import catalog
from d1lab.config_sections import PushTable
from d1lab.errors import InputError, UnknownName
from d1lab.types import Type

_OF_DUCKDB: dict[str, Type] = {"BIGINT": "integer", "DOUBLE": "real", "VARCHAR": "text"}


def push_table(
    con: duckdb.DuckDBPyConnection, name: str, named: Mapping[str, PushTable]
) -> catalog.Table:
    """Return the declaration of a table from the catalog, or from the app's schema.

    Args:
        con: Connection to the warehouse.
        name: Name of the table in D1.
        named: Tables and columns in `[push.tables]`.

    Raises:
        UnknownName: The table or one of its columns does not exist.
        InputError: A column stores blobs, or the table is already declared by d1lab.
    """
    if name in catalog.TABLES and name in named:
        raise InputError(
            f"[push.tables.{name}] in d1lab.toml: d1lab already declares the columns it writes "
            f"to in {name!r}. Remove the setting."
        )
    if name in catalog.TABLES:
        return catalog.table(name)
    if name not in named:
        raise UnknownName("table", name, [*catalog.TABLES, *named], "[push.tables] in d1lab.toml")
    kinds = _kinds(con, name)
    if not kinds:
        raise UnknownName("table", name, _pulled(con), "the warehouse")
    wanted = named[name]
    for column in (*wanted.key, *wanted.columns):
        if column not in kinds:
            raise UnknownName("column", column, kinds, f"table {name!r}")
    columns = [catalog.Column(column, kinds[column]) for column in wanted.key]
    columns += [catalog.Column(column, kinds[column], "analysis") for column in wanted.columns]
    return catalog.Table(name, key=tuple(wanted.key), columns=tuple(columns), write="upsert")


def _pulled(con: duckdb.DuckDBPyConnection) -> list[str]:
    rows = con.execute("SELECT DISTINCT table_name FROM d1lab.columns ORDER BY 1").fetchall()
    return [name for (name,) in rows]


def _kinds(con: duckdb.DuckDBPyConnection, table: str) -> dict[str, Type]:
    """Return the type of each column as D1 stores it, so that the app can read the values."""
    rows = con.execute(
        "SELECT c.column_name, c.declared, c.stored_as, r.data_type FROM d1lab.columns AS c "
        "JOIN duckdb_columns() AS r ON r.schema_name = 'raw' AND r.table_name = c.table_name "
        "AND r.column_name = c.column_name WHERE c.table_name = ?",
        [table],
    ).fetchall()
    return {name: _kind(name, *parts) for name, *parts in rows}


def _kind(name: str, declared: str, stored_as: str, data_type: str) -> Type:
    if "seconds" in stored_as:
        return "integer"
    if "DATE" in declared.upper() or "TIMESTAMP" in declared.upper():
        return "date" if declared.upper() == "DATE" else "timestamp"
    if data_type not in _OF_DUCKDB:
        raise InputError(f"column {name!r} stores blobs, which d1lab does not write")
    return _OF_DUCKDB[data_type]
