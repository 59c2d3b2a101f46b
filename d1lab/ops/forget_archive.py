"""Forget a customer or a shop in the archive: the files that have it are written again."""
# ruff: noqa: S608  (names are quoted, values are bound)

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import duckdb

from d1lab.d1 import quote
from d1lab.ops.archive_check import sums_of
from d1lab.ops.archive_copy import copy_file, delete_copy
from d1lab.warehouse import (
    ArchivedFile,
    Manifest,
    archive_folder,
    archive_of,
    drop_cache,
    scratch,
    write_manifest,
    write_rows,
)


class ForgottenFiles(NamedTuple):
    """Files of the archive that were written again, or would be."""

    files: int
    rows: int  # rows in them that had the name


def forget_in_archive(folder: Path, column: str, value: str, *, dry_run: bool) -> ForgottenFiles:
    """Write the archive's files with a name again, without it, and delete the old ones.

    Args:
        folder: The database's folder.
        column: 'customer_id', whose rows stay without it, or 'shop', whose rows go.
        value: The name.
        dry_run: Whether to count only.

    Raises:
        D1labError: A copy could not be written or deleted. The next call goes on.
    """
    manifest, files, total = archive_of(folder), 0, 0
    with scratch() as con:
        for file in manifest.files:
            rows = _count(con, folder, file, column, value)
            files, total = files + bool(rows), total + rows
            if rows and not dry_run:
                drop_cache(folder)
                manifest = _write_again(con, folder, manifest, file, column, value)
    return ForgottenFiles(files, total)


def _source(folder: Path, file: ArchivedFile) -> str:
    path = str(archive_folder(folder) / file.path).replace("'", "''")
    return f"read_parquet('{path}')"


def _count(
    con: duckdb.DuckDBPyConnection, folder: Path, file: ArchivedFile, column: str, value: str
) -> int:
    source = _source(folder, file)
    described = con.execute(f"DESCRIBE FROM {source}").fetchall()
    if column not in {row[0] for row in described}:
        return 0
    found = con.execute(f"SELECT count(*) FROM {source} WHERE {quote(column)} = ?", [value])
    return found.fetchall()[0][0]


def _write_again(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    manifest: Manifest,
    file: ArchivedFile,
    column: str,
    value: str,
) -> Manifest:
    """Write one file again with its generation; the manifest changes before the old one goes.

    The new file names the old one, so that after a kill only one of them counts.
    """
    literal = "'" + value.replace("'", "''") + "'"
    source = _source(folder, file)
    if column == "shop":
        select = f"SELECT * EXCLUDE (_generation) FROM {source} WHERE shop <> {literal}"
    else:
        cell = f"CASE WHEN {quote(column)} = {literal} THEN NULL ELSE {quote(column)} END"
        select = f"SELECT * EXCLUDE (_generation) REPLACE ({cell} AS {quote(column)}) FROM {source}"
    old = archive_folder(folder) / file.path
    others = tuple(each for each in manifest.files if each.path != file.path)
    manifest = manifest._replace(files=others)
    sql = f"SELECT count(*), min(_rowid), max(_rowid) FROM ({select})"
    [(rows, first, last)] = con.execute(sql).fetchall()
    if rows:
        types = {d[0]: str(d[1]) for d in con.execute(f"DESCRIBE {select}").fetchall()}
        sums = sums_of(con, f"({select})", types)
        new = file._replace(
            rows=rows, first=first, last=last, sums=sums, copies=(), replaces=file.path
        )
        new = write_rows(con, folder, select, new, lambda path: None)
        for place in file.copies:
            to = place.removesuffix(f"/{folder.name}/{file.path}")
            new = new._replace(copies=(*new.copies, copy_file(folder, new, to)[0]))
        manifest = manifest.with_file(new)
    for place in file.copies:
        delete_copy(place)
    write_manifest(folder, manifest)
    old.unlink(missing_ok=True)
    return manifest
