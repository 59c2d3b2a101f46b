"""SQL on the warehouse: single SELECT statements, bound values, and errors with suggestions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any

import duckdb

from d1lab import catalog
from d1lab.d1.database import quote
from d1lab.errors import D1labError, InputError, UnknownName
from d1lab.lab.frames import frame_of
from d1lab.lab.idle_queries import ended_if_idle
from d1lab.lab.local_tables import LocalTables, Namespace, local_table
from d1lab.lab.shared_tables import SharedTables
from d1lab.metrics import Metric, evaluate
from d1lab.select_statements import check_select, message_of, tables_read
from d1lab.warehouse import HISTORY, OWN, VIEWS, half_of_memory, limit_of, release_memory

if TYPE_CHECKING:
    import pandas as pd

LARGE_SECONDS = 0.5
"""Time of a query that may have used much memory."""

_MORE_MEMORY = (
    "Raise `memory` in d1lab.toml, which reports that run at once share, or run fewer at once "
    "(--workers 1)."
)

_SCHEMAS = ("raw", OWN)
_ZONED = "TIMESTAMP WITH TIME ZONE"
_UNKNOWN_TABLE = re.compile(r'Table with name "?([\w.]+)"? does not exist')
_UNKNOWN_COLUMNS = (
    re.compile(r'Referenced column "(.+?)" not found'),
    re.compile(r'does not have a column named "(.+?)"'),
    re.compile(r'Column "(.+?)" does not exist'),
)


def run(
    con: duckdb.DuckDBPyConnection,
    sql: str,
    params: Mapping[str, object],
    local: LocalTables | None = None,
    names: Namespace | None = None,
) -> duckdb.DuckDBPyRelation:
    """Return the lazy relation of one SELECT.

    Args:
        con: Connection to the warehouse.
        sql: The statement.
        params: Values of its parameters.
        local: Registers frames of the notebook.
        names: Variables of the notebook; a frame is a table unless the warehouse has its name.

    Raises:
        UnknownName: A table, column, or parameter does not exist.
        InputError: The SQL is invalid or not a single SELECT, or a parameter is missing.
    """
    takes = check_select(sql)
    for name in params:
        if name not in takes:
            raise UnknownName("parameter", name, takes, "this SQL")
    if missing := sorted(takes - set(params)):
        raise InputError(f"missing values for {', '.join('$' + name for name in missing)}")
    written = sql
    while True:
        try:
            found = con.sql(written, params=dict(params)) if params else con.sql(written)
        except duckdb.Error as error:
            frame, name = _missing_frame(error, names or {})
            if local is None or frame is None or f'"{name}" AS (FROM' in written:
                raise explained(con, error, sql) from None
            written = local.with_table(written, name, frame)
        else:
            return _in_utc(found)


def _missing_frame(error: duckdb.Error, names: Namespace) -> tuple[Any, str]:
    """Return the frame of the notebook with the name that the warehouse does not have."""
    match = _UNKNOWN_TABLE.search(str(error))
    return (local_table(match[1], names), match[1]) if match else (None, "")


def evaluated(
    con: duckdb.DuckDBPyConnection,
    metric: Metric,
    params: Mapping[str, object],
    shared: SharedTables | None = None,
    memory: str | None = None,
) -> pd.DataFrame:
    """Return the rows of a metric.

    Args:
        con: Connection to the warehouse.
        metric: The metric.
        params: Values of its parameters.
        shared: Tables of this connection that hold what several metrics read.
        memory: The connection's limit, such as '2GB', if a setting limits it.

    Raises:
        UnknownName: A parameter does not exist.
        InputError: A parameter is missing or invalid, or the SQL of the metric is.
        IdleQueryError: DuckDB used no processor time, and was stopped.
    """
    try:
        start = perf_counter()
        with ended_if_idle(con, f"metric {metric.name!r}"):
            if shared is not None:
                shared.prepare(metric, params)
            frame = _rows(con, metric, params, memory)
    except duckdb.CatalogException as error:
        raise InputError(
            f"metric {metric.name!r}: {explained(con, error, metric.sql)} If the warehouse "
            "was built before this metric was added, run `d1lab pull`."
        ) from None
    except duckdb.OutOfMemoryException:
        raise InputError(
            f"metric {metric.name!r} with {dict(params)} needs more memory than "
            f"{limit_of(con)}. {_MORE_MEMORY}"
        ) from None
    except duckdb.Error as error:
        raise InputError(
            f"metric {metric.name!r} with {dict(params)}: {explained(con, error, metric.sql)}"
        ) from None
    if perf_counter() - start >= LARGE_SECONDS:
        release_memory(con, is_limited=memory is not None)
    return frame


def _rows(
    con: duckdb.DuckDBPyConnection,
    metric: Metric,
    params: Mapping[str, object],
    memory: str | None,
) -> pd.DataFrame:
    """Return the rows of a metric, in half of the memory if that is enough."""
    if memory:
        with suppress(duckdb.OutOfMemoryException), half_of_memory(con, memory):
            return frame_of(evaluate(con, metric, params))
    return frame_of(evaluate(con, metric, params))


def _in_utc(found: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Return times with a zone, such as now(), as UTC without one, as all times of the warehouse.

    Also in lists, structs, and maps: DuckDB alone would need the package pytz.
    """
    kinds = zip(found.columns, map(str, found.types), strict=True)
    zoned = {name: kind for name, kind in kinds if _ZONED in kind}
    if not zoned or len({*found.columns}) < len(found.columns):
        return found
    casts = (
        f"CAST({quote(name)} AS {kind.replace(_ZONED, 'TIMESTAMP')}) AS {quote(name)}"
        for name, kind in zoned.items()
    )
    return found.project(f"* REPLACE ({', '.join(casts)})")


