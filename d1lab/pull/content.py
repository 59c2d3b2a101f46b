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
    digests = digest_by(con, name, _of_app(name, columns), group, schema)
    _record(con, name, digests if has_shop else {})
    return digests[None]


def _record(con: duckdb.DuckDBPyConnection, name: str, digests: Mapping[str | None, str]) -> None:
    con.execute("DELETE FROM d1lab.shop_digests WHERE table_name = ?", [name])
    if digests:
        con.execute(
            "INSERT INTO d1lab.shop_digests SELECT ?, unnest(?::VARCHAR[]), unnest(?::VARCHAR[])",
            [name, list(digests), list(digests.values())],
        )


def _of_app(name: str, columns: Sequence[str]) -> list[str]:
    declared = catalog.TABLES.get(name)
    analysis = declared.owned("analysis") if declared else ()
    return [column for column in columns if column not in analysis]
