"""The tail of a table: its rows of the last days, which a pull reads again."""
# ruff: noqa: S608  (names are quoted, values are bound)

# pyright: standard

from __future__ import annotations

import duckdb

from d1lab import catalog
from d1lab.d1.database import quote
from d1lab.pull.bounds import Bounds
from d1lab.pull.fields import ROWID
from d1lab.warehouse import TableRecord


def before_tail(con: duckdb.DuckDBPyConnection, declared: catalog.Table, days: int) -> int | None:
    """Return the rowid before the first row of the last days; None: read the whole table.

    Future dates are ignored: otherwise one invalid date would hide all recent rows. Rows that
    d1lab inserted have no rowid here yet. In D1, theirs follow those of all rows that were read.

    Args:
        con: The current warehouse.
        declared: The table.
        days: How many days before the newest day.
    """
    day, table = quote(str(declared.added_on or declared.day)), f"raw.{quote(declared.name)}"
    found = con.execute(
        f"SELECT coalesce(min({ROWID}) FILTER ({day} >= first) - 1, max({ROWID})) FROM {table}, "
        f"(SELECT max({day})::DATE - ?::INTEGER AS first FROM {table} "
        f"WHERE {day} <= current_date + 1) WHERE first IS NOT NULL",
        [days],
    ).fetchall()
    return found[0][0]


def is_cut_off(known: TableRecord, bounds: Bounds) -> bool:
    """Whether the last rows of a table that d1lab adds rows to are gone.

    Their rowids can belong to rows that were added since.

    Args:
        known: The warehouse's record of the table.
        bounds: Its bounds in D1.
    """
    declared = catalog.TABLES.get(known.table_name)
    is_shorter = bounds.high < (known.high_rowid or 0)
    return is_shorter and declared is not None and declared.added_on is not None
