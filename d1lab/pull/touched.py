"""Find changed rows by the app's own index, if the index proves to be complete.

The guide's app sets `last_used_at` with every update of a counter, and has an index on it. This is
verified for each app: every time the table is read in full, the rows that changed are compared
with those that the index would have found. Later pulls use the index only if it would have found
all changed rows, and at least one row changed.
"""
# ruff: noqa: S608  (names are quoted, values are bound)

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from d1lab.d1.batches import MOST_ROWS
from d1lab.d1.database import Budget, Database, Statement, TableInfo, quote, rowid_name
from d1lab.errors import D1QueryError
from d1lab.pull.fields import ROWID

_BEFORE = "_d1lab_before"


def index_on(db: Database, table: TableInfo, column: str) -> str | None:
    """Return the table's full index that starts with a column. Billed no rows."""
    for _, name, _, _, partial in db.query(f"PRAGMA index_list({quote(table.name)})").rows:
        listed = db.query(f"PRAGMA index_info({quote(str(name))})").rows
        if not partial and listed and str(listed[0][2]).lower() == column:
            return str(name)
    return None


def touched_rowids(
    db: Database, table: TableInfo, column: str, index: str, since: str, budget: Budget
) -> list[int] | None:
    """Return the rowids of the rows touched since a time, sorted. Reads one row for each.

    Args:
        db: The database.
        table: The table.
        column: The column that every update sets.
        index: The index on it.
        since: The start time, in D1's format.
        budget: The limit on rows read.

    Returns:
        None if there are too many, or if the index no longer exists.
    """
    with budget.take(MOST_ROWS, table=table.name) as granted:
        sql, params, _ = touched_since(table, column, index, since, granted)
        try:
            rows = db.query(sql, params, table=table.name).rows
        except D1QueryError:
            return None
    return sorted(int(str(rowid)) for (rowid,) in rows) if len(rows) < granted else None


def touched_since(
    table: TableInfo, column: str, index: str, since: str, most: int = MOST_ROWS
) -> Statement:
    """Select at most so many rowids touched since a time: see `touched_rowids`."""
    sql = (
        f"SELECT t.{rowid_name(table)} FROM {quote(table.name)} AS t INDEXED BY {quote(index)} "
        f"WHERE t.{quote(column)} >= ?1 LIMIT ?2"
    )
    return Statement(sql, (since, most))


class Proof:
    """Checks whether the index would have found all changes to a table; created before a reread.

    Args:
        con: The new warehouse, with the table in its previous state.
        name: The table.
        columns: The columns that the app writes.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, name: str, columns: Sequence[str]) -> None:
        self._con, self._raw, self._columns = con, f"raw.{quote(name)}", columns
        con.execute(f"CREATE OR REPLACE TEMP TABLE {_BEFORE} AS SELECT * FROM {self._raw}")

    def is_complete(self, column: str, since: str, low: int) -> bool:
        """Whether every changed row was touched since, and only the oldest rows were deleted.

        Args:
            column: The column that every update should set.
            since: When the table was last read, in D1's format.
            low: The lowest rowid that D1 has.
        """
        both = ("".join(f"{side}.{quote(c)}, " for c in self._columns) for side in ("new", "old"))
        new, old = (f"row({names.rstrip(', ')})" for names in both)
        is_touched = f"new.{quote(column)} >= ?::TIMESTAMP"
        [(changed, missed)] = self._con.execute(
            f"SELECT count(*), count(*) FILTER (NOT coalesce({is_touched}, false)) "
            f"FROM {self._raw} AS new JOIN {_BEFORE} AS old USING ({ROWID}) "
            f"WHERE {new} IS DISTINCT FROM {old}",
            [since],
        ).fetchall()
        [(gone,)] = self._con.execute(
            f"SELECT count(*) FROM {_BEFORE} AS old ANTI JOIN {self._raw} AS new USING ({ROWID}) "
            f"WHERE old.{ROWID} >= ?",
            [low],
        ).fetchall()
        self._con.execute(f"DROP TABLE {_BEFORE}")
        return bool(changed) and not missed and not gone
