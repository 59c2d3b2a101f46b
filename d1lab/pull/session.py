"""One pull: nothing to do if the warehouse is recent enough, otherwise an update of it.

What reads rows is imported only then: most pulls of a scheduler find nothing new.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from filelock import FileLock, Timeout

from d1lab.d1.database import Budget, Database
from d1lab.errors import LockedError
from d1lab.files import make_private, remove_leftovers
from d1lab.logs import log_event
from d1lab.pull.old_warehouse import old_warehouse
from d1lab.pull.recency import Recency
from d1lab.pull.result import Progress, PullResult
from d1lab.pull.rhythm import Counters, Rhythm
from d1lab.warehouse import Zones, utc_now
from d1lab.warehouse.result_cache import drop_results

LOCK = "pull.lock"
_log = logging.getLogger(__name__)


def pull(
    db: Database,
    folder: Path,
    *,
    database: str,
    tables: Sequence[str] | None = None,
    full: bool = False,
    max_rows_read: int | None = None,
    max_age_seconds: float | None = None,
    counters: Counters = "daily",
    accept_dropped: bool = False,
    zones: Zones | None = None,
    compact: bool = False,
    progress: Progress | None = None,
) -> PullResult:
    """Update the warehouse in `folder` from the database.

    Args:
        db: The database to read.
        folder: The folder of the warehouse, which is replaced after all rows are read.
        database: The name of the database, for the record.
        tables: The tables to pull; None for all, including those that the catalog does not declare.
        full: Whether to read every table in full.
        max_rows_read: The limit on rows read, as billed by D1.
        max_age_seconds: Do nothing if the last pull is no older than this.
        counters: When to reread rows that may have been updated: once per UTC day, or always.
            Tables in `tables` are always reread.
        accept_dropped: Whether to remove tables that had rows and are missing from D1.
        zones: The shops' time zones, which define days. None for those of the last pull.
        compact: Whether to rewrite the file, so that it has nothing of deleted rows.
        progress: Called with a table, the rows read so far, and the estimated total, from
            another thread.

    Raises:
        LockedError: Another pull of this folder is running.
        BudgetError: `max_rows_read` was reached. The rows read so far are saved, and the next pull
            resumes from them.
        DroppedTablesError: A table that had rows is missing from D1. Nothing was changed.
        UnknownName: There is no such table.
        InputError: A view's file is invalid; the message names it.
        D1Error: A request to D1 failed; d1lab.errors lists the subclasses.
    """
    make_private(folder)
    with _lock(folder):
        remove_leftovers(folder, "demo-*", "search-*", ".*.part", "*/.*.part", "pull/*/.*.part")
        wanted = _Wanted(tables, full, max_age_seconds, counters, accept_dropped, zones, compact)
        start, budget = perf_counter(), Budget(db.meter, max_rows_read)
        result = _pulled(db, folder, database, wanted, budget, progress)
        result = result._replace(seconds=perf_counter() - start)
    counts = {name: getattr(result, name) for name in ("rows_pulled", "rows_read", "seconds")}
    log_event(_log, "pulled", database=database, **counts)
    return result


class _Wanted(NamedTuple):
    """What is asked of a pull; see `pull`."""

    tables: Sequence[str] | None
    full: bool
    max_age_seconds: float | None
    counters: Counters
    accept_dropped: bool
    zones: Zones | None
    compact: bool


def _pulled(
    db: Database,
    folder: Path,
    database: str,
    wanted: _Wanted,
    budget: Budget,
    progress: Progress | None,
) -> PullResult:
    """Update the warehouse, unless it is recent enough."""
    now, tables = utc_now(), wanted.tables
    rhythm = Rhythm(wanted.counters, now.date(), wanted.full or tables is not None)
    with old_warehouse(folder, db.url) as old:
        recency = Recency(old, now, tables, wanted.zones)
        if not wanted.full and (age := recency.young(wanted.max_age_seconds)) is not None:
            return PullResult(skipped=True, age_seconds=age)
        bookmark = db.bookmark()  # before any row, so that it does not cover later changes
        if not wanted.full and recency.is_current(bookmark, rhythm):
            return PullResult(skipped=True)
        from d1lab.pull.update import Update

        update = Update(
            db,
            folder,
            database,
            now=now,
            bookmark=bookmark,
            rhythm=rhythm,
            full=wanted.full,
            budget=budget,
            progress=progress,
        )
        plan = update.plan(old, tables, accept_dropped=wanted.accept_dropped)
    zones, compact = wanted.zones, wanted.compact
    result = update.build(plan, zones, is_complete=tables is None, compact=compact)
    drop_results(folder)  # of the earlier file
    return result


@contextmanager
def _lock(folder: Path) -> Generator[None]:
    """Lock the folder against other pulls."""
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise LockedError(
            f"another pull of {folder.name!r} is running. Try again when it finishes."
        ) from None
    try:
        yield
    finally:
        lock.release()