def explained(con: duckdb.DuckDBPyConnection, error: duckdb.Error, sql: str) -> D1labError:
    """Convert a DuckDB error to a d1lab error, with existing names and a suggestion."""
    text = str(error)
    if match := _UNKNOWN_TABLE.search(text):
        asked = _as_written(match[1], sql)
        if (VIEWS / f"{asked}.sql").is_file():
            return InputError(
                f"the view {asked!r} has no data in this database. `d1lab tables` lists the "
                f"tables and views with data; {OWN}.{asked} is the empty view."
            )
        return UnknownName("table", asked, relation_names(con), "the warehouse")
    for pattern in _UNKNOWN_COLUMNS:
        if match := pattern.search(text):
            return _unknown_column(con, match[1], sql)
    return InputError(f"SQL: {message_of(error)}")


def _as_written(name: str, sql: str) -> str:
    """Return a table name with its schema as in the SQL; DuckDB's message omits it."""
    match = re.search(rf'\b(\w+)"?\."?{re.escape(name)}\b', sql)
    return f"{match[1]}.{name}" if match else name


def _unknown_column(con: duckdb.DuckDBPyConnection, column: str, sql: str) -> UnknownName:
    tables = sorted(tables_read(sql))
    known = {name for table in tables for name in _columns(con, table)}
    return UnknownName("column", column, known, ", ".join(tables) or "this SQL")


def _columns(con: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    schema, _, name = table.rpartition(".")
    return [
        column
        for (column,) in con.execute(
            "SELECT column_name FROM duckdb_columns() WHERE schema_name = ? AND table_name = ?",
            [schema or "main", name],
        ).fetchall()
    ]


def relation(con: duckdb.DuckDBPyConnection, name: str) -> duckdb.DuckDBPyRelation:
    """Return all rows of one of `relation_names`; names can contain quotes, spaces, and dots."""
    schema, _, table = name.partition(".")
    if not table or schema not in _SCHEMAS:
        schema, table = "main", name  # the app may have a table "a.b"
    return con.table(f"{quote(schema)}.{quote(table)}")


def relation_names(con: duckdb.DuckDBPyConnection) -> list[str]:
    """List the views and tables of the warehouse: views first, then tables with their schema.

    d1lab's own tables are included only if they have data.
    """
    found = con.execute(
        """
        SELECT schema_name, view_name FROM duckdb_views()
        WHERE NOT internal AND NOT temporary AND schema_name NOT IN ($own, $history)
        UNION ALL SELECT schema_name, table_name FROM duckdb_tables()
        WHERE NOT internal AND (estimated_size > 0 OR NOT list_contains($declared, table_name))
        """,
        {"own": OWN, "history": HISTORY, "declared": list(catalog.TABLES)},
    ).fetchall()
    names = (name if schema == "main" else f"{schema}.{name}" for schema, name in found)
    return sorted(names, key=lambda name: ("." in name, name))
