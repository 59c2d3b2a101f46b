"""The warehouse's views: one `.sql` file each, named by its stem, over the tables of D1."""

from __future__ import annotations

from pathlib import Path

import duckdb

from d1lab import catalog
from d1lab.d1.database import quote
from d1lab.errors import InputError
from d1lab.files import digest
from d1lab.warehouse.database_file import FORMAT
from d1lab.warehouse.shop_days import has_days, keep_days, prepare_days

VIEWS = Path(__file__).parent


def create_views(con: duckdb.DuckDBPyConnection, folder: Path | None = None) -> None:
    """Recreate the views from the files of `folder`, each named by its file's stem.

    Raises:
        InputError: A file holds no valid SELECT; the message names it.
    """
    dropped = con.execute(
        "SELECT view_name FROM duckdb_views() WHERE schema_name = 'main' AND NOT internal"
    )
    for (name,) in dropped.fetchall():
        con.execute(f"DROP VIEW main.{quote(name)}")
    _create_units(con)
    keep_days(con) if has_days(con) else prepare_days(con)
    waiting = sorted((folder or VIEWS).glob("*.sql"))
    while waiting:
        refused = {path: error for path in waiting if (error := _create_view(con, path))}
        if len(refused) == len(waiting):
            path, error = next(iter(refused.items()))
            raise InputError(f"view {path.stem!r} ({path.name}): {error}")
        waiting = list(refused)  # a view may read views of files that come later


def shape(views: Path | None = None) -> str:
    """A text that changes when the code wants another warehouse: its tables or its views."""
    parts = [str(FORMAT), repr(catalog.TABLES)]
    for path in sorted((views or VIEWS).glob("*.sql")):
        parts += [path.name, path.read_text(encoding="utf-8")]
    return digest(*parts)[:16]


def _create_units(con: duckdb.DuckDBPyConnection) -> None:
    """Make `in_units(x)`: a whole number where all quantities are, else one with fractions."""
    there = "FROM duckdb_tables() WHERE schema_name = 'raw' AND table_name = 'order_events'"
    parts = "SELECT 1 FROM raw.order_events WHERE quantity <> floor(quantity) LIMIT 1"
    has_parts = con.execute(there).fetchone() and con.execute(parts).fetchone()
    kind = "DOUBLE" if has_parts else "BIGINT"
    con.execute(f"CREATE OR REPLACE MACRO main.in_units(x) AS x::{kind}")


def _create_view(con: duckdb.DuckDBPyConnection, path: Path) -> str:
    """Make one view; what is wrong with it, or nothing."""
    select = path.read_text(encoding="utf-8").rstrip().rstrip(";")
    try:
        con.execute(f"CREATE VIEW main.{quote(path.stem)} AS\n{select}\n")
    except duckdb.Error as error:
        return str(error)
    return ""
