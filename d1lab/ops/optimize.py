"""The cure for statistics that mislead D1: `ANALYZE` of the tables that it takes for tiny."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from d1lab.d1 import Database, TableInfo, quote
from d1lab.d1.keyset import rowid_name
from d1lab.d1.statistics import MISLEADING_ROWS, believed_rows, misleads

READS_PER_ROW = 2  # of ANALYZE, as D1 bills it


class Misled(NamedTuple):
    """A table whose size D1's statistics have wrong."""

    table: str
    believed_rows: int
    rows: int  # at most: rowids between the lowest and the highest
    rows_read: int  # that `ANALYZE` reads; an estimate until it has run


def misled_tables(db: Database, tables: Iterable[TableInfo]) -> list[Misled]:
    """The tables that D1 scans, because it believes that they have hardly any row.

    Three rows are read for each table that is in doubt, and one for each index.
    """
    believed = believed_rows(db)
    found: list[Misled] = []
    for table in tables:
        rows = believed.get(table.name.lower())
        if rows is None or rows > MISLEADING_ROWS or not table.has_rowid:
            continue
        held = _most_rows(db, table)
        if misleads(rows, held):
            found.append(Misled(table.name, rows, held, READS_PER_ROW * held))
    return found


def optimize(db: Database, *, dry_run: bool = False) -> list[Misled]:
    """Let D1 count the tables again that its statistics have wrong.

    Args:
        db: The database, opened for writing unless `dry_run`.
        dry_run: Only say which tables these are, and what it would cost.

    Returns:
        Those tables, with what was read.
    """
    found = misled_tables(db, db.tables().values())
    if dry_run:
        return found
    return [_analyzed(db, table) for table in found]


def _analyzed(db: Database, misled: Misled) -> Misled:
    usage = db.execute(f"ANALYZE {quote(misled.table)}", table=misled.table, idempotent=True).usage
    return misled._replace(rows_read=usage.rows_read)


def _most_rows(db: Database, table: TableInfo) -> int:
    rowid, name = rowid_name(table), quote(table.name)
    sql = f"SELECT (SELECT min({rowid}) FROM {name}), (SELECT max({rowid}) FROM {name})"  # noqa: S608
    [(low, high)] = db.query(sql, table=table.name).rows
    return int(str(high)) - int(str(low)) + 1 if high is not None else 0
