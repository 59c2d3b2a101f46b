"""Write an archived month back to D1."""
# ruff: noqa: S608  (names are quoted, values are bound)

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import duckdb

from d1lab import catalog
from d1lab.d1 import Database, quote
from d1lab.d1.write import insert_new
from d1lab.errors import InputError
from d1lab.ops.archive import locked, repair
from d1lab.pull import pull
from d1lab.pull.fields import ROWID, Field, fields_of
from d1lab.warehouse import (
    ArchivedFile,
    Manifest,
    Zones,
    archivable,
    archive_of,
    open_warehouse,
    rows_of,
    write_manifest,
)

_FETCHED_ROWS = 10_000


class RestoredMonth(NamedTuple):
    """The result of writing a month back; with `dry_run`, what it would write."""

    month: str
    rows: int  # in the archive
    restored: int  # written to D1; the others were there
    rows_read: int  # as billed by D1, including the pull
    rows_written: int
    seconds: float
    dry_run: bool


def restore(
    db: Database,
    folder: Path,
    month: str,
    *,
    database: str,
    tables: Sequence[str],
    dry_run: bool = False,
    zones: Zones | None = None,
) -> RestoredMonth:
    """Write the archived rows of a month to D1 that it does not have, with their own rowids.

    The files stay. Rows that D1 has under their key are not changed.

    Args:
        db: The database, opened for writing unless `dry_run`.
        folder: The database's folder.
        month: YYYY-MM.
        database: The database's name.
        tables: The tables.
        dry_run: Whether to count only.
        zones: The shops' time zones.

    Raises:
        InputError: The archive has no such month.
        LockedError: An archive of this database is running.
        D1Error: A request to D1 failed. Rows already written stay; the next call writes the rest.
    """
    start, before, rows, restored = monotonic(), db.meter.total, 0, 0
    with locked(folder):
        repair(folder, dry_run=dry_run)
        manifest = archive_of(folder)
        chosen = [f for f in manifest.files if f.table in tables and f.month == month]
        if not chosen:
            known = ", ".join(sorted({f.month for f in manifest.files if f.table in tables}))
            raise InputError(f"the archive has no month {month!r}. Months: {known or 'none'}.")
        with open_warehouse(folder) as con:
            for name in dict.fromkeys(file.table for file in chosen):
                work = _Restoration(db, con, folder, name, [f for f in chosen if f.table == name])
                rows += work.count()
                restored += 0 if dry_run else work.write()
        if not dry_run:
            write_manifest(folder, _reopened(manifest, chosen))
            pull(db, folder, database=database, tables=list(tables), full=True, zones=zones)
    used = db.meter.total - before
    return RestoredMonth(
        month, rows, restored, used.rows_read, used.rows_written, monotonic() - start, dry_run
    )


def _reopened(manifest: Manifest, files: Sequence[ArchivedFile]) -> Manifest:
    """The manifest, in which the rows of these files are in D1 again."""
    for file in files:
        manifest = manifest.with_file(file._replace(deleted_at=None, is_kept=False))
    return manifest


class _Restoration:
    """The rows of one table's files."""

    def __init__(
        self,
        db: Database,
        con: duckdb.DuckDBPyConnection,
        folder: Path,
        table: str,
        files: Sequence[ArchivedFile],
    ) -> None:
        self._db, self._con, self._table = db, con, archivable()[table]
        info = catalog.by_declared_name(db.tables())[table]
        self._fields = [f for f in fields_of(info, self._table) if f.source is not None]
        columns = {field.name: field.duckdb_type for field in self._fields} | {ROWID: "BIGINT"}
        key = ", ".join(map(quote, self._table.key))
        self._rows = (
            f"FROM ({rows_of(con, folder, table, files, columns)}) "
            f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY _generation DESC) = 1"
        )

    def count(self) -> int:
        """The rows in the files, each key once."""
        return self._con.execute(f"SELECT count(*) FROM ({self._rows})").fetchall()[0][0]

    def write(self) -> int:
        """Write the rows that D1 does not have, and return their number."""
        names = [str(field.source) for field in self._fields]
        return insert_new(self._db, self._table.name, self._table.key, names, self._values())

    def _values(self) -> Iterator[tuple[object, ...]]:
        cells = ", ".join(map(_cell, self._fields))
        found = self._con.execute(f"SELECT {cells} FROM ({self._rows}) ORDER BY {ROWID}")
        while rows := found.fetchmany(_FETCHED_ROWS):
            yield from rows


def _cell(field: Field) -> str:
    """A value as the app stores it: times as text in UTC, and amounts as numbers."""
    name = quote(field.name)
    if field.kind == "timestamp":
        return f"strftime({name}, '%Y-%m-%d %H:%M:%S')"
    if field.kind == "date":
        return f"strftime({name}, '%Y-%m-%d')"
    return f"{name}::DOUBLE" if field.kind == "money" else name
