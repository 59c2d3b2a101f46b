"""Batches from a database that bills rows read: packed batches, several ranges in parallel, each
batch saved on arrival."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

from d1lab import catalog
from d1lab.d1.ahead import Ahead
from d1lab.d1.batches import FIRST_ROWS, MOST_ROWS, Batch
from d1lab.d1.database import Budget, Database, TableInfo, Value
from d1lab.d1.keyset import BatchReader
from d1lab.d1.schema import unique_index
from d1lab.d1.statistics import believed_rows, misleads
from d1lab.pull.ahead import Noting
from d1lab.pull.batch import Read, TypedBatch, TypedBatches
from d1lab.pull.bounds import FEW_CHANGES, last_changes
from d1lab.pull.plan import PullPlan, Sweep
from d1lab.pull.spool import FOLDER, Span, Spool
from d1lab.pull.touched import touched_rowids


def changed_rowids(
    db: Database, log: TableInfo, sweep: Sweep, seen: int, *, packed: bool, budget: Budget
) -> list[int]:
    """Return the rowids of a table's updated or deleted rows, sorted and distinct.

    Args:
        db: The database.
        log: Its change log.
        sweep: What to read of the table, and the last log entry to read.
        seen: The last log entry that was already read.
        packed: Whether the database returns packed batches.
        budget: The limit on rows read.
    """
    name = sweep.table.name.lower() if sweep.table else ""
    upto = sweep.changes_upto or 0
    entries = _foreseen_changes(db, log, seen, upto)
    if entries is None:
        reader = BatchReader(db, log, ("table_name", "row_id"), packed=packed, budget=budget)
        batches = _span(reader, Span(seen, upto), upto)
        entries = (entry for batch in batches for entry in zip(*batch.columns, strict=True))
    found = {
        row_id
        for table, row_id in entries
        if str(table).lower() == name and isinstance(row_id, int)
    }
    return sorted(found)


def _foreseen_changes(
    db: Database, log: TableInfo, seen: int, upto: int
) -> Iterable[Sequence[Value]] | None:
    """Return the entries that were read with the log's bounds; None unless they are complete."""
    if not (isinstance(db, Ahead) and 0 < upto - seen <= FEW_CHANGES):
        return None
    answer = db.foreseen(last_changes(log, seen), table=log.name)
    if answer is None or len(answer.rows) < upto - seen:
        return None
    return [(table, int(str(row_id))) for table, row_id in answer.rows]


def changed_rows(
    db: Database, sweep: Sweep, rowids: list[int], *, packed: bool, budget: Budget
) -> TypedBatches:
    """Read the current rows with these rowids from D1."""
    if sweep.table is not None:
        reader = BatchReader(db, sweep.table, sweep.layout.columns, packed=packed, budget=budget)
        yield from map(sweep.layout.typed, reader.of_rowids(rowids))


def whole_table(
    db: Database, table: TableInfo, sweep: Sweep, *, packed: bool, budget: Budget
) -> TypedBatches:
    """Read a table that cannot be paged in one query, before the warehouse is changed.

    Raises:
        UnpagedTableError: It is too large for one query.
    """
    batch = BatchReader(db, table, sweep.layout.columns, packed=packed, budget=budget).whole()
    return (typed for typed in [sweep.layout.typed(batch)])


Item = TypeVar("Item")


def interleave(walks: Sequence[Iterator[Item]], at_once: int) -> Iterator[Item]:
    """Yield the items of several walks in order of arrival.

    Args:
        walks: Iterators that can run in parallel, each one step at a time. None ends a walk.
        at_once: The number of walks that run in parallel; each is at most one item ahead.

    Raises:
        Exception: The first exception of a walk, after the other walks finish their current step.
    """
    waiting: dict[Future[Item | None], Iterator[Item]] = {}
    ahead = iter(walks)
    with ThreadPoolExecutor(at_once, "pull") as pool:

        def start(walk: Iterator[Item] | None) -> None:
            if walk is not None:
                waiting[pool.submit(next, walk, None)] = walk

        for _ in range(at_once):
            start(next(ahead, None))
        while waiting:
            arrived, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in arrived:
                walk = waiting.pop(future)
                item = future.result()
                start(next(ahead, None) if item is None else walk)
                if item is not None:
                    yield item


FEW_ROWS = FIRST_ROWS  # read from the table's end; gaps in the rowids cost at most so many rows
RANGES = 3  # more would not help: D1 runs one query at a time


