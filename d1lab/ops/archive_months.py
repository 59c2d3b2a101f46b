"""Which months of a table are closed, and which of their rows the archive does not have."""
# ruff: noqa: S608  (names are quoted, values are bound)

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import duckdb

from d1lab.catalog import Table
from d1lab.d1 import quote
from d1lab.errors import InputError
from d1lab.warehouse import ArchivedFile, Manifest, columns_of, content_hash, rows_of


def closed_before(con: duckdb.DuckDBPyConnection, table: Table, keep_days: int) -> str:
    """Return the first day that stays in D1: the first of a month; '' without any rows.

    A month is closed if its last day is more than `keep_days` before the newest day of the data;
    days in the future do not count.
    """
    day = quote(str(table.day))
    [(newest,)] = con.execute(
        f"SELECT max({day})::DATE FROM raw.{quote(table.name)} WHERE NOT is_to_come({day})"
    ).fetchall()
    if newest is None:
        return ""
    kept: date = newest - timedelta(days=keep_days - 1)
    return kept.replace(day=1).isoformat()


def find_unarchived(
    con: duckdb.DuckDBPyConnection, folder: Path, manifest: Manifest, table: Table, last: str
) -> None:
    """Make the temporary table `unarchived`: rows of closed months that no file has like this."""
    raw, day = f"raw.{quote(table.name)}", quote(str(table.day))
    columns = columns_of(con, table.name)
    select = (
        f"SELECT * FROM {raw} AS r WHERE {day} < TRY_CAST('{last}' AS DATE) AND _rowid NOT IN ("
        "SELECT row_id FROM d1lab.quarantine WHERE table_name = $name AND row_id IS NOT NULL)"
    )
    if files := manifest.of(table.name):
        find_archived(con, folder, table.name, files)
        select += (
            " AND NOT EXISTS (SELECT 1 FROM archived AS a WHERE a.row_id = r._rowid "
            f"AND a.content = {content_hash(list(columns), 'r')})"
        )
    con.execute(f"CREATE OR REPLACE TEMP TABLE unarchived AS {select}", {"name": table.name})


def find_archived(
    con: duckdb.DuckDBPyConnection, folder: Path, table: str, files: Sequence[ArchivedFile]
) -> None:
    """Make the temporary table `archived`: the newest content of each archived row, as a hash."""
    columns = columns_of(con, table)
    archived = rows_of(con, folder, table, files, columns)
    content = content_hash(list(columns), "f")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE archived AS SELECT _rowid AS row_id, "
        f"max(_generation) AS generation, arg_max({content}, _generation) AS content "
        f"FROM ({archived}) AS f GROUP BY _rowid"
    )


def months_of(con: duckdb.DuckDBPyConnection, table: Table) -> list[tuple[str, int]]:
    """Return the months of `unarchived`, each with its rows."""
    day = quote(str(table.day))
    sql = (
        f"SELECT strftime({day}, '%Y-%m') AS month, count(*) FROM unarchived GROUP BY 1 ORDER BY 1"
    )
    return con.execute(sql).fetchall()


def count_set_aside(con: duckdb.DuckDBPyConnection, table: Table, last: str) -> int:
    """Count rows of closed months with values of the wrong type: their day may be missing, too."""
    day = quote(str(table.day))
    found = con.execute(
        f"SELECT count(*) FROM raw.{quote(table.name)} WHERE ({day} IS NULL OR {day} < "
        "TRY_CAST(? AS DATE)) AND _rowid IN (SELECT row_id FROM d1lab.quarantine "
        "WHERE table_name = ?)",
        [last, table.name],
    )
    return found.fetchall()[0][0]


def days_of(text: str) -> int:
    """Return the days of a length such as '90d'.

    Raises:
        InputError: The text is not a number of days.

    >>> days_of("90d"), days_of("30")
    (90, 30)
    """
    digits = text.strip().lower().removesuffix("d")
    if not digits.isdecimal() or not 1 <= int(digits) <= 36_500:
        raise InputError(f"--keep {text!r} is not a number of days. Use 90d.")
    return int(digits)
