"""Check the planner statistics of D1 for errors that cause table scans.

`PRAGMA optimize` and `ANALYZE` write the size of each index to `sqlite_stat1`. If they ran
while a table had only a row or two, the planner keeps using that size, and scans the table
for each range of rowids, which D1 bills. Running `PRAGMA optimize` again does not help, because it
skips tables that it considers unchanged; `ANALYZE <table>` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

from d1lab.d1.database import Database, UniqueIndex
from d1lab.d1.schema import Index, indexes
from d1lab.errors import D1QueryError

MISLEADING_ROWS = 10  # recorded size; from three rows on, SQLite 3.40 looks rowids up
MISLEADING_RATIO = 20  # the table has this many times more rows


_misled: WeakKeyDictionary[Database, dict[str, tuple[Index, ...]]] = WeakKeyDictionary()
"""Per connection, the indexes of the tables recorded as tiny, by their names in lower
case."""


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


def misled_key(db: Database, table: str, key: Sequence[str]) -> UniqueIndex | None:
    """Return a key's UNIQUE index if D1 might scan the whole table instead of looking rows up.

    D1 does so in a join with a list of keys, for each key, if its statistics record a tiny table.
    The statistics are read once per connection.

    Args:
        db: The database.
        table: The table.
        key: The columns of the key.
    """
    if db not in _misled:
        tiny = {name for name, rows in believed_rows(db).items() if rows <= MISLEADING_ROWS}
        found = indexes(db) if tiny else {}
        _misled[db] = {name.lower(): each for name, each in found.items() if name.lower() in tiny}
    wanted = {column.lower() for column in key}
    for index in _misled[db].get(table.lower(), ()):
        if index.unique and {column.lower() for column in index.columns} == wanted:
            return UniqueIndex(index.name, index.columns)
    return None
