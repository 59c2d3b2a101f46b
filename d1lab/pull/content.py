"""A summary of a warehouse table's content: of all rows, and of each shop's.

A report on one shop reads that shop's rows only. So a digest for each shop says whose reports a
change makes due.
"""
# ruff: noqa: S608  (names are quoted)

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import duckdb

from d1lab import catalog
from d1lab.d1.database import quote
from d1lab.pull.fields import ROWID
from d1lab.warehouse import HISTORY, Manifest, digest_by

_SHOP = "shop"
_COUNTS, _USES, _AMOUNT = "discount_analytics", "times_used", "discount_amount"
_NUMBERS = ("integer", "money", "real")


class Content(NamedTuple):
    """The summary of a warehouse table's content."""

    rows: int
    high_rowid: int | None
    digest: str  # without d1lab's own columns: a push must not make reports due again


def content_of(con: duckdb.DuckDBPyConnection, name: str, columns: Sequence[str]) -> Content:
    """Summarize the content of a table in schema raw, and record the digests of its shops.

    Args:
        con: The warehouse.
        name: The table.
        columns: Its columns, without the rowid.
    """
    [(rows, high)] = con.execute(f"SELECT count(*), max({ROWID}) FROM raw.{quote(name)}").fetchall()
    declared = catalog.TABLES.get(name)
    if declared and catalog.only_d1lab_writes(declared):
        return Content(rows, high, "")
    return Content(rows, high, _digest(con, name, columns))


def note_history(con: duckdb.DuckDBPyConnection, archive: Manifest) -> None:
    """Let the digests of archived tables count the archive: moving rows there changes no report.

    Args:
        con: The new warehouse, with its views.
        archive: Its archive.
    """
    for name in {file.table for file in archive.files}:
        found = con.execute("SELECT columns FROM d1lab.tables WHERE table_name = ?", [name])
        for (columns,) in found.fetchall():
            names = _of_app(name, [field[0] for field in json.loads(columns)])
            rows, high, _ = content_of(con, name, names)
            con.execute(
                "UPDATE d1lab.tables SET rows = ?, high_rowid = ?, digest = ? WHERE table_name = ?",
                [rows, high, _digest(con, name, names, HISTORY), name],
            )


def _digest(
    con: duckdb.DuckDBPyConnection, name: str, columns: Sequence[str], schema: str = "raw"
) -> str:
    """Return the digest of a table, and record those of its shops, where it has a shop."""
    has_shop = name in catalog.TABLES and _SHOP in columns
    group = quote(_SHOP) if has_shop else "NULL"
    kept = _not_own(con, name, columns)
    digests = digest_by(con, name, _of_app(name, columns), group, schema, kept)
    if name == _COUNTS and {_USES, _AMOUNT} <= set(columns):
        counting = _counting(con, schema)
        digests = {k: each if k is None else each + counting for k, each in digests.items()}
    _record(con, name, digests if has_shop else {})
    return digests[None]


def _counting(con: duckdb.DuckDBPyConnection, schema: str) -> str:
    """Return how the app counts the uses of discounts, which rows of any shop can show.

    A row with a discount but no use says that the first use is not counted: see discount_totals.
    """
    where = f"{quote(_USES)} = 0 AND {quote(_AMOUNT)} > 0"
    found = con.execute(f"SELECT count(*) > 0 FROM {schema}.{quote(_COUNTS)} WHERE {where}")
    return "-from 0" if found.fetchall() == [(True,)] else ""


def _record(con: duckdb.DuckDBPyConnection, name: str, digests: Mapping[str | None, str]) -> None:
    con.execute("DELETE FROM d1lab.shop_digests WHERE table_name = ?", [name])
    if digests:
        con.execute(
            "INSERT INTO d1lab.shop_digests SELECT ?, unnest(?::VARCHAR[]), unnest(?::VARCHAR[])",
            [name, list(digests), list(digests.values())],
        )


def note_own_rows(
    con: duckdb.DuckDBPyConnection, name: str, key: Sequence[str], source: str
) -> None:
    """Record the rows that d1lab has inserted in a table of the app, before they are read.

    Args:
        con: The warehouse, without these rows.
        name: The table.
        key: The columns of its key.
        source: A query with the written rows; those in the warehouse were only updated.
    """
    columns = ", ".join(map(quote, key))
    con.execute(
        f"INSERT INTO d1lab.own_rows SELECT ?, hash({columns}) FROM {source} "
        f"ANTI JOIN raw.{quote(name)} USING ({columns})",
        [name],
    )


def _not_own(con: duckdb.DuckDBPyConnection, name: str, columns: Sequence[str]) -> str:
    """Return the condition of rows that d1lab did not insert, or that the app has filled since.

    A push gives a new customer a segment in a table whose other columns the app counts. Such a row
    tells reports nothing that the order did not.
    """
    sql = "SELECT count(*) FROM d1lab.own_rows WHERE table_name = ?"
    if con.execute(sql, [name]).fetchall() == [(0,)]:
        return "true"
    declared = catalog.TABLES[name]
    key, table = ", ".join(map(quote, declared.key)), quote(name)
    con.execute(
        "DELETE FROM d1lab.own_rows WHERE table_name = ? "
        f"AND row NOT IN (SELECT hash({key}) FROM raw.{table})",
        [name],
    )
    numbers = {column.name for column in declared.columns if column.type in _NUMBERS}
    unfilled = " AND ".join(
        f"coalesce({quote(each)}, 0) = 0" if each in numbers else f"{quote(each)} IS NULL"
        for each in _of_app(name, columns)
        if each not in declared.key
    )
    own = f"hash({key}) IN (SELECT row FROM d1lab.own_rows WHERE table_name = '{declared.name}')"
    return f"NOT ({unfilled} AND {own})"


def _of_app(name: str, columns: Sequence[str]) -> list[str]:
    declared = catalog.TABLES.get(name)
    analysis = declared.owned("analysis") if declared else ()
    return [column for column in columns if column not in analysis]
