"""The app's counters, made of the order events: absolute values, written where they differ.

Each run counts all events again and compares with what D1 holds, so every event counts exactly
once however often this runs or dies; late, corrected and deleted events need no rule of their
own. What a figure means stands in the header of its file in ingest/aggregates.

A counter has one writer. A table that had no rows when this first ran is d1lab's, and so is one
that was handed over (`take_over`): there a row without events goes to zero. A table that the app
keeps is compared and reported, and stays as it is.
"""

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
from d1lab.warehouse import noted, open_warehouse

_COUNTS = """
SELECT
    count(*), (SELECT count(*) FROM d1lab.quarantine WHERE table_name = 'order_events'),
    min(day), max(day)
FROM order_lines
"""


class Events(NamedTuple):
    """What the counters are made of."""

    events: int  # order lines and refunds, over all shops
    quarantined: int  # values of events that did not fit their types, hence counted as missing
    first_day: date | None  # None without events
    last_day: date | None

    @property
    def covered(self) -> str:
        """The days that the events cover, as a sentence without its full stop."""
        if self.first_day is None:
            return "There are no events"
        return f"The {self.events:,} events cover {self.first_day} to {self.last_day}"


class AggregateResult(NamedTuple):
    """What an aggregation did; with `dry_run`, what it would do."""

    events: Events
    tables: tuple[Comparison, ...]  # before anything was written
    changed: dict[str, int]  # rows whose figures differed and were written, by table
    kept: tuple[str, ...]  # tables that the app keeps: compared, and not written
    rows_written: int  # as D1 bills them
    seconds: float
    dry_run: bool


def aggregate(
    db: Database, folder: Path, *, database: str, dry_run: bool = False
) -> AggregateResult:
    """Bring the counters that are d1lab's up to the order events, and compare the app's with them.

    Args:
        db: The database.
        folder: Its folder: the tables that matter are pulled into the warehouse there first.
        database: Its name, for the warehouse.
        dry_run: Compute and compare, but write nothing.

    Raises:
        InputError: The database has no such table or column; `d1lab migrate` adds it.
        D1Error: As d1lab.errors draws them. What was written stays; the next run does the rest.
    """
    start = monotonic()
    require_columns(db)
    before = db.meter.total.rows_written
    wanted = [Part(table.name, COUNTERS) for table in aggregate_tables()]
    with noted(db, folder, [OWNED]):
        ours = {part.table for part in (vacant if dry_run else claim)(db, wanted)}
    pull_tables(db, folder, database)
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


def pull_tables(db: Database, folder: Path, database: str) -> None:
    """Bring the events and the counters into the warehouse."""
    pull(db, folder, database=database, tables=[table.name for table in _tables()])


def events_of(con: duckdb.DuckDBPyConnection) -> Events:
    """What the counters are made of, in a warehouse."""
    return Events(*con.sql(_COUNTS).fetchall()[0])


def require_columns(db: Database) -> None:
    """Reject a database without what an aggregation reads or writes.

    Raises:
        InputError: Names what is missing, and the command that adds it.
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
    """What an aggregation reads."""
    return [catalog.table("order_events"), *aggregate_tables()]
