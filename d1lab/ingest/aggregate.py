"""Compute the app's counters from the order events, and write those that differ.

Each run counts all events again and compares the totals with D1. So every event counts exactly
once, however often a run is repeated or killed, and late, corrected, and deleted events need no
special rule. Each figure is defined in the header of its file in ingest/aggregates.

A counter has one writer. d1lab owns a table that was empty on the first run, or that was handed
over (`take_over`); there a row without events is set to zero. A table that the app maintains
is compared and reported, but not changed. If somebody else writes to a table that d1lab owns, it is
no longer d1lab's: a file of digests (`kept_path`) shows which values d1lab wrote, and on another
machine the digests in D1 (`counted`).

Counters that the events Worker folds (`folds`) are audited: those in D1 are compared with a recount
up to the Worker's mark. If they agree, or counted events were corrected or deleted, or the Worker
left the difference to a recount (a title that came late), the table is brought up to date as any
other; otherwise it is only reported, and `repair` writes the recount.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import duckdb
import orjson

from d1lab import catalog
from d1lab.catalog import COUNTED, OWNED
from d1lab.d1.database import Database
from d1lab.d1.write import upsert
from d1lab.errors import InputError
from d1lab.ingest.counted import count_changed, counted_digests, keep_digests
from d1lab.ingest.counter_images import by_key, image_of
from d1lab.ingest.differences import Comparison, Sides, aggregate_tables
from d1lab.ingest.folds import Shared, stop
from d1lab.pull import pull
from d1lab.push.before_image import keep_image
from d1lab.push.ownership import (
    COUNTERS,
    Part,
    claim,
    count_in,
    last_counted,
    leave,
    vacant,
)
from d1lab.push.push import write_image
from d1lab.push.staged import Origin
from d1lab.table_declaration import Table
from d1lab.warehouse import OWN_FIRST, Zones, looking_in, noted, open_warehouse
from d1lab.warehouse.own_writes import WriteNote

_COUNTS = """
SELECT
    count(*), (SELECT count(*) FROM d1lab.quarantine WHERE table_name = 'order_events'),
    min(day), max(day)
FROM order_lines
"""


class Events(NamedTuple):
    """The order events behind the counters."""

    events: int  # order lines and refunds, over all shops
    quarantined: int  # event values of the wrong type, which count as missing
    first_day: date | None  # None if there are no events
    last_day: date | None

    @property
    def covered(self) -> str:
        """Return the days that the events cover, as a sentence without a period."""
        if self.first_day is None:
            return "There are no events"
        return f"Events in D1: {self.events:,}, {self.first_day} to {self.last_day}"


class AggregateResult(NamedTuple):
    """The result of an aggregation; with `dry_run`, what it would change."""

    events: Events
    tables: tuple[Comparison, ...]  # before any write
    changed: dict[str, int]  # rows written because their figures differed, by table
    kept: tuple[str, ...]  # tables that the app maintains: compared, not written
    left: dict[str, int]  # of them, those that were d1lab's: at least so many rows by others
    audited: dict[str, int | None]  # folded tables: rows unlike a recount. None: it moved on
    unexplained: tuple[str, ...]  # of them, those that differ although no event was changed
    repaired: str | None  # the run whose rollback undoes the repair, if there was one
    rows_written: int  # as billed by D1
    seconds: float
    dry_run: bool


def aggregate(
    db: Database,
    folder: Path,
    *,
    database: str,
    zones: Zones | None = None,
    fold: bool | None = None,
    repair: bool = False,
    dry_run: bool = False,
) -> AggregateResult:
    """Update d1lab-owned counters from the order events, and compare the app's counters with them.

    Args:
        db: The database.
        folder: The database's folder; the tables involved are first pulled into its warehouse.
        database: The database's name, for the warehouse.
        zones: The shops' time zones, which define days. None for those of the last pull.
        fold: Whether the events Worker folds these counters from now on. None: as before.
        repair: Whether to overwrite folded counters that differ from a recount, saved beforehand.
        dry_run: Whether to compute and compare without writing.

    Raises:
        InputError: The database is missing a table or column; `d1lab migrate` adds it.
        D1Error: A request to D1 failed (subclasses in d1lab.errors). Rows already written stay; the
            next run writes the rest.
    """
    start = monotonic()
    require_columns(db)
    before = db.meter.total.rows_written
    shared = Shared(db, fold, dry_run=dry_run)
    pull_tables(db, folder, database, zones)
    # Only now: a row that the app writes after the claim, but before the pull, would pass for one
    # of d1lab's without events, and be set to zero.
    ours = _owned(db, folder, dry_run=dry_run)
    work = _Aggregation(db, folder, ours, shared, repair=repair, dry_run=dry_run)
    with own_views(folder) as con, noted(db, folder, [*sorted(ours), OWNED]) as note:
        events = events_of(con)
        shared.settle(con)
        tables = [work.bring_up(con, table, note) for table in aggregate_tables()]
    ours -= work.left.keys()
    shared.finish(ours)
    written = db.meter.total.rows_written - before
    changed = {table.table: table.differ for table in tables if table.table in ours} | work.folded
    kept = tuple(table.table for table in tables if table.table not in ours)
    seconds = monotonic() - start
    return AggregateResult(
        events,
        tuple(tables),
        changed,
        kept,
        work.left,
        work.audited,
        tuple(work.unexplained),
        work.repaired,
        written,
        seconds,
        dry_run,
    )


def _owned(db: Database, folder: Path, *, dry_run: bool) -> set[str]:
    """Return the tables whose counters are d1lab's, after claiming those that are empty."""
    wanted = [Part(table.name, COUNTERS) for table in aggregate_tables()]
    with noted(db, folder, [OWNED]):
        return {part.table for part in (vacant if dry_run else claim)(db, wanted)}


