"""Hand over an app's table to d1lab: its counters, its result columns, or both.

`propose` comes first: it shows which rows differ, by how much, and which days the events cover.
`take_over` then writes the counters computed from the events, like a push: with a before-image
in a folder under `runs/`, only to rows that have not changed since, with a check, and with a row
in the audit. From then on `d1lab aggregate` maintains the counters, and pushes write the results.
`d1lab rollback` of the take-over's run undoes everything.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from d1lab import catalog
from d1lab.catalog import OWNED, PUSHES, RESULTS
from d1lab.counting import counted
from d1lab.d1.database import Database, Value
from d1lab.d1.restore_point import note_restore_point
from d1lab.d1.schema import has_unique, indexes
from d1lab.errors import InputError, UnknownName
from d1lab.ingest.aggregate import Events, events_of, own_views, pull_tables, require_columns
from d1lab.ingest.counter_images import by_key, image_of
from d1lab.ingest.differences import Comparison, Sides
from d1lab.push.apply import Progress
from d1lab.push.before_image import keep_image
from d1lab.push.ownership import COUNTERS, TAKE_OVER, Part, filled, hand_over, owned, parts
from d1lab.push.push import TablePush, write_image
from d1lab.push.staged import Key, Origin
from d1lab.table_declaration import Table
from d1lab.warehouse import Zones, noted

_NOT_OF_A_RUN = Origin(None, None, None)


class Proposal(NamedTuple):
    """The scope of a take-over, before it is confirmed."""

    table: str
    parts: tuple[str, ...]  # 'counters', and result columns
    events: Events
    counters: Comparison | None  # None if no counters are handed over
    values: dict[str, int]  # rows with an app's value, by result column
    rows: dict[Key, tuple[Value, ...]]  # the counters to write, by key

    @property
    def shortfall(self) -> str:
        """By how much the events fall short of the rows' figures, as text; '' if they do not."""
        if self.counters is None or not self.counters.rows_short:
            return ""
        sums = "; ".join(
            f"{one.column} {one.stored or 0:,.2f} in D1, {one.events or 0:,.2f} from events"
            for one in self.counters.sums
            if one.rows_short
        )
        return (
            f"the events fall short of the figures in {self.counters.rows_short:,} of "
            f"{counted(self.counters.stored, 'row')} ({sums}). {self.events.covered}."
        )


class TakeOver(NamedTuple):
    """The result of a take-over."""

    run_id: str  # for `d1lab rollback`
    table: str
    parts: tuple[str, ...]
    changed: int  # rows with written counters
    left: int  # rows changed by something else meanwhile, and left alone
    bookmark: str | None  # the Time Travel bookmark from before the take-over


def propose(
    db: Database, folder: Path, name: str, *, database: str, zones: Zones | None = None
) -> Proposal:
    """Compare a table with the order events, without writing to D1.

    Args:
        db: The database.
        folder: The database's folder, with the warehouse.
        name: An app's table, or TABLE.COLUMN for one result column.
        database: The database's name, for the warehouse.
        zones: The shops' time zones. None for those of the last pull.

    Raises:
        UnknownName: The app has no such table or column.
        InputError: d1lab never writes there, or already owns it.
    """
    table, wanted = _wanted(name)
    found = catalog.by_declared_name(db.tables())
    require_columns(db)
    if missing := [each for each in (table.name, PUSHES, RESULTS) if each not in found]:
        raise InputError(f"take-over: no table {', '.join(missing)} in D1. Run `d1lab migrate`.")
    present = {column.name.lower() for column in found[table.name].columns}
    known = owned(db)
    open_parts = [
        part for part in wanted if part not in known and part.part in {*present, COUNTERS}
    ]
    if not open_parts:
        raise InputError(f"take-over: d1lab already owns {name} (recorded in d1lab_owned in D1)")
    _require_key(db, table)
    pull_tables(db, folder, database, zones)
    with own_views(folder) as con:
        events = events_of(con)
        if Part(table.name, COUNTERS) not in open_parts:
            counters, rows = None, dict[Key, tuple[Value, ...]]()
        else:
            sides = Sides(con, table)
            counters, rows = sides.comparison(), by_key(table, sides.rows())
    columns = [part for part in open_parts if part.part != COUNTERS]
    names = tuple(part.part for part in open_parts)
    return Proposal(table.name, names, events, counters, filled(db, columns), rows)


def take_over(
    db: Database,
    folder: Path,
    proposal: Proposal,
    *,
    accept_shortfall: bool = False,
    progress: Progress | None = None,
) -> TakeOver:
    """Hand over the proposed parts.

    Args:
        db: The database, opened for writing.
        folder: The database's folder.
        proposal: The result of `propose`.
        accept_shortfall: Whether to continue if the events fall short of the rows' figures.
        progress: Called with the table, the rows done, and the total rows.

    Raises:
        InputError: The events fall short of the rows' figures; the message has the numbers.
        PushError: D1 rejected a row, or a row reads back differently than written.
    """
    if proposal.shortfall and not accept_shortfall:
        raise InputError(
            f"take-over of {proposal.table}: {proposal.shortfall} Nothing was written. Load the "
            "missing orders (`d1lab ingest orders`), or accept the lower figures with --yes."
        )
    table, at = catalog.table(proposal.table), datetime.now(UTC)
    run_id = f"{at:%Y%m%dT%H%M%S%f}Z{TAKE_OVER}{table.name}"
    bookmark = note_restore_point(db, folder, f"take-over of {table.name}")
    is_counted = COUNTERS in proposal.parts
    columns = table.owned("aggregate") if is_counted else proposal.parts
    image, now = image_of(db, table.name, table.key, columns, proposal.rows, at)
    image = keep_image(folder / "runs" / run_id, image)
    written = write_image(db, folder / "runs" / run_id, image, now, _NOT_OF_A_RUN, "", progress)
    taken = [Part(table.name, part) for part in proposal.parts]
    with noted(db, folder, [OWNED]):
        db.batch(hand_over(taken, run_id), table=OWNED, idempotent=True)
    return _result(run_id, proposal, written, bookmark)


def _wanted(name: str) -> tuple[Table, list[Part]]:
    table_name, _, column = name.partition(".")
    guides = {table.name: table for table in catalog.TABLES.values() if table.is_guides}
    if table_name not in guides:
        raise UnknownName("table", table_name, guides, "the app's tables")
    table = guides[table_name]
    wanted = [part for part in parts(table) if not column or part.part == column]
    if column and not wanted:
        raise UnknownName("column", column, table.owned("analysis"), f"table {table_name!r}")
    if not wanted:
        raise InputError(f"take-over: d1lab never writes to {table_name!r}")
    return table, wanted


def _require_key(db: Database, table: Table) -> None:
    found = catalog.by_declared_name(indexes(db))
    if not has_unique(found.get(table.name, ()), table.key):
        raise InputError(
            f"take-over: {table.name!r} has no UNIQUE index on ({', '.join(table.key)}), so its "
            "rows cannot be identified. Run `d1lab doctor`."
        )


def _result(run_id: str, proposal: Proposal, written: TablePush, bookmark: str | None) -> TakeOver:
    return TakeOver(run_id, proposal.table, proposal.parts, written.changed, written.left, bookmark)
