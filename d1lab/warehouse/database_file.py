"""The DuckDB file of one database: build it under another name, swap it in, open it read-only.

    raw.<table>         D1's tables with the catalog's types, and D1's rowid as `_rowid`
    d1lab.<view>        one view per .sql file in this folder, for metrics
    main.<name>         for analysts: the app's own tables, and the views with data
    d1lab.pull          the last pull of all tables (one row)
    d1lab.tables        per table: rows, pull time, billed rows read, and a digest of its content
    d1lab.build         the file's ID: a file that was built never changes
    d1lab.shop_digests  per table with a shop: a digest of each shop's rows
    d1lab.own_rows      the keys, as hashes, of rows that d1lab inserted in tables of the app
    d1lab.quarantine    values that do not match their declared type
    d1lab.columns       per column of the app's own tables: how it is declared and stored

DuckDB allows either one process to write a file or many to read it. So a pull works on a copy, and
replaces the old file at the end: readers keep their open file, and a crash leaves the old file.
"""
# ruff: noqa: S608  (names are quoted, values are bound)

from __future__ import annotations

import shutil
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakSet

import duckdb

from d1lab.d1.database import quote
from d1lab.errors import StaleDataError
from d1lab.warehouse import archive, history
from d1lab.warehouse.result_cache import note_build
from d1lab.warehouse.shop_days import Zones, has_days, prepare_days, use_zones

FILE_NAME = "warehouse.duckdb"
FORMAT = 3  # increased if older files are incompatible and have to be rebuilt
MEMORY = "256MB"  # DuckDB's limit during a pull, which streams and needs no more

_CONNECTIONS: WeakSet[duckdb.DuckDBPyConnection] = WeakSet()
_UTC = "SET TimeZone = 'UTC'"

_TABLES = f"""
CREATE SCHEMA IF NOT EXISTS raw;
CREATE SCHEMA IF NOT EXISTS d1lab;
CREATE TABLE IF NOT EXISTS d1lab.format AS SELECT {FORMAT} AS version;
CREATE TABLE IF NOT EXISTS d1lab.pull (
    database VARCHAR, url VARCHAR, bookmark VARCHAR, started_at TIMESTAMP, finished_at TIMESTAMP,
    rows_pulled BIGINT, rows_read BIGINT, shape VARCHAR
);
CREATE TABLE IF NOT EXISTS d1lab.tables (
    table_name VARCHAR PRIMARY KEY, rows BIGINT, high_rowid BIGINT, rows_read BIGINT,
    pulled_at TIMESTAMP, digest VARCHAR, bookmark VARCHAR, changes_seq BIGINT, columns VARCHAR,
    reread_at TIMESTAMP, explained VARCHAR, touched_index VARCHAR, touched_since VARCHAR
);
CREATE TABLE IF NOT EXISTS d1lab.shop_digests (table_name VARCHAR, shop VARCHAR, digest VARCHAR);
CREATE TABLE IF NOT EXISTS d1lab.own_rows (table_name VARCHAR, row UBIGINT);
CREATE TABLE IF NOT EXISTS d1lab.quarantine (
    table_name VARCHAR, key VARCHAR, column_name VARCHAR, value VARCHAR, reason VARCHAR,
    found_at TIMESTAMP, row_id BIGINT
);
CREATE TABLE IF NOT EXISTS d1lab.columns (
    table_name VARCHAR, column_name VARCHAR, declared VARCHAR, key_position INTEGER,
    refers_to VARCHAR, comment VARCHAR, table_comment VARCHAR, stored_as VARCHAR
);
"""


class PullRecord(NamedTuple):
    """The row of d1lab.pull, for the last pull of all tables. Times are UTC."""

    database: str
    url: str
    bookmark: str | None
    started_at: datetime
    finished_at: datetime
    rows_pulled: int
    rows_read: int
    shape: str  # see `shape`


class TableRecord(NamedTuple):
    """A row of d1lab.tables."""

    table_name: str
    rows: int
    high_rowid: int | None
    rows_read: int
    pulled_at: datetime  # the table is at least as recent as this, UTC
    digest: str
    bookmark: str | None  # the database's when the pull began; None if uncertain
    changes_seq: int | None  # the change log is applied up to here
    columns: str  # the columns as they were read
    reread_at: datetime  # updates and deletions are included as of this time, UTC
    explained: str | None  # the bookmark up to which all later changes are d1lab's own
    touched_index: str | None = None  # an index that covers every update, if one was found
    touched_since: str | None = None  # D1's time when the table was last read, UTC


