"""Changed rows found by an index of the app's own, where it is found to be complete.

The guide's app sets `last_used_at` with every update of a counter, and has an index on it. Whether
an app does so is no matter of trust: each time that the table is read whole, the rows that changed
since are held against what the index would have told. Only if it would have told of all of them,
and of one at least, the table is read by it from then on.
"""
# ruff: noqa: S608  (names are quoted, values are bound)

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from d1lab.d1.database import Budget, Database, TableInfo, quote
from d1lab.d1.keyset import MOST_ROWS, rowid_name
from d1lab.errors import D1QueryError
from d1lab.pull.fields import ROWID

_BEFORE = "_d1lab_before"


def index_on(db: Database, table: TableInfo, column: str) -> str | None:
    """The index of a table that begins with a column and holds every row; asked for unbilled."""
    for _, name, _, _, partial in db.query(f"PRAGMA index_list({quote(table.name)})").rows:
        listed = db.query(f"PRAGMA index_info({quote(str(name))})").rows
        if not partial and str(listed[0][2]).lower() == column:
            return str(name)
    return None


def touched_rowids(
    db: Database, table: TableInfo, column: str, index: str, since: str, budget: Budget
) -> list[int] | None:
    """Rowids of the rows touched since, in order; one row is read for each.

    Args:
        db: The database.
        table: The table.
        column: What every update moves.
        index: The index on it.
        since: From when on, as D1 writes it.
        budget: What limits the rows read.

    Returns:
        None where they are too many, or where the index is gone.
    """
    sql = (
        f"SELECT t.{rowid_name(table)} FROM {quote(table.name)} AS t INDEXED BY {quote(index)} "
        f"WHERE t.{quote(column)} >= ?1 LIMIT ?2"
    )
    with budget.take(MOST_ROWS, table=table.name) as granted:
        try:
            rows = db.query(sql, (since, granted), table=table.name).rows
        except D1QueryError:
            return None
    return sorted(int(str(rowid)) for (rowid,) in rows) if len(rows) < granted else None


class Proof:
    """Whether the index would have told of all that changed in a table: begun before it is read.

    Args:
        con: The warehouse that is being built; it holds the table as it was.
        name: The table.
        columns: What the app writes of it.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, name: str, columns: Sequence[str]) -> None:
        self._con, self._raw, self._columns = con, f"raw.{quote(name)}", columns
        con.execute(f"CREATE OR REPLACE TEMP TABLE {_BEFORE} AS SELECT * FROM {self._raw}")

    def is_complete(self, column: str, since: str, low: int) -> bool:
        """Whether every row that changed was touched since, and none was deleted but the oldest.

        Args:
            column: What every update should move.
            since: When the table was read before, as D1 writes it.
            low: The lowest rowid that D1 has.
        """
        both = ("".join(f"{side}.{quote(c)}, " for c in self._columns) for side in ("new", "old"))
        new, old = (f"row({names.rstrip(', ')})" for names in both)
        told = f"new.{quote(column)} >= ?::TIMESTAMP"
        [(changed, missed)] = self._con.execute(
            f"SELECT count(*), count(*) FILTER (NOT coalesce({told}, false)) "
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