class _Aggregation:
    """One aggregation, table by table.

    Args:
        db: The database.
        folder: Its folder.
        ours: The tables that d1lab maintains.
        shared: Those of them that the events Worker folds.
        repair: Whether to overwrite folded counters that differ from a recount.
        dry_run: Whether to write nothing.
    """

    def __init__(
        self,
        db: Database,
        folder: Path,
        ours: set[str],
        shared: Shared,
        *,
        repair: bool,
        dry_run: bool,
    ) -> None:
        self._db, self._folder, self._ours, self._dry_run = db, folder, ours, dry_run
        self._shared, self._repair = shared, repair
        self._run = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}Z"
        self._last = last_counted(db)
        self._counted = counted_digests(db, self._last)
        self.left: dict[str, int] = {}
        self.audited: dict[str, int | None] = {}
        self.unexplained: list[str] = []
        self.folded: dict[str, int] = {}  # rows written to folded tables
        self.repaired: str | None = None

    def bring_up(self, con: duckdb.DuckDBPyConnection, table: Table, note: WriteNote) -> Comparison:
        """Compare one table, and write it if it is d1lab's and nobody else wrote to it."""
        if table.name in self._ours and table.name in self._shared.folds:
            return self._audit(con, table, note)
        sides = Sides(con, table)
        comparison = sides.comparison()
        if table.name not in self._ours:
            return comparison
        last = kept_path(self._folder, table.name, self._last.get(table.name, ""))
        foreign = self._count_foreign(sides, comparison, last)
        if foreign:
            self.left[table.name] = foreign
        if self._dry_run:
            return comparison
        if foreign:
            self._db.batch([leave(table.name)], table=OWNED, idempotent=True)
        elif comparison.differ or not (last.is_file() or table.name in self._counted):
            self._write(sides, table, note)
            last.unlink(missing_ok=True)
        return comparison

    def _count_foreign(self, sides: Sides, comparison: Comparison, last: Path) -> int:
        """Count the rows by somebody else; if another machine aggregated last, at least."""
        table = comparison.table
        if last.is_file():
            return sides.count_foreign(last)
        if table in self._counted:
            return count_changed(self._counted[table], sides.digests(of_events=False))
        # Claimed when it was empty, and never counted: d1lab wrote none of its figures.
        return comparison.rows_short if self._last.get(table) == "" else 0

    def _write(self, sides: Sides, table: Table, note: WriteNote) -> None:
        """Write what differs. If this is interrupted, the next aggregation has nothing to check."""
        self._db.batch([count_in(table.name, self._run)], table=OWNED, idempotent=True)
        self._upsert(sides, table, note)
        left = keep_digests(table.name, self._run, sides.digests(of_events=True))
        self._db.batch([left], table=COUNTED, idempotent=True)
        sides.keep(kept_path(self._folder, table.name, self._run))

    def _upsert(self, sides: Sides, table: Table, note: WriteNote) -> None:
        rows, figures = sides.rows(), table.owned("aggregate")
        upsert(self._db, table.name, table.key, (*table.key, *figures), rows)
        note.add(table.name, table.key, figures, map(orjson.loads, rows), creates=True)

    def _audit(self, con: duckdb.DuckDBPyConnection, table: Table, note: WriteNote) -> Comparison:
        """Compare a folded table at the Worker's mark, then bring it up to date if that is safe."""
        fold = self._shared.folds[table.name]
        sides = Sides(con, table, upto=fold.seq)
        comparison = sides.comparison()
        self.folded[table.name] = 0
        self.audited[table.name] = None if self._shared.has_moved else comparison.differ
        if self._dry_run and self._shared.has_moved:
            return comparison
        is_wrong = sides.count_beyond_fold() and not self._shared.is_explained(fold)
        if is_wrong:
            self.unexplained.append(table.name)
        if is_wrong and not self._repair:
            return comparison
        sides = Sides(con, table)
        self.folded[table.name] = sides.comparison().differ
        if self._dry_run:
            return comparison
        if self.folded[table.name]:
            stop(self._db, table.name)
            self._restate(sides, table) if is_wrong else self._upsert(sides, table, note)
        self._shared.counted.append(table.name)
        return comparison

    def _restate(self, sides: Sides, table: Table) -> None:
        """Write what differs with a before-image, for `d1lab rollback`."""
        self.repaired = run_id = f"{self._run}-repair"
        folder, rows = self._folder / "runs" / run_id, by_key(table, sides.rows())
        figures = table.owned("aggregate")
        image, now = image_of(self._db, table.name, table.key, figures, rows, datetime.now(UTC))
        image = keep_image(folder, image)
        write_image(self._db, folder, image, now, Origin(None, None, None), "", None)


