"""All rows that a table ever had: those of D1 and those of the archive, as one view.

    history.<table>             raw.<table>, and the archive's rows, unless D1 has their key again
    d1lab.archive               the files that the warehouse was built with
    d1lab.archive_replaced      archived rows that do not count, because a newer row has their key

The files stay outside the warehouse, so that it is as small as D1. Which rows D1 has again is found
by each pull, not by each query: usually there are none.
"""
# ruff: noqa: S608  (names are quoted, values are bound)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb

from d1lab.d1.database import quote
from d1lab.warehouse.archive import (
    GENERATION,
    ArchivedFile,
    Manifest,
    archivable,
    archive_folder,
    literal,
    read_manifest,
)
from d1lab.warehouse.archive_cache import cache_files, cached
from d1lab.warehouse.shop_days import DAY, columns_by_table, zones_of

HISTORY = "history"
"""The schema with all rows of a table that can be archived; without an archive those of D1."""

TABLES = """
CREATE TABLE IF NOT EXISTS d1lab.archive (
    table_name VARCHAR, path VARCHAR, rows BIGINT, bytes BIGINT, month VARCHAR, is_read BOOLEAN,
    has_days BOOLEAN, missing_rows BIGINT, archived_at VARCHAR, deleted_at VARCHAR
);
CREATE TABLE IF NOT EXISTS d1lab.archive_replaced (
    table_name VARCHAR, generation BIGINT, row_id BIGINT
);
"""


class MissingRows(NamedTuple):
    """Rows of an archived month that somebody else deleted in D1; the archive counts them."""

    table: str
    month: str
    rows: int


def is_listed(con: duckdb.DuckDBPyConnection, manifest: Manifest) -> bool:
    """Whether a warehouse was built with these files, and no deletion is to be followed."""
    listed = {(f.path, f.deleted_at) for f in manifest.files}
    return not manifest.deleting and _listed(con) == listed


def list_archive(
    con: duckdb.DuckDBPyConnection, folder: Path, manifest: Manifest
) -> list[MissingRows]:
    """List the archive's files in a warehouse that is being built, and the rows that count.

    Args:
        con: The new warehouse, with the rows of D1.
        folder: The database's folder.
        manifest: Its archive.

    Returns:
        Rows that are no longer in D1, although d1lab did not delete them, if they were there when
        the warehouse was built before.
    """
    con.execute(TABLES)
    known = dict(con.execute("SELECT path, missing_rows FROM d1lab.archive").fetchall())
    con.execute("DELETE FROM d1lab.archive")
    con.execute("DELETE FROM d1lab.archive_replaced")
    missing: list[MissingRows] = []
    for table in archivable():
        if files := manifest.of(table):
            _purge(con, folder, files, manifest.deleting.get(table, ()))
            missing += _list_table(con, folder, files, known)
    for table, sizes in _read_files(con).items():
        cache_files(con, folder, table, sizes)
    set_files(con, folder)
    return missing


def create_history(con: duckdb.DuckDBPyConnection) -> None:
    """Create the views of the schema history, for the files that the connection knows."""
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {HISTORY}")
    con.execute(TABLES)
    there = columns_by_table(con)
    for table in archivable():
        if table in there:
            select = f"SELECT * FROM raw.{quote(table)}"
            if paths := _paths(con, table):
                select += f" UNION ALL BY NAME {_archived(con, table, paths)}"
            con.execute(f"CREATE OR REPLACE VIEW {HISTORY}.{quote(table)} AS {select}")


def _paths(con: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    """The archive's files, as `set_files` has noted them."""
    [(paths,)] = con.execute(f"SELECT getvariable('archive_{table}')::VARCHAR[]").fetchall()
    return paths or []


def set_files(con: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, int]:
    """Tell a connection where the warehouse's archive files are; return their sizes by path."""
    try:
        files = _read_files(con)
    except duckdb.CatalogException:
        return {}  # built before there was an archive
    if files:
        con.execute("SET parquet_metadata_cache = true")  # views read the files several times
    home = archive_folder(folder).resolve()
    for table, sizes in files.items():
        cache = cached(folder, table, sizes)
        paths = [str(home / path) for path in sizes] if cache is None else [str(cache)]
        con.execute(f"SET VARIABLE {quote(f'archive_{table}')} = {literal(paths)}")
    return {path: size for sizes in files.values() for path, size in sizes.items()}


def _read_files(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, int]]:
    """Return the size of each file that the views read, by table and path."""
    found: dict[str, dict[str, int]] = {}
    sql = "SELECT table_name, path, bytes FROM d1lab.archive WHERE is_read ORDER BY ALL"
    for table, path, size in con.execute(sql).fetchall():
        found.setdefault(table, {})[path] = size
    return found


