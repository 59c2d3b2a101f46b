"""Counters that the events Worker folds: how far it got, and handing them over between the two.

The Worker adds new events to the counters in the same D1 batch that writes them, and moves a mark
(`d1lab_folds`). `aggregate` counts all events again, so it is the audit. Between them goes one
state: while it is not 'on', the Worker writes events but no counters. 'paused' leads back to 'on'
with the same mark; 'stopped' means that the counters do not match the mark, and only a recount
leads out of it. A process that is killed leaves one of the two, and the next `aggregate` goes on.

D1 knows no time zones, so the shops' UTC offsets are written to D1 (`d1lab_offsets`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

import duckdb

from d1lab import catalog
from d1lab.catalog import FOLDS, OFFSETS, OWNED, SKU_DAYS
from d1lab.d1.database import Database, Statement
from d1lab.d1.encoding import to_json
from d1lab.d1.write import upsert
from d1lab.errors import InputError
from d1lab.push.ownership import Part, claim
from d1lab.warehouse import zones_of

State = Literal["on", "paused", "stopped"]

_FIRST_YEAR, _OFFSETS_YEARS = 2000, 5  # earlier times have its offset; years from now
_INDEX = "order_events_customer"
_BY_CUSTOMER = (
    f"CREATE INDEX IF NOT EXISTS {_INDEX} ON order_events (shop, customer_id)"
    " WHERE customer_id IS NOT NULL"
)
_LINES = """
SELECT shop, sku, day::VARCHAR, count(*) FROM order_lines
WHERE type = 'order' AND day >= $first::DATE GROUP BY ALL
"""
_READ = "SELECT table_name, seq, changes, state FROM d1lab_folds"
_CHANGED = (
    "SELECT 1 FROM d1lab_changes WHERE seq > ?1 AND table_name = 'order_events' AND row_id <= ?2"
    " LIMIT 1"
)
_PAUSE = "UPDATE d1lab_folds SET state = 'paused', since = datetime('now') WHERE state = 'on'"
_RESUME = "UPDATE d1lab_folds SET state = 'on', since = datetime('now') WHERE state = 'paused'"
_STOP = (
    "UPDATE d1lab_folds SET state = 'stopped', since = datetime('now')"
    " WHERE table_name = ?1 OR ?1 = ''"
)
# what `aggregate` wrote last says nothing of values that the Worker writes
_UNCOUNTED = "UPDATE d1lab_owned SET counted_in = NULL WHERE table_name = ?1 AND part = 'counters'"
_START = (
    "INSERT INTO d1lab_folds (table_name, seq, changes, state, since)"
    " VALUES (?1, ?2, ?3, 'on', datetime('now')) ON CONFLICT DO UPDATE SET"
    " seq = excluded.seq, changes = excluded.changes, state = 'on', since = excluded.since"
)


class Fold(NamedTuple):
    """How far the counters of one table are folded."""

    table: str
    seq: int  # every event up to here is in them
    changes: int  # the end of the change log that they reflect
    state: State


def recount_lines(db: Database, con: duckdb.DuckDBPyConnection) -> None:
    """Write the order lines of each SKU and day to D1 again, from the first day with views on."""
    sql = "SELECT min(date) FROM d1lab_sku_days WHERE views + carts > 0"
    [(first,)] = db.query(sql, table=SKU_DAYS).rows
    if first is None:
        return
    stop(db, SKU_DAYS)
    sql = "SELECT shop, sku, date, order_lines FROM d1lab_sku_days WHERE date >= ?1"
    held = {row[:3]: row[3] for row in db.query(sql, (first,), table=SKU_DAYS).rows}
    counted = con.execute(_LINES, {"first": first}).fetchall()
    lines = {row[:3]: row[3] for row in counted}
    rows = [
        (*key, lines.get(key, 0))
        for key in held.keys() | lines.keys()
        if held.get(key) != lines.get(key, 0)
    ]
    key = ("shop", "sku", "date")
    upsert(db, SKU_DAYS, key, (*key, "order_lines"), rows)


class Shared:
    """The tables that `aggregate` and the events Worker both write, during one aggregation.

    Args:
        db: The database.
        fold: Whether the Worker folds the counters from now on. None: as before.
        dry_run: Whether to write nothing: then the Worker goes on, and can move its mark.

    Raises:
        InputError: The database is missing the Worker's tables.
    """

    def __init__(self, db: Database, fold: bool | None, *, dry_run: bool) -> None:
        if fold is not None:
            require_folds(db)
        if fold is False and not dry_run:
            end(db)
        self._db, self._dry_run, self._begins = db, dry_run, bool(fold) and not dry_run
        self.folds = folds(db)
        self.counted: list[str] = []  # brought up to date
        self.has_moved = False
        self._changes, self._last_seq = 0, 0
        if (self.folds and not dry_run) or self._begins:
            self._changes = last_change(db)
            pause(db)
            self.folds = folds(db)

    def settle(self, con: duckdb.DuckDBPyConnection) -> None:
        """Take over what the pull found: the last event, the time zones, a moved mark."""
        if not (self.folds or self._begins):
            return
        query = "SELECT coalesce(max(seq), 0) FROM raw.order_events"
        [(self._last_seq,)] = con.execute(query).fetchall()
        if self._dry_run:
            self.has_moved = folds(self._db) != self.folds
            return
        if bring_offsets(self._db, zones_of(con)):
            self.folds = folds(self._db)
        if SKU_DAYS in self.folds and self.is_explained(self.folds[SKU_DAYS]):
            recount_lines(self._db, con)
            self.counted.append(SKU_DAYS)

    def is_explained(self, fold: Fold) -> bool:
        """Whether a difference is no surprise: see the module."""
        return is_explained(self._db, fold)

    def finish(self, ours: Collection[str]) -> None:
        """Move the marks of what was counted, begin to fold, and let the Worker go on."""
        if self._dry_run:
            return
        if self._begins:
            new = [table for table in sorted(ours) if table not in self.folds]
            claim(self._db, [Part("product_performance", name) for name in _rates()])
            begin(self._db, new, self._last_seq, self._changes)
        start(self._db, self.counted, self._last_seq, self._changes)
        if self.folds:
            resume(self._db)


def folds(db: Database) -> dict[str, Fold]:
    """Return the folded tables by name; empty before the migration that adds their records."""
    if FOLDS not in catalog.by_declared_name(db.tables()):
        return {}
    rows = db.query(_READ, table=FOLDS).rows
    return {str(row[0]): Fold(*row) for row in rows}  # pyright: ignore[reportArgumentType]


def is_explained(db: Database, fold: Fold) -> bool:
    """Whether a difference is no surprise: counting was interrupted, or counted events changed."""
    if fold.state == "stopped":
        return True
    return bool(db.query(_CHANGED, (fold.changes, fold.seq), table=catalog.CHANGES).rows)


def last_change(db: Database) -> int:
    """Return the end of the change log; 0 while it is empty."""
    [(last,)] = db.query(
        "SELECT coalesce(max(seq), 0) FROM d1lab_changes", table=catalog.CHANGES
    ).rows
    return int(str(last))


def pause(db: Database) -> None:
    """Let the Worker write events but no counters, until `resume`."""
    db.execute(_PAUSE, table=FOLDS, idempotent=True)


def resume(db: Database) -> None:
    """Let the Worker go on from the marks of the paused tables."""
    db.execute(_RESUME, table=FOLDS, idempotent=True)


def stop(db: Database, table: str = "") -> None:
    """Record that the counters of a table (default: all) no longer match the mark."""
    db.execute(_STOP, (table,), table=FOLDS, idempotent=True)


def start(db: Database, tables: Collection[str], seq: int, changes: int) -> None:
    """Record that the counters of these tables reflect all events up to `seq`.

    Args:
        db: The database.
        tables: The tables.
        seq: The last event that was counted.
        changes: The end of the change log that was read before counting.
    """
    if not tables:
        return
    marks = [Statement(_START, (table, seq, changes)) for table in tables]
    db.batch(marks, table=FOLDS, idempotent=True)


def begin(db: Database, tables: Collection[str], seq: int, changes: int) -> None:
    """Begin to fold the counters of these tables, which reflect all events up to `seq`.

    Adds an index to `order_events`, d1lab's own table: it reads two rows and writes one per event.
    """
    db.execute(_BY_CUSTOMER, table="order_events", idempotent=True)
    uncounted = [Statement(_UNCOUNTED, (table,)) for table in tables]
    if uncounted:
        db.batch(uncounted, table=OWNED, idempotent=True)
    known = folds(db)
    start(db, [table for table in (*tables, SKU_DAYS) if table not in known], seq, changes)


def end(db: Database) -> None:
    """Fold no counters any more, and remove the index."""
    drop = Statement(f"DROP INDEX IF EXISTS {_INDEX}")
    db.batch([Statement("DELETE FROM d1lab_folds"), drop], table=FOLDS, idempotent=True)


def require_folds(db: Database) -> None:
    """Reject a database without the Worker's tables.

    Raises:
        InputError: `d1lab migrate` adds them.
    """
    if FOLDS not in catalog.by_declared_name(db.tables()):
        raise InputError(f"{db.url}: table {FOLDS!r} missing. Run `d1lab migrate`.")


def bring_offsets(db: Database, zones: Mapping[str, str], now: datetime | None = None) -> bool:
    """Write the shops' UTC offsets to D1 where they differ; then every table has to be recounted.

    Returns:
        Whether they differed.
    """
    wanted = sorted(offsets(zones, (now or datetime.now(UTC)).year))
    sql = "SELECT shop, starts_at, seconds FROM d1lab_offsets ORDER BY shop, starts_at"
    held = [(str(s), str(at), int(str(n))) for s, at, n in db.query(sql, table=OFFSETS).rows]
    if held == wanted:
        return False
    insert = "INSERT INTO d1lab_offsets SELECT value ->> 0, value ->> 1, value ->> 2"
    statements = [
        Statement(_STOP, ("",)),
        Statement("DELETE FROM d1lab_offsets"),
        Statement(f"{insert} FROM json_each(?1)", (to_json(wanted),)),
    ]
    db.batch(statements, table=OFFSETS, idempotent=True)
    return True


def offsets(zones: Mapping[str, str], year: int) -> Iterator[tuple[str, str, int]]:
    """Yield each shop's UTC offsets: (shop, the UTC moment it begins, seconds).

    >>> list(offsets({"harbor": "Asia/Tokyo"}, 2026))
    [('harbor', '0000-01-01 00:00:00', 32400)]
    """
    for shop, name in zones.items():
        for at, seconds in _of_zone(name, year + _OFFSETS_YEARS):
            yield shop, at, seconds


@cache
def _of_zone(name: str, last_year: int) -> tuple[tuple[str, int], ...]:
    """Return the moments (UTC) at which a zone's offset begins, each with the offset."""
    zone, at = ZoneInfo(name), datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC)
    found = [("0000-01-01 00:00:00", _offset(zone, at))]
    while at.year <= last_year:
        following = at + timedelta(days=1)
        if (seconds := _offset(zone, following)) != found[-1][1]:
            found.append((f"{_change(zone, at, following):%Y-%m-%d %H:%M:%S}", seconds))
        at = following
    return tuple(found)


def _rates() -> tuple[str, ...]:
    return catalog.table("product_performance").owned("worker")


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """Return the second at which the offset changes between two moments."""
    old = _offset(zone, before)
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before).total_seconds() // 2)
        before, after = (middle, after) if _offset(zone, middle) == old else (before, middle)
    return after


def _offset(zone: ZoneInfo, at: datetime) -> int:
    shift = at.astimezone(zone).utcoffset()
    return int(shift.total_seconds()) if shift else 0
