"""Forget a customer or a shop everywhere d1lab keeps data, as Shopify's redact requests ask.

A customer's order lines stay, without the customer: revenue and units are the shop's. Everything
else about the customer goes, and everything about a shop. The steps can be repeated: an interrupted
call is completed by the same command. At the end all is read again, and a trace is an error.

    D1 (d1lab's tables, and the counters that it owns) -> archive -> pull, in a new file ->
    runs, before-images, pages, caches -> read back -> audit row without the identity
"""
# ruff: noqa: S608  (names are quoted, values are bound)

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Literal, NamedTuple

from d1lab import catalog
from d1lab.catalog import FORGOTTEN
from d1lab.d1 import Database, Statement, quote
from d1lab.errors import D1labError, InputError
from d1lab.ops.archive import locked, repair
from d1lab.ops.forget_archive import forget_in_archive
from d1lab.ops.forget_files import files_of, forget_in_file, forget_runs
from d1lab.pull import pull
from d1lab.push.ownership import owned
from d1lab.version import __version__
from d1lab.warehouse import Zones

_EVENTS = "order_events"
_KEEPS_LINES = "UPDATE order_events SET customer_id = NULL WHERE customer_id = ?1"


class Subject(NamedTuple):
    """Who is forgotten."""

    kind: Literal["customer", "shop"]
    value: str  # as D1 stores it

    @property
    def column(self) -> str:
        """The column that names it."""
        return "customer_id" if self.kind == "customer" else "shop"


class ForgetResult(NamedTuple):
    """The result; with `dry_run`, what would change."""

    kind: str
    d1_rows: dict[str, int]  # rows changed or deleted, by table
    archive_files: int  # files written again
    archive_rows: int  # rows in them that named the customer or shop
    files: int  # runs' files, before-images, pages, and caches changed or deleted
    apps: tuple[str, ...]  # the app's tables that still have rows: the app deletes there
    rows_written: int  # as billed by D1
    seconds: float
    dry_run: bool


def forget(
    db: Database,
    folder: Path,
    reports: Path,
    subject: Subject,
    *,
    database: str,
    dry_run: bool = False,
    zones: Zones | None = None,
) -> ForgetResult:
    """Remove a customer or a shop from D1, the warehouse, the archive, runs, and pages.

    Args:
        db: The database, opened for writing unless `dry_run`.
        folder: The database's folder.
        reports: The database's folder of pages.
        subject: Who is forgotten.
        database: The database's name.
        dry_run: Whether to count only.
        zones: The shops' time zones.

    Raises:
        InputError: The name is empty, or a migration is missing.
        LockedError: An archive of this database is running.
        D1labError: A trace is left at the end; the message has the place, not the name.
        D1Error: A request to D1 failed. What was done stays; the next call does the rest.
    """
    start, before = monotonic(), db.meter.total.rows_written
    _require(db, subject, dry_run=dry_run)
    work = _Forgetting(db, folder, reports, subject, dry_run=dry_run)
    with locked(folder):
        repair(folder, dry_run=dry_run)
        rows = dict(work.d1())
        changed = forget_in_archive(folder, subject.column, subject.value, dry_run=dry_run)
        if not dry_run:
            pull(db, folder, database=database, full=True, zones=zones, compact=True)
        files = work.files()
        if not dry_run:
            work.read_back()
            _audit(db, subject, sum(rows.values()) + changed.rows, files + changed.files)
    written = db.meter.total.rows_written - before
    return ForgetResult(
        subject.kind, rows, changed.files, changed.rows, files, work.apps, written,
        monotonic() - start, dry_run,
    )  # fmt: skip


def _require(db: Database, subject: Subject, *, dry_run: bool) -> None:
    if not subject.value.strip():
        raise InputError(f"--{subject.kind} is empty. Pass the {subject.kind} as D1 stores it.")
    if not dry_run and FORGOTTEN not in db.tables():
        raise InputError(f"{db.url} has no table {FORGOTTEN}. Run: d1lab migrate")


class _Forgetting:
    """The places to forget somebody in."""

    def __init__(
        self, db: Database, folder: Path, reports: Path, subject: Subject, *, dry_run: bool
    ) -> None:
        self._db, self._folder, self._reports = db, folder, reports
        self._subject, self._dry_run = subject, dry_run
        self._tables = catalog.by_declared_name(db.tables())
        self._owned = {part.table for part in owned(db)}
        self.apps = tuple(self._apps())

    def d1(self) -> Iterator[tuple[str, int]]:
        """Change D1's tables that d1lab may write; yield each with its rows."""
        for name in self._ours():
            rows = self._count(name)
            if rows and not self._dry_run:
                self._remove(name)
            if rows:
                yield name, rows

    def files(self) -> int:
        """Remove the name from files; return how many had it."""
        subject, count = self._subject, 0
        if subject.kind == "shop":
            count += len(forget_runs(self._folder, subject.value, dry_run=self._dry_run))
        for path in files_of(self._folder, self._reports):
            count += forget_in_file(path, subject.column, subject.value, dry_run=self._dry_run)
        return count

    def read_back(self) -> None:
        """Raise if the name is left somewhere."""
        left = [name for name in self._ours() if self._count(name)]
        subject = self._subject
        left += [
            str(path)
            for path in files_of(self._folder, self._reports)
            if forget_in_file(path, subject.column, subject.value, dry_run=True)
        ]
        found = forget_in_archive(self._folder, subject.column, subject.value, dry_run=True)
        left += ["the archive"] if found.files else []
        if left:
            raise D1labError(
                f"forget: the {subject.kind} is still named in {', '.join(left[:5])}. A process "
                "may have written there meanwhile: run the same command again."
            )

    def _ours(self) -> list[str]:
        """The tables with the column that d1lab may change: its own, and those that it counts."""
        return [n for n in self._named() if not self._is_apps(n) or n in self._owned]

    def _apps(self) -> Iterator[str]:
        ours = {*self._ours()}
        return (name for name in self._named() if name not in ours and self._count(name))

    def _named(self) -> list[str]:
        """d1lab's tables and the guide's with the column."""
        wanted = self._subject.column
        return [
            name
            for name, info in self._tables.items()
            if any(column.name.lower() == wanted for column in info.columns)
            and (name in catalog.TABLES or name.startswith("d1lab_"))
        ]

    def _is_apps(self, name: str) -> bool:
        return name in catalog.TABLES and catalog.TABLES[name].is_guides

    def _count(self, name: str) -> int:
        sql = f"SELECT count(*) FROM {quote(name)} WHERE {quote(self._subject.column)} = ?1"
        return int(str(self._db.query(sql, (self._subject.value,), table=name).rows[0][0]))

    def _remove(self, name: str) -> None:
        value = self._subject.value
        if name == _EVENTS and self._subject.kind == "customer":
            sql = _KEEPS_LINES
        else:
            sql = f"DELETE FROM {quote(name)} WHERE {quote(self._subject.column)} = ?1"
        self._db.batch([Statement(sql, (value,))], table=name, idempotent=True)


def _audit(db: Database, subject: Subject, rows: int, files: int) -> None:
    at = datetime.now(UTC).isoformat(sep=" ", timespec="microseconds").removesuffix("+00:00")
    sql = f"INSERT INTO {FORGOTTEN} VALUES (?1, ?2, ?3, ?4, ?5)"
    db.execute(sql, (at, subject.kind, rows, files, __version__), table=FORGOTTEN)
