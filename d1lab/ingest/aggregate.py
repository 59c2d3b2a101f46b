"""Compute the app's counters from the order events, and write those that differ.

Each run counts all events again and compares the totals with D1. So every event counts exactly
once, however often a run is repeated or killed, and late, corrected, and deleted events need no
special rule. Each figure is defined in the header of its file in ingest/aggregates.

A counter has one writer. d1lab owns a table that was empty on the first run, or that was handed
over (`take_over`); there a row without events is set to zero. A table that the app maintains
is compared and reported, but not changed.
"""

# pyright: standard

from __future__ import annotations

from datetime import date
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import duckdb
import orjson

from d1lab import catalog
from d1lab.catalog import OWNED, Table
from d1lab.d1.database import Database
from d1lab.d1.write import upsert
from d1lab.errors import InputError
from d1lab.ingest.differences import Comparison, Sides, aggregate_tables
from d1lab.pull import pull
from d1lab.push.ownership import COUNTERS, Part, claim, vacant
from d1lab.warehouse import Zones, noted, open_warehouse

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
        """The days that the events cover, as a sentence without a period."""
        if self.first_day is None:
            return "There are no events"
        return f"Events in D1: {self.events:,}, {self.first_day} to {self.last_day}"


class AggregateResult(NamedTuple):
    """The result of an aggregation; with `dry_run`, what it would change."""

    events: Events
    tables: tuple[Comparison, ...]  # before any write
    changed: dict[str, int]  # rows written because their figures differed, by table
    kept: tuple[str, ...]  # tables that the app maintains: compared, not written
    rows_written: int  # as billed by D1
    seconds: float
    dry_run: bool


def aggregate(
    db: Database,
    folder: Path,
    *,
    database: str,
    zones: Zones | None = None,
    dry_run: bool = False,
) -> AggregateResult:
    """Update d1lab-owned counters from the order events, and compare the app's counters with them.

    Args:
        db: The database.
        folder: The database's folder; the tables involved are first pulled into its warehouse.
        database: The database's name, for the warehouse.
        zones: The shops' time zones, which define days. None for those of the last pull.
        dry_run: Whether to compute and compare without writing.

    Raises:
        InputError: The database is missing a table or column; `d1lab migrate` adds it.
        D1Error: A request to D1 failed (subclasses in d1lab.errors). Rows already written stay; the
            next run writes the rest.
    """
    start = monotonic()
    require_columns(db)
    before = db.meter.total.rows_written
    wanted = [Part(table.name, COUNTERS) for table in aggregate_tables()]
    with noted(db, folder, [OWNED]):
        ours = {part.table for part in (vacant if dry_run else claim)(db, wanted)}
    pull_tables(db, folder, database, zones)
    tables = []
    with open_warehouse(folder) as con, noted(db, folder, sorted(ours)) as note:
        events = events_of(con)
        for table in aggregate_tables():
            sides = Sides(con, table)
            tables.append(sides.comparison())
            if table.name in ours and not dry_run:
                rows, figures = sides.rows(), table.owned("aggregate")
                upsert(db, table.name, table.key, (*table.key, *figures), rows)
                note.add(table.name, table.key, figures, map(orjson.loads, rows), creates=True)
    written = db.meter.total.rows_written - before
    changed = {table.table: table.differ for table in tables if table.table in ours}
    kept = tuple(table.table for table in tables if table.table not in ours)
    return AggregateResult(
        events, tuple(tables), changed, kept, written, monotonic() - start, dry_run
    )


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
