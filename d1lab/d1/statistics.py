"""What D1's planner believes of its tables, and whether that is so wrong that it scans them.

`PRAGMA optimize` and `ANALYZE` write the size of each index into `sqlite_stat1`. Where they ran
while a table had a row or two, the planner takes it for that small ever after, and reads all of it
for each range of rowids, which D1 bills. Running `PRAGMA optimize` again does not help: it looks
only at tables that it thinks have changed; `ANALYZE <table>` does.
"""

from __future__ import annotations

from typing import NamedTuple

from d1lab.d1.database import Database, TableInfo, quote
from d1lab.errors import D1QueryError

MISLEADING_ROWS = 10  # believed: from three rows on, SQLite 3.40 looks rowids up
MISLEADING_RATIO = 20  # the table has so many times more


class UniqueIndex(NamedTuple):
    """An index by which every row of a table can be read, each once."""

    name: str
    columns: tuple[str, ...]


def believed_rows(db: Database) -> dict[str, int]:
    """How many rows D1 believes each table to have, by its name in small letters.

    A table that was never analyzed is left out; so are all where nothing ever was. Reads one row
    for each index.
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
    """Whether D1 takes a table of so many rows for one that is not worth looking up.

    >>> misleads(1, 50_000), misleads(40_000, 50_000), misleads(None, 50_000), misleads(1, 3)
    (True, False, False, False)
    """
    if believed is None or believed > MISLEADING_ROWS:
        return False
    return rows > MISLEADING_RATIO * max(believed, 1)


def unique_index(db: Database, table: TableInfo) -> UniqueIndex | None:
    """An index of a table that holds every row once, by columns that are never NULL.

    Asked for with PRAGMAs, which D1 does not bill.
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