def rows_of(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    table: str,
    files: Sequence[ArchivedFile],
    columns: Mapping[str, str],
) -> str:
    """Return SQL for the rows of archive files, with the columns that the warehouse has now.

    Args:
        con: A connection that may read the files.
        folder: The database's folder.
        table: The table.
        files: Its files.
        columns: The warehouse's columns, with their types.
    """
    home = archive_folder(folder).resolve()
    source = f"read_parquet({literal([str(home / f.path) for f in files])}, union_by_name = true)"
    there = {row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
    cells = [
        f"CAST({quote(name) if name in there else 'NULL'} AS {kind}) AS {quote(name)}"
        for name, kind in columns.items()
    ]
    return f"SELECT {', '.join(cells)}, {GENERATION} FROM {source}"


def content_hash(columns: Sequence[str], alias: str) -> str:
    """Return SQL for a hash of a row's content, without its place and its local day."""
    own = [f"{alias}.{quote(c)}" for c in columns if c not in ("_rowid", DAY)]
    return f"hash({', '.join(own)})"


def _listed(con: duckdb.DuckDBPyConnection) -> set[tuple[str, str | None]]:
    try:
        return set(con.execute("SELECT path, deleted_at FROM d1lab.archive").fetchall())
    except duckdb.CatalogException:
        return set()


def columns_of(con: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    """Return the columns of a table in schema raw, with their types."""
    return columns_by_table(con).get(table, {})


def _purge(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    files: Sequence[ArchivedFile],
    ranges: Sequence[tuple[int, int]],
) -> None:
    """Delete rows that `d1lab archive` deleted in D1, as far as the archive has the same ones.

    The change log has no entry of them. A row that is different was changed in D1 since: it stays.
    """
    if not ranges:
        return
    table = files[0].table
    columns = columns_of(con, table)
    archived = rows_of(con, folder, table, files, columns)
    new, old = content_hash(list(columns), "r"), content_hash(list(columns), "a")
    within = " OR ".join(f"r._rowid BETWEEN {low:d} AND {high:d}" for low, high in ranges)
    con.execute(
        f"DELETE FROM raw.{quote(table)} WHERE _rowid IN (SELECT r._rowid FROM raw.{quote(table)} "
        f"AS r JOIN ({archived}) AS a ON r._rowid = a._rowid AND {new} = {old} WHERE {within})"
    )


def _list_table(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    files: Sequence[ArchivedFile],
    before: Mapping[str, int],
) -> list[MissingRows]:
    """List one table's files, and which of their rows do not count."""
    table = files[0].table
    key = archivable()[table].key
    keyed = {
        name: kind for name, kind in columns_of(con, table).items() if name in (*key, "_rowid")
    }
    archived = rows_of(con, folder, table, files, keyed)
    names = ", ".join(map(quote, key))
    con.execute(f"CREATE OR REPLACE TEMP TABLE _archived AS {archived}")
    replaced = (
        f"SELECT {GENERATION}, _rowid FROM _archived SEMI JOIN raw.{quote(table)} USING ({names}) "
        f"UNION SELECT a.{GENERATION}, a._rowid FROM _archived AS a JOIN ("
        f"SELECT {names}, max({GENERATION}) AS newest FROM _archived GROUP BY {names} "
        f"HAVING count(*) > 1) AS n USING ({names}) WHERE a.{GENERATION} < n.newest"
    )
    con.execute(f"CREATE OR REPLACE TEMP TABLE _replaced AS {replaced}")
    counted = con.execute(f"SELECT {GENERATION}, count(*) FROM _replaced GROUP BY 1").fetchall()
    by_file, missing, zones = dict(counted), list[MissingRows](), zones_of(con)
    for file in files:
        left = file.rows - by_file.get(file.generation, 0)
        missing_here = 0 if file.deleted_at or file.is_kept else left
        con.execute(
            "INSERT INTO d1lab.archive VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [table, file.path, file.rows, file.bytes, file.month, left > 0, file.zones == zones,
             missing_here, file.archived_at, file.deleted_at],
        )  # fmt: skip
        is_new = missing_here > before.get(file.path, 0)
        missing += [MissingRows(table, file.month, missing_here)] if is_new else []
    partly = [f.generation for f in files if 0 < by_file.get(f.generation, 0) < f.rows]
    con.execute(
        f"INSERT INTO d1lab.archive_replaced SELECT ?, {GENERATION}, _rowid FROM _replaced "
        f"WHERE list_contains(?::BIGINT[], {GENERATION})",  # of the others, no row is read
        [table, partly],
    )
    con.execute("DROP TABLE _archived")
    con.execute("DROP TABLE _replaced")
    return missing


def _archived(con: duckdb.DuckDBPyConnection, table: str, paths: Sequence[str]) -> str:
    """The archive's rows that count, as SQL that finds the files where the connection has them."""
    variable = f"getvariable('archive_{table}')::VARCHAR[]"
    source = f"read_parquet(coalesce({variable}, {literal(paths)}), union_by_name = true) AS a"
    rest = f"a.* EXCLUDE ({GENERATION})"
    if DAY in columns_of(con, table) and _has_other_zones(con, table):
        rest += f" REPLACE (NULL::DATE AS {DAY})"  # then it is computed for each query
    some = con.execute("SELECT 1 FROM d1lab.archive_replaced WHERE table_name = ?", [table])
    if not some.fetchall():
        return f"SELECT {rest} FROM {source}"
    return (
        f"SELECT {rest} FROM {source} ANTI JOIN (SELECT generation, row_id FROM "
        f"d1lab.archive_replaced WHERE table_name = '{table}') AS gone "
        f"ON gone.generation = a.{GENERATION} AND gone.row_id = a._rowid"
    )


def _has_other_zones(con: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Whether a file's days are of other zones than the warehouse's."""
    other = "SELECT 1 FROM d1lab.archive WHERE is_read AND NOT has_days AND table_name = ?"
    return bool(con.execute(other, [table]).fetchall())


def archive_of(folder: Path) -> Manifest:
    """Return the archive of a database's folder; empty without one."""
    return read_manifest(folder) if archive_folder(folder).is_dir() else Manifest()
