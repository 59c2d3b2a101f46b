"""Archive closed months: from D1 to Parquet files, verified, and out of D1 if asked.

Each arrow can be interrupted, and the next call goes on from there:

    pull -> the month's rows as Parquet, under a temporary name -> read back, and compared with D1
    -> rename -> manifest -> copy -> [delete: note the range -> delete it in D1 -> pull]

The rows come from the warehouse, which costs nothing; the comparison reads each row of D1 once.
What is archived already is not archived again: a correction goes to a file of its own.
"""
# ruff: noqa: S608  (names are quoted, values are bound)

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import duckdb
from filelock import FileLock, Timeout

from d1lab.catalog import Table, by_declared_name
from d1lab.d1 import Database, quote
from d1lab.errors import LockedError, UnknownName
from d1lab.files import make_private, remove_leftovers
from d1lab.ops.archive_check import D1Rows, compare, sums_of
from d1lab.ops.archive_copy import copy_file, repaired
from d1lab.ops.archive_delete import Deletion
from d1lab.ops.archive_months import closed_before, count_set_aside, find_unarchived, months_of
from d1lab.pull import pull
from d1lab.warehouse import (
    ArchivedFile,
    Zones,
    add_found,
    archivable,
    archive_folder,
    archive_of,
    columns_of,
    open_warehouse,
    remove_replaced,
    utc_now,
    write_manifest,
    write_rows,
    zones_of,
)

KEEP_DAYS = 90
"""The days up to the newest one of the data that stay in D1, unless another number is given."""

DEFAULT_TABLES = ("order_events",)
LOCK = "archive.lock"


class ArchivedMonth(NamedTuple):
    """A closed month of a table, and what was done with it, or would be."""

    table: str
    month: str  # YYYY-MM, UTC
    rows: int  # written to the archive
    bytes: int  # of the files written
    deleted: int  # rows deleted in D1


class ArchiveResult(NamedTuple):
    """The result of an archive; with `dry_run`, what it would do."""

    months: tuple[ArchivedMonth, ...]
    rows_read: int  # as billed by D1, including the pulls
    rows_written: int
    copied: int  # files copied to the target
    repaired: tuple[str, ...]  # damaged files that were restored
    set_aside: int  # rows with values of the wrong type, which stay in D1
    stopped: str  # why rows were left in D1, if so
    seconds: float
    dry_run: bool


