"""A summary of a warehouse table's content."""
# ruff: noqa: S608  (names are quoted)

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import duckdb

from d1lab import catalog
from d1lab.d1.database import quote
from d1lab.pull.fields import ROWID
from d1lab.warehouse import digest


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
    analysis = declared.owned("analysis") if declared else ()
    names = [column for column in columns if column not in analysis]
    return Content(rows, high, digest(con, name, names))
