"""The app's own tables under their own names, with the types that their values show.

raw.<table>     the app's table as D1 stores it
main.<table>    the same rows: BOOLEAN, times, JSON and decimals as such, where all values fit
main.<view>     the app's views, if DuckDB returns the same as SQLite
d1lab.<view>    d1lab's views; main has those with data and a name that the app does not use
d1lab.columns   per column of the app: its declaration, its comment, and how it stores values
"""
# ruff: noqa: S608  (names are quoted, values are bound)

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import duckdb

from d1lab import catalog
from d1lab.d1.database import quote
from d1lab.warehouse.shop_days import columns_by_table
from d1lab.warehouse.sqlite_views import as_duckdb

APPS = "app_"
"""Prefix in schema raw for an app's table with the name of a d1lab table."""

_INSTANT = "make_timestamp(epoch_us(TRY_CAST({0} AS TIMESTAMPTZ)))"  # without an offset, UTC
_NUMBER = "abs(TRY_CAST({0} AS DOUBLE))"
_SECONDS = f"{_NUMBER} BETWEEN 1e8 AND 99999999999"  # 1973 to 5138
_MILLISECONDS = f"{_NUMBER} BETWEEN 1e11 AND 1e14"
_FROM_NUMBER = (
    "make_timestamp((TRY_CAST({0} AS DOUBLE) * CASE WHEN "
    f"{_MILLISECONDS} THEN 1000 ELSE 1000000 END)::BIGINT)"
)
_DECIMAL = re.compile(r"(?:DECIMAL|NUMERIC)\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)")


class AppColumn(NamedTuple):
    """A column of an app's table, as a row of d1lab.columns."""

    table_name: str  # in the schema raw
    column_name: str
    declared: str
    key_position: int  # 1-based place in the primary key; 0 outside
    refers_to: str  # 'table.column', or ''
    comment: str
    table_comment: str
    stored_as: str = ""  # 'text', 'seconds', 'milliseconds', 'text and seconds', '0 and 1', 'JSON'


class _Form(NamedTuple):
    """How a column's values are shown."""

    sql: str
    stored_as: str


def show_app_tables(
    con: duckdb.DuckDBPyConnection,
    columns: Sequence[AppColumn],
    views: Mapping[str, str],
    collated: Collection[str] = (),
) -> dict[str, str]:
    """Make the app's tables and views the first that a name finds; call it after `create_views`.

    Args:
        con: The warehouse that is being built.
        columns: The columns of all of the app's own tables.
        views: The app's views, each with its CREATE statement.
        collated: The app's columns that do not compare byte by byte, in lower case.

    Returns:
        The views that DuckDB does not run as SQLite does, each with the reason.
    """
    by_table: dict[str, list[AppColumn]] = {}
    for column in columns:
        by_table.setdefault(column.table_name, []).append(column)
    _hide_own(con, {own_name(name).lower() for name in (*by_table, *views)})
    con.execute("DELETE FROM d1lab.columns")
    types = columns_by_table(con)
    for table, its_columns in by_table.items():
        _show_table(con, table, its_columns, types.get(table, {}))
    return _show_views(con, views, {own_name(table).lower() for table in by_table}, collated)


def own_name(table: str) -> str:
    """Return the app's name of one of its tables in the schema raw.

    >>> own_name("app_product_costs"), own_name("app_orders")
    ('product_costs', 'app_orders')
    """
    bare = table.removeprefix(APPS)
    return bare if bare in catalog.TABLES else table


def _hide_own(con: duckdb.DuckDBPyConnection, taken: set[str]) -> None:
    """Remove d1lab's views from main that are empty, or whose name the app uses."""
    shown = con.execute("SELECT view_name FROM duckdb_views() WHERE schema_name = 'd1lab'")
    for (name,) in shown.fetchall():
        rows = con.execute(f"SELECT 1 FROM d1lab.{quote(name)} LIMIT 1").fetchall()
        if name.lower() in taken or not rows:
            con.execute(f"DROP VIEW IF EXISTS main.{quote(name)}")


