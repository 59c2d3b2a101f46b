"""A summary of a warehouse table's content."""
# ruff: noqa: S608  (names are quoted)

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

import duckdb

from d1lab import catalog
from d1lab.d1.database import quote
from d1lab.pull.fields import ROWID
from d1lab.warehouse import HISTORY, Manifest, digest


class Content(NamedTuple):
    """The summary of a warehouse table's content."""

    rows: int
    high_rowid: int | None
    digest: str  # without d1lab's own columns: a push must not make reports due again


def content_of(con: duckdb.DuckDBPyConnection, name: str, columns: Sequence[str]) -> Content:
    """Summarize the content of a table in schema raw.

    Args:
        con: The warehouse.
        name: The table.
        columns: Its columns, without the rowid.
    """
    [(rows, high)] = con.execute(f"SELECT count(*), max({ROWID}) FROM raw.{quote(name)}").fetchall()
    declared = catalog.TABLES.get(name)
    if declared and catalog.only_d1lab_writes(declared):
        return Content(rows, high, "")
    return Content(rows, high, digest(con, name, _of_app(name, columns)))


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
                [rows, high, digest(con, name, names, HISTORY), name],
            )


def _of_app(name: str, columns: Sequence[str]) -> list[str]:
    declared = catalog.TABLES.get(name)
    analysis = declared.owned("analysis") if declared else ()
    return [column for column in columns if column not in analysis]
