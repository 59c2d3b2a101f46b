"""Fix outdated planner statistics in D1 with `ANALYZE`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from d1lab.d1 import Database, TableInfo, quote
from d1lab.d1.database import rowid_name
from d1lab.d1.statistics import MISLEADING_ROWS, believed_rows, misleads

READS_PER_ROW = 2  # of ANALYZE, as billed by D1


class Misled(NamedTuple):
    """A table with an outdated size in D1's statistics."""

    table: str
    believed_rows: int
    rows: int  # at most: rowids between the lowest and the highest
    rows_read: int  # rows read by `ANALYZE`; an estimate until it has run


def misled_tables(db: Database, tables: Iterable[TableInfo]) -> list[Misled]:
    """Find the tables that D1 scans because its statistics record almost no rows for them.

    Reads three rows per suspected table, and one per index.
    """
    believed = believed_rows(db)
    found: list[Misled] = []
    for table in tables:
        rows = believed.get(table.name.lower())
        if rows is None or rows > MISLEADING_ROWS or not table.has_rowid:
            continue
        held = most_rows(db, table)
        if misleads(rows, held):
            found.append(Misled(table.name, rows, held, READS_PER_ROW * held))
    return found


def optimize(db: Database, *, dry_run: bool = False) -> list[Misled]:
    """Update the statistics of the tables with an outdated size.

    Args:
        db: The database, opened for writing unless `dry_run`.
        dry_run: Whether to only return the tables and the expected cost.

    Returns:
        The tables, with the rows read.
    """
    found = misled_tables(db, db.tables().values())
    if dry_run:
        return found
    return [_analyzed(db, table) for table in found]


def _analyzed(db: Database, misled: Misled) -> Misled:
    usage = db.execute(f"ANALYZE {quote(misled.table)}", table=misled.table, idempotent=True).usage
    return misled._replace(rows_read=usage.rows_read)


def most_rows(db: Database, table: TableInfo) -> int:
    """Return how many rows a table has at most, by its rowids; reads two rows."""
    rowid, name = rowid_name(table), quote(table.name)
    sql = f"SELECT (SELECT min({rowid}) FROM {name}), (SELECT max({rowid}) FROM {name})"  # noqa: S608
    [(low, high)] = db.query(sql, table=table.name).rows
    return int(str(high)) - int(str(low)) + 1 if high is not None else 0