def _show_table(
    con: duckdb.DuckDBPyConnection,
    table: str,
    columns: Sequence[AppColumn],
    types: Mapping[str, str],
) -> None:
    there = [column for column in columns if column.column_name in types]
    if not there:
        return  # it could not be pulled
    forms = [_form(con, column, types[column.column_name]) for column in there]
    listed = ", ".join(
        f"{form.sql} AS {quote(column.column_name)}"
        for column, form in zip(there, forms, strict=True)
    )
    name = f"main.{quote(own_name(table))}"
    con.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT {listed} FROM raw.{quote(table)}")
    rows = [c._replace(stored_as=f.stored_as) for c, f in zip(there, forms, strict=True)]
    marks = ", ".join("?" * len(AppColumn._fields))
    con.executemany(f"INSERT INTO d1lab.columns VALUES ({marks})", [list(row) for row in rows])


def _form(con: duckdb.DuckDBPyConnection, column: AppColumn, stored: str) -> _Form:
    """How a column is shown: as its declaration has it, if every value fits it."""
    name, declared = quote(column.column_name), column.declared.upper()
    plain = _Form(name, "")
    if "DATE" in declared or "TIMESTAMP" in declared:
        return _time_form(con, column, plain)
    if "BOOL" in declared and stored == "BIGINT":
        fits, form = f"{name} IN (0, 1)", _Form(f"CAST({name} AS BOOLEAN)", "0 and 1")
    elif "JSON" in declared and stored == "VARCHAR":
        fits, form = f"json_valid({name})", _Form(f"CAST({name} AS JSON)", "JSON")
    elif (match := _DECIMAL.match(declared)) and stored == "DOUBLE" and int(match[1]) <= 38:
        cast = f"TRY_CAST({name} AS DECIMAL({match[1]}, {match[2]}))"
        fits, form = f"CAST({cast} AS DOUBLE) = {name}", _Form(cast, "")
    else:
        return plain
    sql = f"SELECT count({name}) = count(*) FILTER ({fits}) FROM raw.{quote(column.table_name)}"
    [(all_fit,)] = con.execute(sql).fetchall()
    return form if all_fit else plain


def _time_form(con: duckdb.DuckDBPyConnection, column: AppColumn, plain: _Form) -> _Form:
    """Times stored as text, as seconds or as milliseconds since 1970, even side by side."""
    text = f"CAST({quote(column.column_name)} AS VARCHAR)"
    instant, seconds, milliseconds = (
        part.format(text) for part in (_INSTANT, _SECONDS, _MILLISECONDS)
    )
    counts = ", ".join(
        f"count(*) FILTER ({condition})"
        for condition in (
            f"{text} IS NOT NULL",
            f"{instant} IS NOT NULL",
            seconds,
            milliseconds,
            f"regexp_full_match({text}, '\\d{{4}}-\\d\\d-\\d\\d')",
        )
    )
    sql = f"SELECT {counts} FROM raw.{quote(column.table_name)}"
    [(known, texts, in_seconds, in_milliseconds, days)] = con.execute(sql).fetchall()
    if known != texts + in_seconds + in_milliseconds:
        return plain
    found = {"text": texts, "seconds": in_seconds, "milliseconds": in_milliseconds}
    stored_as = " and ".join(name for name, count in found.items() if count)
    if column.declared.upper() == "DATE" and days == known:
        return _Form(f"TRY_CAST({text} AS DATE)", stored_as)
    number = _FROM_NUMBER.format(text)
    return _Form(f"coalesce({instant}, {number})" if known != texts else instant, stored_as)


def _show_views(
    con: duckdb.DuckDBPyConnection,
    views: Mapping[str, str],
    taken: Iterable[str],
    collated: Collection[str],
) -> dict[str, str]:
    """Make the app's views, in whatever order they read each other."""
    waiting = {name: sql for name, sql in views.items() if name.lower() not in taken}
    failed: dict[str, str] = {}
    while waiting:
        tried = {name: _show_view(con, name, sql, collated) for name, sql in waiting.items()}
        failed = {name: why for name, why in tried.items() if why}
        if len(failed) == len(waiting):
            break
        waiting = {name: waiting[name] for name in failed}
    return failed


def _show_view(
    con: duckdb.DuckDBPyConnection, name: str, sql: str, collated: Collection[str]
) -> str:
    """Make one view; why DuckDB does not run it, or nothing."""
    try:
        names, select = as_duckdb(con, sql, collated)
        con.execute(f"CREATE VIEW main.{quote(name)}{names} AS {select}")
        con.execute(f"SELECT * FROM main.{quote(name)} LIMIT 1")
    except (ValueError, duckdb.Error) as error:
        con.execute(f"DROP VIEW IF EXISTS main.{quote(name)}")
        return str(error).partition("\n")[0]
    return ""
