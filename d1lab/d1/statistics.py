"""Check the planner statistics of D1 for errors that cause table scans.

`PRAGMA optimize` and `ANALYZE` write the size of each index to `sqlite_stat1`. If they ran
while a table had only a row or two, the planner keeps using that size, and scans the table
for each range of rowids, which D1 bills. Running `PRAGMA optimize` again does not help, because it
skips tables that it considers unchanged; `ANALYZE <table>` does.
"""

from __future__ import annotations

from typing import NamedTuple

from d1lab.d1.database import Database, TableInfo, quote
from d1lab.errors import D1QueryError

MISLEADING_ROWS = 10  # recorded size; from three rows on, SQLite 3.40 looks rowids up
MISLEADING_RATIO = 20  # the table has this many times more rows


class UniqueIndex(NamedTuple):
    """An index that covers every row of a table exactly once."""

    name: str
    columns: tuple[str, ...]


def believed_rows(db: Database) -> dict[str, int]:
    """Return the recorded row count of each table, by its name in lower case.

    Tables that were never analyzed are left out. Reads one row per index.
    """
    try:
        rows = db.query("SELECT tbl, stat FROM sqlite_stat1").rows
    except D1QueryError:
        return {}
    found: dict[str, int] = {}
    for table, stat in rows:
        first = str(stat or "").split(" ")[0]
        if first.isdigit():
            name = str(table).lower()
            found[name] = min(int(first), found.get(name, int(first)))
    return found


def misleads(believed: int | None, rows: int) -> bool:
    """Whether a recorded row count makes D1 scan a table of this size instead of looking up rows.

    >>> misleads(1, 50_000), misleads(40_000, 50_000), misleads(None, 50_000), misleads(1, 3)
    (True, False, False, False)
    """
    if believed is None or believed > MISLEADING_ROWS:
        return False
    return rows > MISLEADING_RATIO * max(believed, 1)


def unique_index(db: Database, table: TableInfo) -> UniqueIndex | None:
    """Return an index that has every row of a table once, on columns that are never NULL.

    Uses PRAGMAs only, which D1 does not bill.
    """
    filled = {column.name.lower(): column.name for column in table.columns if column.not_null}
    for _, name, unique, _, partial in db.query(f"PRAGMA index_list({quote(table.name)})").rows:
        if not unique or partial:
            continue
        listed = db.query(f"PRAGMA index_info({quote(str(name))})").rows
        columns = [str(column or "").lower() for _, _, column in listed]
        if all(column in filled for column in columns):
            return UniqueIndex(str(name), tuple(filled[column] for column in columns))
    return None