def kept_path(folder: Path, table: str, aggregation: str) -> Path:
    """Return the file with digests of the counters that an aggregation wrote."""
    return folder / "aggregated" / f"{table}.{aggregation}.parquet"


@contextmanager
def own_views(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse so that names mean d1lab's views, whatever the app has."""
    with open_warehouse(folder) as opened, looking_in(opened, OWN_FIRST) as con:
        yield con


def pull_tables(db: Database, folder: Path, database: str, zones: Zones | None = None) -> None:
    """Pull the events and the counters into the warehouse."""
    pull(db, folder, database=database, tables=[table.name for table in _tables()], zones=zones)


def events_of(con: duckdb.DuckDBPyConnection) -> Events:
    """Summarize the order events in a warehouse."""
    return Events(*con.sql(_COUNTS).fetchall()[0])


def require_columns(db: Database) -> None:
    """Reject a database that is missing a table or column of the aggregation.

    Raises:
        InputError: Names the missing tables or columns, and the command that adds them.
    """
    found = catalog.by_declared_name(db.tables())
    if COUNTED not in found:
        raise InputError(f"{db.url} has no table {COUNTED}. Run: d1lab migrate")
    for table in (*_tables(), catalog.table(OWNED)):
        held = found[table.name].columns if table.name in found else ()
        lacking = {*table.key, *table.owned("aggregate")} - {c.name.lower() for c in held}
        if lacking:
            raise InputError(
                f"{db.url}: columns missing in table {table.name!r}: "
                f"{', '.join(sorted(lacking))}. Run `d1lab doctor` to see how to add "
                "them."
            )


def _tables() -> list[Table]:
    """Return the tables that an aggregation reads."""
    return [catalog.table("order_events"), *aggregate_tables()]