class RemoteSource:
    """A database behind HTTP.

    Args:
        db: The database.
        folder: Where batches are saved until they are in the warehouse.
        bookmark: The database's state; None if unknown.
        budget: The limit on rows read.
    """

    packed = True

    def __init__(self, db: Database, folder: Path, bookmark: str | None, budget: Budget) -> None:
        self._db, self._folder, self._bookmark, self._budget = db, folder, bookmark, budget
        self._spools: list[Spool] = []

    @cached_property
    def _believed(self) -> dict[str, int]:
        return believed_rows(self._db)

    def read(self, table: TableInfo, sweep: Sweep) -> Read:
        """Yield all rows of a sweep: first those saved by an earlier pull, then the rest from D1.

        If D1 would scan the table for each batch, read all of it by a unique index instead.
        """
        if table.is_unpaged:
            batches = whole_table(self._db, table, sweep, packed=True, budget=self._budget)
            return Read(batches, self._bookmark, sweep.changes_seen, is_resumed=False)
        scans = self._scans(table, sweep)
        index = unique_index(self._db, table) if scans and sweep.whole else None
        name = index.name if index else None
        spool = Spool(self._folder, self._db.url, sweep, self._bookmark, index=name)
        self._spools.append(spool)
        reader = BatchReader(
            self._db,
            table,
            sweep.layout.columns,
            budget=self._budget,
            index=index,
            scanned_from=sweep.bounds.low if scans else None,
        )
        walks = list(_walks(reader, sweep, spool, by_key=not table.has_rowid or index is not None))
        is_same = self._bookmark is not None and spool.origin.bookmark == self._bookmark
        is_mixed = spool.resumed and not is_same
        return Read(
            batches=_all(spool, walks),
            bookmark=None if is_mixed else self._bookmark,
            changes_seen=spool.origin.changes_seen,
            is_resumed=spool.resumed,
            is_mixed=is_mixed,
            is_unbounded=index is not None,
        )

    def foresee(self, noting: Noting, plan: PullPlan) -> None:
        """Note the first statements of sweeps that read few rows, and begin now."""
        if any((self._folder / FOLDER).glob("*")):
            return  # batches of an interrupted pull: what is left to read depends on them
        for sweep in plan.sweeps:
            if sweep.table is not None and not sweep.table.is_unpaged:
                noting.note(partial(_read_new, noting, sweep.table, sweep))
                noting.note(partial(_read_touched, noting, sweep))
                if plan.log:
                    noting.note(partial(_read_log, noting, plan.log, sweep))

    def _scans(self, table: TableInfo, sweep: Sweep) -> bool:
        """Whether D1 would scan the whole table for each batch because its statistics are off.

        Not checked if there are few rows to read: those come from the table's end.
        """
        low, high, *_ = sweep.bounds
        if not table.has_rowid or high - sweep.after <= FEW_ROWS:
            return False
        return misleads(self._believed.get(table.name.lower()), high - low + 1)

    def forget(self) -> None:
        """Delete the saved batches, which are now in the warehouse."""
        for spool in self._spools:
            spool.clear()


def _read_new(noting: Noting, table: TableInfo, sweep: Sweep) -> None:
    """Ask for a sweep's new rows if they are few, or for the first of a table without rowids."""
    reader = BatchReader(noting, table, sweep.layout.columns)
    after, high = sweep.after, sweep.bounds.high
    if not table.has_rowid:
        next(reader.by_key())
    elif 0 < high - after <= FEW_ROWS:
        next(reader.newest(after, high))


def _read_touched(noting: Noting, sweep: Sweep) -> None:
    """Ask for the rows that the app's index says were touched: see `Planner.foresee`."""
    if not (sweep.table and sweep.touched_index):
        return
    column, budget = str(catalog.TABLES[sweep.name].touched), Budget(noting.meter)
    since = sweep.touched_since
    rowids = touched_rowids(noting, sweep.table, column, sweep.touched_index, since, budget) or ()
    if kept := [rowid for rowid in rowids if rowid <= sweep.after]:
        next(BatchReader(noting, sweep.table, sweep.layout.columns).of_rowids(kept))


def _read_log(noting: Noting, log: TableInfo, sweep: Sweep) -> None:
    """Ask for the changes of a sweep if they are few, or for its changed rows if they are known."""
    seen, upto, budget = sweep.changes_seen, sweep.changes_upto, Budget(noting.meter)
    if sweep.table is None or seen is None or upto is None or not 0 < upto - seen <= FEW_ROWS:
        return
    rowids = changed_rowids(noting, log, sweep, seen, packed=True, budget=budget)
    if kept := [rowid for rowid in rowids if rowid <= sweep.after]:
        next(BatchReader(noting, sweep.table, sweep.layout.columns).of_rowids(kept))


def _all(spool: Spool, walks: Sequence[Iterator[TypedBatch]]) -> TypedBatches:
    yield from spool.batches()
    yield from interleave(walks, RANGES)


def _walks(
    reader: BatchReader, sweep: Sweep, spool: Spool, *, by_key: bool
) -> Iterator[Iterator[TypedBatch]]:
    if by_key:
        after = spool.last_key()
        yield _walk(reader.by_key(after), after, sweep, spool)
        return
    for span in split(spool.gaps()):
        yield _walk(_span(reader, span, sweep.bounds.high), span.after, sweep, spool)


def _span(reader: BatchReader, span: Span, high: int) -> Iterator[Batch]:
    """Whether a span is short enough to read from the table's end.

    Such a read costs the same whatever D1's statistics are.

    Args:
        reader: Reads the table.
        span: The rowids to read.
        high: The table's highest rowid.
    """
    is_end = span.upto == high and span.upto - span.after <= FEW_ROWS
    return reader.newest(*span) if is_end else reader.by_rowid(*span)


def _walk(
    batches: Iterator[Batch], after: int | str | None, sweep: Sweep, spool: Spool
) -> Iterator[TypedBatch]:
    for batch in batches:
        typed = sweep.layout.typed(batch)
        spool.add(typed, after if batch.after is None else batch.after, batch.upto)
        after = batch.upto
        yield typed


def split(spans: Sequence[Span]) -> list[Span]:
    """Split ranges of rowids into `RANGES` or more of similar length; keep short ones as they are.

    >>> split([Span(0, 120_000)])
    [Span(after=0, upto=40000), Span(after=40000, upto=80000), Span(after=80000, upto=120000)]
    """
    target = max(MOST_ROWS, -(-sum(upto - after for after, upto in spans) // RANGES))
    return [
        Span(start, min(start + target, upto))
        for after, upto in spans
        for start in range(after, upto, target)
    ]
