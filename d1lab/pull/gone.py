"""Rows that somebody else deleted in D1: told, and kept where a whole period was deleted.

An app that deletes old order events, to save space, does not mean that they never happened. So rows
of days before a shop's first remaining day go to the archive, and still count. Other deleted rows
are corrections: they no longer count.
"""
# ruff: noqa: S608  (names are quoted, values are bound)

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import duckdb

from d1lab.counting import counted
from d1lab.d1.database import quote
from d1lab.warehouse import (
    FILE_NAME,
    ArchivedFile,
    Manifest,
    MissingRows,
    TableRecord,
    archivable,
    archive_folder,
    columns_of,
    rows_of,
    utc_now,
    write_manifest,
    write_rows,
    zones_of,
)

_BEFORE = "_d1lab_before_pull"
_GONE = "_d1lab_gone"


def keep_gone(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    archive: Manifest,
    known: Mapping[str, TableRecord],
    notes: list[str],
) -> Manifest:
    """Keep the rows of whole periods that D1 no longer has, and note what is gone.

    The old warehouse stays attached until the caller's transaction has ended: `let_go`.

    Args:
        con: The new warehouse, with D1's rows.
        folder: The database's folder, with the old warehouse.
        archive: The archive.
        known: The records of the old warehouse.
        notes: Lines are added for each table with deleted rows.

    Returns:
        The archive with the kept rows.
    """
    tables = [name for name in archivable() if name in known and _has_gone(con, known[name])]
    if tables:
        path = str(folder / FILE_NAME).replace("'", "''")
        con.execute(f"ATTACH '{path}' AS {_BEFORE} (READ_ONLY)")
    for table in tables:
        archive = _keep(con, folder, archive, table, notes)
    return archive


def let_go(con: duckdb.DuckDBPyConnection) -> None:
    """Detach the old warehouse."""
    con.execute(f"DETACH DATABASE IF EXISTS {_BEFORE}")


def told_missing(missing: MissingRows) -> str:
    """Return a note about rows of an archived month that D1 no longer has."""
    return (
        f"{counted(missing.rows, 'row')} of {missing.table} in the archived month {missing.month} "
        f"{'is' if missing.rows == 1 else 'are'} no longer in D1, and d1lab did not delete them. "
        f"The archive still counts them. To write them to D1: d1lab archive --restore "
        f"{missing.month}"
    )


def _has_gone(con: duckdb.DuckDBPyConnection, known: TableRecord) -> bool:
    """Whether rows are gone, by counts alone."""
    if not known.rows or known.high_rowid is None:
        return False
    kept = f"SELECT count(*) FROM raw.{quote(known.table_name)} WHERE _rowid <= ?"
    [(rows,)] = con.execute(kept, [known.high_rowid]).fetchall()
    return rows < known.rows


def _keep(
    con: duckdb.DuckDBPyConnection, folder: Path, archive: Manifest, table: str, notes: list[str]
) -> Manifest:
    _find(con, folder, archive, table)
    day = quote(str(archivable()[table].day))
    kept = (
        f"SELECT g.* FROM {_GONE} AS g JOIN (SELECT shop, min({day}::DATE) AS first FROM "
        f"raw.{quote(table)} GROUP BY shop) AS left_over USING (shop) WHERE g.{day}::DATE < first"
    )
    months = con.execute(
        f"SELECT strftime({day}, '%Y-%m') AS month, min(_rowid), max(_rowid), count(*), "
        f"min({day})::DATE, max({day})::DATE FROM ({kept}) GROUP BY month ORDER BY month"
    ).fetchall()
    [(gone,)] = con.execute(f"SELECT count(*) FROM {_GONE}").fetchall()
    for month, first, last, rows, *_ in months:
        file = ArchivedFile(
            table, month, "", archive.next_generation, first, last, rows, {}, zones_of(con),
            utc_now().isoformat(timespec="seconds"), is_kept=True,
        )  # fmt: skip
        select = f"SELECT * FROM ({kept}) WHERE strftime({day}, '%Y-%m') = '{month}'"
        archive = archive.with_file(write_rows(con, folder, select, file, lambda path: None))
    con.execute(f"DROP TABLE {_GONE}")
    rows = sum(month[3] for month in months)
    if months:
        write_manifest(folder, archive)
        notes.append(_told_kept(table, rows, months[0][4], months[-1][5], folder))
    if gone > rows:
        notes.append(
            f"{counted(gone - rows, 'row')} of {table} that somebody deleted in D1 no longer "
            f"{'counts' if gone - rows == 1 else 'count'}"
        )
    return archive


def _told_kept(table: str, rows: int, first: date, last: date, folder: Path) -> str:
    return (
        f"{counted(rows, 'row')} of {table}, {first} to {last}, were deleted in D1, and no archive "
        f"had them. They still count: the pull moved them to {archive_folder(folder) / table}. "
        "To forget them, delete the files there and pull"
    )


def _find(con: duckdb.DuckDBPyConnection, folder: Path, archive: Manifest, table: str) -> None:
    """Make a temporary table of the rows that neither D1 nor the archive has."""
    key = archivable()[table].key
    names = ", ".join(map(quote, key))
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {_GONE} AS SELECT * FROM {_BEFORE}.raw.{quote(table)} "
        f"ANTI JOIN raw.{quote(table)} USING ({names})"
    )
    if files := archive.of(table):
        columns = {n: kind for n, kind in columns_of(con, table).items() if n in key}
        archived = rows_of(con, folder, table, files, columns)
        con.execute(
            f"DELETE FROM {_GONE} AS g USING ({archived}) AS a WHERE "
            + " AND ".join(f"g.{quote(c)} = a.{quote(c)}" for c in key)
        )
