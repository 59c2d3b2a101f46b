"""One file per table with all rows of its archive files: a cache that can be deleted at any time.

    data/<database>/archive/.cache/<table>-<digest of the files' names and sizes>.parquet

DuckDB opens each file of a view for each time that a query reads it: two years of months cost
more than their rows. The archive itself stays as it is, a file per month that never changes.
"""

# pyright: standard

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import duckdb

from d1lab.files import digest, writing
from d1lab.warehouse.archive import archive_folder, literal

CACHE = ".cache"
LEAST_FILES = 2

_FORM = "FORMAT parquet, PARQUET_VERSION v2, COMPRESSION lz4_raw, ROW_GROUP_SIZE 491520"
"""In order, and as differences of neighbors, keys and times take little space even with the
compression that is fastest to read; large groups of rows have less to open."""

_KEPT = 2  # with the one before: a notebook that was opened earlier still reads it


def cached(folder: Path, table: str, sizes: Mapping[str, int]) -> Path | None:
    """Return the file that has the rows of all these files; None if there is none.

    Args:
        folder: The database's folder.
        table: The table.
        sizes: The size of each file in bytes, by its path below the archive's folder.
    """
    path = _path(folder, table, sizes)
    return path if path.is_file() else None


def cache_files(
    con: duckdb.DuckDBPyConnection, folder: Path, table: str, sizes: Mapping[str, int]
) -> None:
    """Write the file that `cached` returns, unless it is there or would save nothing.

    Args:
        con: A connection that may read the files.
        folder: The database's folder.
        table: The table.
        sizes: As for `cached`.
    """
    path = _path(folder, table, sizes)
    if len(sizes) < LEAST_FILES or path.is_file():
        return
    home = archive_folder(folder).resolve()
    source = f"read_parquet({literal([str(home / name) for name in sizes])}, union_by_name = true)"
    with writing(path) as part:
        target = str(part).replace("'", "''")
        con.execute(f"COPY (FROM {source} ORDER BY _rowid) TO '{target}' ({_FORM})")
    older = sorted(path.parent.glob(f"{table}-*.parquet"), key=lambda p: p.stat().st_mtime_ns)
    for each in older[:-_KEPT]:
        each.unlink(missing_ok=True)


def drop_cache(folder: Path) -> None:
    """Delete the cache: its rows are in the archive."""
    shutil.rmtree(archive_folder(folder) / CACHE, ignore_errors=True)


def _path(folder: Path, table: str, sizes: Mapping[str, int]) -> Path:
    content = digest(_FORM, *(f"{name} {size}" for name, size in sorted(sizes.items())))
    return archive_folder(folder).resolve() / CACHE / f"{table}-{content[:16]}.parquet"
