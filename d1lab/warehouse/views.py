"""The warehouse's views: one `.sql` file each, named by its stem, over the tables of D1.

They are made in the schema d1lab, where they read each other, and shown in main.
"""
# ruff: noqa: S608  (names are quoted)

from __future__ import annotations

from pathlib import Path

import duckdb

from d1lab import catalog
from d1lab.d1.database import quote
from d1lab.errors import InputError
from d1lab.files import digest
from d1lab.warehouse.database_file import FORMAT
from d1lab.warehouse.history import HISTORY, create_history
from d1lab.warehouse.shop_days import has_days, keep_days, prepare_days

VIEWS = Path(__file__).parent
OWN = "d1lab"
"""The schema of d1lab's views and records."""

OF_ALL_SHOPS = {"discount_totals": ("raw.analytics_archive",)}
"""Views in which a shop's rows depend on the rows of others, too: here, how the app counts uses.

With the tables of which all rows count. Of `discount_analytics`, each shop's digest says how uses
are counted (`d1lab.pull.content`), so a use in one shop changes nothing in the others.
"""

_APP_VIEWS = VIEWS / "app_views.py"  # part of the warehouse's shape

APPS_FIRST = ("main", OWN)
OWN_FIRST = (OWN, "main")
"""Search paths for names: in a project's SQL, and in d1lab's own."""


def create_views(con: duckdb.DuckDBPyConnection, folder: Path | None = None) -> None:
    """Recreate the views from the files of `folder`, each named after its file's stem.

    Views of the app's tables are dropped: `show_app_tables` recreates them.

    Raises:
        InputError: A file is not a valid SELECT; the message names it.
    """
    dropped = con.execute(
        "SELECT schema_name, view_name FROM duckdb_views() "
        f"WHERE schema_name IN ('main', '{OWN}', '{HISTORY}') AND NOT internal"
    )
    for schema, name in dropped.fetchall():
        con.execute(f"DROP VIEW {schema}.{quote(name)}")
    keep_days(con) if has_days(con) else prepare_days(con)
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {OWN}")
    create_history(con)
    _create_units(con)
    con.execute(f"SET schema = '{OWN}'")
    try:
        _create_all(con, sorted((folder or VIEWS).glob("*.sql")))
    finally:
        con.execute("SET schema = 'main'")


def _create_all(con: duckdb.DuckDBPyConnection, waiting: list[Path]) -> None:
    while waiting:
        failed: dict[Path, str] = {}
        for path in waiting:
            if error := _create_view(con, path):
                failed[path] = error
        if len(failed) == len(waiting):
            path, error = next(iter(failed.items()))
            raise InputError(f"view {path.stem!r} ({path.name}): {error}")
        waiting = list(failed)  # a view can read views of later files


def looking_in(
    con: duckdb.DuckDBPyConnection, schemas: tuple[str, ...]
) -> duckdb.DuckDBPyConnection:
    """Return a second connection to the same warehouse, which looks up names in these schemas."""
    beside = con.cursor()
    [(catalog_name,)] = con.execute("SELECT current_catalog()").fetchall()
    path = ",".join(f"{quote(catalog_name)}.{schema}" for schema in schemas)
    beside.execute("SET search_path = '" + path.replace("'", "''") + "'")
    beside.execute("SET TimeZone = 'UTC'")
    variables = con.execute("SELECT name, value, type FROM duckdb_variables()").fetchall()
    for name, value, kind in variables:
        beside.execute(f"SET VARIABLE {quote(name)} = $1::{kind}", [value])
    return beside


def shape(views: Path | None = None) -> str:
    """Return a digest of the warehouse's tables and views as defined in the code."""
    parts = [str(FORMAT), repr(catalog.TABLES), _APP_VIEWS.read_text(encoding="utf-8")]
    for path in sorted((views or VIEWS).glob("*.sql")):
        parts += [path.name, path.read_text(encoding="utf-8")]
    return digest(*parts)[:16]


def _create_units(con: duckdb.DuckDBPyConnection) -> None:
    """Create the macro `in_units(x)`: an integer if all quantities are whole, else a decimal."""
    there = "FROM duckdb_tables() WHERE schema_name = 'raw' AND table_name = 'order_events'"
    parts = f"SELECT 1 FROM {HISTORY}.order_events WHERE quantity <> floor(quantity) LIMIT 1"
    has_parts = con.execute(there).fetchone() and con.execute(parts).fetchone()
    kind = "DOUBLE" if has_parts else "BIGINT"
    con.execute(f"CREATE OR REPLACE MACRO main.in_units(x) AS x::{kind}")


def _create_view(con: duckdb.DuckDBPyConnection, path: Path) -> str:
    """Create one view; return the error, or an empty text."""
    select = path.read_text(encoding="utf-8").rstrip().rstrip(";")
    try:
        con.execute(f"CREATE VIEW {OWN}.{quote(path.stem)} AS\n{select}\n")
        con.execute(f"CREATE VIEW main.{quote(path.stem)} AS FROM {OWN}.{quote(path.stem)}")
    except duckdb.OperationalError:
        raise  # the disk or the memory, not the view
    except duckdb.Error as error:
        return str(error)
    return ""