class Records(NamedTuple):
    """The records in a warehouse about its pulls and tables."""

    pull: PullRecord | None
    tables: dict[str, TableRecord]


def open_warehouse(
    folder: Path, *, uses_start: int | None = None, zones: Zones | None = None
) -> duckdb.DuckDBPyConnection:
    """Open the warehouse in `folder` for reading. Times are UTC.

    Args:
        folder: The database's folder.
        uses_start: The app's initial value of times_used, 0 or 1; None to detect it.
        zones: The shops' time zones, which define days; None for those of the last pull.

    Raises:
        StaleDataError: There is no warehouse that this version can read, or a file of its archive
            is missing or truncated.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        raise StaleDataError(
            f"no warehouse for {folder.name!r} yet. Run `d1lab pull` to create it."
        )
    con = attach(folder)
    version = format_of(con)
    if version is not None and (version != FORMAT or not has_days(con)):
        con.close()
        raise StaleDataError(
            f"the warehouse of {folder.name!r} was built by another version of d1lab. "
            "Run `d1lab pull` to rebuild it."
        )
    if uses_start is not None:
        con.execute(f"SET VARIABLE uses_start = {uses_start:d}")
    if zones is not None:
        use_zones(con, zones)
    try:
        archive.require_files(folder, history.set_files(con, folder))
    except StaleDataError:
        con.close()
        raise
    return con


def restrict(con: duckdb.DuckDBPyConnection, folders: Sequence[Path]) -> None:
    """Let SQL on this connection read files of these folders only; it cannot be undone.

    What is attached already stays readable. Nothing is loaded from the network either.
    """
    listed = ", ".join(_literal(str(folder.resolve()) + "/") for folder in folders)
    con.execute(f"SET allowed_directories = [{listed}]")
    con.execute("SET enable_external_access = false")


def scratch(**config: str) -> duckdb.DuckDBPyConnection:
    """Open an in-memory database for auxiliary work. Times are UTC, and no progress bar is shown.

    Args:
        config: DuckDB's settings, such as memory_limit.
    """
    return _connect(":memory:", config)


def attach(folder: Path) -> duckdb.DuckDBPyConnection:
    """Open a connection that reads the warehouse in `folder`, whatever its format.

    The file is attached to a new in-memory connection: otherwise DuckDB would return the file that
    this process opened before, even after it was replaced.

    Raises:
        StaleDataError: The file is not a DuckDB file, or has an unsupported version.
    """
    con = scratch()
    try:
        con.execute(f"ATTACH {_literal(str(folder / FILE_NAME))} AS warehouse (READ_ONLY)")
        con.execute("USE warehouse")
        history.set_files(con, folder)
    except duckdb.Error as error:
        con.close()
        raise StaleDataError(
            f"cannot read the warehouse of {folder.name!r}: {error}. Run `d1lab pull` "
            "to rebuild it."
        ) from None
    return con


def records(con: duckdb.DuckDBPyConnection) -> Records:
    """Read the warehouse's records about its pulls and tables."""
    pulls = con.execute("SELECT * FROM d1lab.pull").fetchall()
    tables = con.execute("SELECT * FROM d1lab.tables").fetchall()
    return Records(
        PullRecord(*pulls[0]) if pulls else None, {row[0]: TableRecord(*row) for row in tables}
    )


def record_pull(con: duckdb.DuckDBPyConnection, record: PullRecord) -> None:
    """Record a pull, replacing the previous record."""
    con.execute("DELETE FROM d1lab.pull")
    con.execute(f"INSERT INTO d1lab.pull VALUES ({', '.join('?' * len(record))})", list(record))


def record_tables(con: duckdb.DuckDBPyConnection, records: Sequence[TableRecord]) -> None:
    """Record the state of tables, replacing their previous records, in one statement."""
    if records:
        row = "(" + ", ".join("?" * len(TableRecord._fields)) + ")"
        con.execute(
            f"INSERT OR REPLACE INTO d1lab.tables VALUES {', '.join([row] * len(records))}",
            list(chain.from_iterable(records)),
        )