def archive(
    db: Database,
    folder: Path,
    *,
    database: str,
    keep_days: int = KEEP_DAYS,
    tables: Sequence[str] = DEFAULT_TABLES,
    delete: bool = False,
    to: str | None = None,
    dry_run: bool = False,
    zones: Zones | None = None,
    rows_left: int | None = None,
) -> ArchiveResult:
    """Archive the closed months of tables, and delete their rows in D1 if asked.

    Args:
        db: The database; opened for writing to delete.
        folder: The database's folder.
        database: The database's name.
        keep_days: The days that stay in D1, up to the newest day of each table.
        tables: The tables, each with a day and a key.
        delete: Whether to delete the archived rows in D1.
        to: A folder or fsspec URL that gets a copy of each file; None for no copy.
        dry_run: Whether to count only.
        zones: The shops' time zones.
        rows_left: The rows that D1 lets d1lab write today; None for no limit.

    Raises:
        LockedError: Another archive of this database is running.
        UnknownName: A table cannot be archived.
        InputError: The target is invalid.
        StaleDataError: A file of the archive is damaged, and neither D1 nor a copy has its rows.
        D1Error: A request to D1 failed. What was done stays, and the next call goes on.
    """
    start, before = monotonic(), db.meter.total
    for name in tables:
        if name not in archivable():
            raise UnknownName("table", name, archivable(), "archive")
    make_private(folder)
    with locked(folder):
        fixed = repair(folder, dry_run=dry_run)
        pull(db, folder, database=database, tables=list(tables), zones=zones)
        work = _Archive(db, folder, keep_days, to, dry_run=dry_run)
        for name in tables:
            work.add(archivable()[name])
        if delete:
            work.delete(tables, rows_left)
        if delete and not dry_run:
            pull(db, folder, database=database, tables=list(tables), zones=zones)
            work.settle()
    used = db.meter.total - before
    return ArchiveResult(
        tuple(work.months.values()), used.rows_read, used.rows_written, work.copied, fixed,
        work.set_aside, work.stopped, monotonic() - start, dry_run,
    )  # fmt: skip


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Let nobody else change the archive of a database."""
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise LockedError(
            f"another archive of {folder.name!r} is running. Try again when it finishes."
        ) from None
    try:
        yield
    finally:
        lock.release()


def repair(folder: Path, *, dry_run: bool = False) -> tuple[str, ...]:
    """Complete the manifest, and restore damaged files from their copies.

    A damaged file whose rows are still in D1 is dropped: the months are archived again.

    Returns:
        The paths of the files restored or dropped.

    Raises:
        StaleDataError: A file is damaged, and nothing else has its rows.
    """
    remove_leftovers(folder, "archive/*/*/.*.part")
    known = archive_of(folder)
    if dry_run or not archive_folder(folder).is_dir():
        return ()
    remove_replaced(folder, known)
    manifest, fixed = repaired(folder, known)
    manifest = add_found(folder, manifest)
    if manifest != known or fixed:
        write_manifest(folder, manifest)
    return fixed


class _Archive:
    """One archive, table by table."""

    def __init__(
        self, db: Database, folder: Path, keep_days: int, to: str | None, *, dry_run: bool
    ) -> None:
        self._db, self._folder, self._keep_days, self._to = db, folder, keep_days, to
        self._dry_run = dry_run
        self._found = by_declared_name(db.tables())
        self._manifest = archive_of(folder)
        self._ended: list[ArchivedFile] = []
        self.months: dict[tuple[str, str], ArchivedMonth] = {}
        self.copied, self.set_aside, self.stopped = 0, 0, ""

    def add(self, table: Table) -> None:
        """Write the rows of closed months that no file has, month by month."""
        with open_warehouse(self._folder) as con:
            last = closed_before(con, table, self._keep_days)
            find_unarchived(con, self._folder, self._manifest, table, last)
            self.set_aside += count_set_aside(con, table, last)
            for month, rows in months_of(con, table):
                self.months[table.name, month] = ArchivedMonth(table.name, month, rows, 0, 0)
                if not self._dry_run:
                    self._write(con, table, month)
        if self._to and not self._dry_run:
            self._copy_all(table.name)

    def _write(self, con: duckdb.DuckDBPyConnection, table: Table, month: str) -> None:
        day = quote(str(table.day))
        select = f"SELECT * FROM unarchived WHERE strftime({day}, '%Y-%m') = '{month}'"
        columns = columns_of(con, table.name)
        ids = [i for (i,) in con.execute(f"SELECT _rowid FROM ({select}) ORDER BY 1").fetchall()]
        sums = sums_of(con, f"({select})", columns)
        file = ArchivedFile(
            table.name, month, "", self._manifest.next_generation, ids[0], ids[-1], len(ids), sums,
            zones_of(con), utc_now().isoformat(timespec="seconds"),
        )  # fmt: skip
        d1_rows = D1Rows(self._db, table, self._found[table.name], ids)
        written = write_rows(
            con, self._folder, select, file, lambda part: compare(con, part, columns, d1_rows, sums)
        )
        self._manifest = self._manifest.with_file(written)
        write_manifest(self._folder, self._manifest)
        done = self.months[table.name, month]
        self.months[table.name, month] = done._replace(bytes=written.bytes)

    def _copy_all(self, table: str) -> None:
        """Copy the files of a table that the target does not have, then the manifest."""
        for file in self._manifest.of(table):
            place, is_new = copy_file(self._folder, file, str(self._to))
            self.copied += is_new
            if place not in file.copies:
                with_copy = file._replace(copies=(*file.copies, place))
                self._manifest = self._manifest.with_file(with_copy)
        write_manifest(self._folder, self._manifest)

    def delete(self, tables: Sequence[str], rows_left: int | None) -> None:
        """Delete the archived rows in D1, as far as today's limit allows."""
        for name in tables:
            table, files = archivable()[name], self._manifest.of(name)
            info = self._found[name]
            work = Deletion(self._db, self._folder, table, info, dry_run=self._dry_run)
            with open_warehouse(self._folder) as con:
                last = closed_before(con, table, self._keep_days)
                chunks = work.chunks(con, self._manifest, last) if files else []
            for chunk in chunks:
                if rows_left is not None and work.deleted + chunk.cost > rows_left:
                    self.stopped = (
                        f"D1's free plan has {rows_left - work.deleted:,} written rows left today, "
                        "too few for the next part. Run the same command again tomorrow (UTC)"
                    )
                    break
                self._manifest = work.delete(self._manifest, chunk)
            rows_left = None if rows_left is None else rows_left - work.deleted
            self._note_deleted(name, work.by_month)
            if not self.stopped:
                self._ended += [f for f in files if f.month <= last[:7] and not f.is_kept]

    def _note_deleted(self, table: str, by_month: Mapping[str, int]) -> None:
        """Count deleted rows; a dry run adds those that would be archived first."""
        for month in sorted({*by_month, *(m for t, m in self.months if t == table)}):
            done = self.months.get((table, month), ArchivedMonth(table, month, 0, 0, 0))
            deleted = by_month.get(month, 0) + (done.rows if self._dry_run else 0)
            self.months[table, month] = done._replace(deleted=deleted)

    def settle(self) -> None:
        """Note the deletions that the warehouse has followed."""
        at = utc_now().isoformat(timespec="seconds")
        manifest = self._manifest._replace(deleting={})
        for file in self._ended:
            if not file.deleted_at:
                manifest = manifest.with_file(file._replace(deleted_at=at))
        write_manifest(self._folder, manifest)
