"""The change log: which rows were updated or deleted since the last pull.

Triggers in D1 note each of them (see the migration of order_events), so that a pull reads just
these rows again. Reading the log costs a row for each entry, and two for each row looked up.
"""

from __future__ import annotations

from d1lab.d1.budget import Budget
from d1lab.d1.database import Database, TableInfo
from d1lab.d1.pages import PageReader
from d1lab.pull.batch import Batches
from d1lab.pull.plan import Sweep


def changed_rowids(
    db: Database, log: TableInfo, sweep: Sweep, seen: int, *, packed: bool, budget: Budget
) -> list[int]:
    """Rowids of a table's rows that were updated or deleted, in order, each once.

    Args:
        db: The database.
        log: Its change log.
        sweep: What is read of the table, and up to where the log goes.
        seen: The entry up to which the log is known.
        packed: Whether the database packs its pages.
        budget: What limits the rows read.
    """
    name = sweep.table.name.lower() if sweep.table else ""
    reader = PageReader(db, log, ("table_name", "row_id"), packed=packed, budget=budget)
    found = {
        row_id
        for page in reader.by_rowid(seen, sweep.changes_upto or 0)
        for table, row_id in zip(*page.columns, strict=True)
        if str(table).lower() == name and isinstance(row_id, int)
    }
    return sorted(found)


def changed_rows(
    db: Database, sweep: Sweep, rowids: list[int], *, packed: bool, budget: Budget
) -> Batches:
    """What D1 has now of the rows with these rowids."""
    if sweep.table is not None:
        reader = PageReader(db, sweep.table, sweep.layout.columns, packed=packed, budget=budget)
        yield from map(sweep.layout.batch, reader.of_rowids(rowids))