def drop_table(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """Drop a table that D1 no longer has, and its records."""
    con.execute(f"DROP TABLE IF EXISTS raw.{quote(name)} CASCADE")
    for notes in ("tables", "quarantine", "shop_digests", "own_rows"):
        con.execute(f"DELETE FROM d1lab.{notes} WHERE table_name = ?", [name])


def format_of(con: duckdb.DuckDBPyConnection) -> int | None:
    """Return the format of the warehouse; None if not recorded."""
    try:
        return con.execute("SELECT version FROM d1lab.format").fetchall()[0][0]
    except duckdb.CatalogException:
        return None


@contextmanager
def next_warehouse(
    folder: Path, *, fresh: bool = False, compact: bool = False
) -> Generator[duckdb.DuckDBPyConnection]:
    """Open a new warehouse for writing, which replaces the old one if the block succeeds.

    Args:
        folder: The folder of the database.
        fresh: Whether to start empty; by default from a copy of the old file, if there is one.
        compact: Whether to give the space of deleted rows back, by a second copy of the file.
    """
    path, aside = folder / FILE_NAME, folder / f"{FILE_NAME}.next"
    _clear(aside)
    config = {"memory_limit": MEMORY, "preserve_insertion_order": False}  # all threads write
    try:
        if path.is_file() and not fresh:
            shutil.copyfile(path, aside)
        with closing(_connect(str(aside), config)) as con:
            con.execute(_TABLES)
            if not has_days(con):
                prepare_days(con)
            yield con
            note_build(con)
            con.execute("CHECKPOINT")
        if compact:
            _compact(aside)
        aside.replace(path)
    finally:
        _clear(aside)


def interrupt() -> None:
    """Cancel running queries on all connections, because DuckDB does not react to Ctrl-C."""
    for con in list(_CONNECTIONS):
        with suppress(duckdb.ConnectionException):  # already closed
            con.interrupt()


def digest(
    con: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str], schema: str = "raw"
) -> str:
    """Return a digest of the content of a table's columns, independent of row order.

    Args:
        con: The warehouse.
        table: A table in the schema.
        columns: The columns to include.
        schema: 'raw' for D1's rows, 'history' for those of the archive, too.
    """
    return digest_by(con, table, columns, "NULL", schema)[None]


def digest_by(
    con: duckdb.DuckDBPyConnection,
    table: str,
    columns: Sequence[str],
    group: str,
    schema: str = "raw",
    which: str = "true",
) -> dict[str | None, str]:
    """Return a digest for each value of an expression, as text, and for all rows together (None).

    Arguments as those of `digest`. Rows whose value is NULL are in the latter only. `which` is a
    condition of the rows to include.
    """
    hashed = f"hash({', '.join(map(quote, columns))})" if columns else "0"
    counts = f"SELECT ({group})::VARCHAR, count(*), sum({hashed})"
    chosen = f"{schema}.{quote(table)} WHERE {which}"
    groups = con.execute(f"{counts} FROM {chosen} GROUP BY 1").fetchall()
    digests: dict[str | None, str] = {name: f"{rows}-{total:x}" for name, rows, total in groups}
    rows, total = sum(rows for _, rows, _ in groups), sum(total for *_, total in groups)
    return digests | {None: f"{rows}-{total:x}"}


def utc_now() -> datetime:
    """Convert a time to UTC without a zone, as in DuckDB's TIMESTAMP."""
    return datetime.now(UTC).replace(tzinfo=None)


def _connect(path: str, config: Mapping[str, Any]) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(path, config=dict(config))
    con.execute(_UTC)
    if con.sql("SELECT current_setting('enable_progress_bar')").fetchall() == [(True,)]:
        con.execute("SET enable_progress_bar = false")  # fails in Jupyter without widgets
    _CONNECTIONS.add(con)
    return con


def _compact(path: Path) -> None:
    """Rewrite a warehouse: DuckDB never gives back the space of deleted rows by itself."""
    small = path.with_name(f"{path.name}.small")
    small.unlink(missing_ok=True)
    with closing(_connect(":memory:", {"memory_limit": MEMORY})) as con:
        con.execute(f"ATTACH {_literal(str(path))} AS old (READ_ONLY)")
        con.execute(f"ATTACH {_literal(str(small))} AS new")
        con.execute("COPY FROM DATABASE old TO new")
        con.execute("DETACH new")
    small.replace(path)


def _clear(aside: Path) -> None:
    """Delete the files of a killed pull."""
    aside.unlink(missing_ok=True)
    aside.with_name(aside.name + ".wal").unlink(missing_ok=True)
    shutil.rmtree(aside.with_name(aside.name + ".tmp"), ignore_errors=True)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
