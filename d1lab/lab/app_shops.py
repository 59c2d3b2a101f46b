"""Shops in the app's own tables, with the first and last day of their data."""
# ruff: noqa: S608  (names are quoted, values are bound)

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import duckdb

from d1lab.d1.database import quote
from d1lab.lab.freshness import as_utc
from d1lab.warehouse import own_name

Days = tuple[date, date]
"""First and last day of data."""


_MOST_AHEAD = timedelta(hours=14)
"""The largest difference between a shop's clock and UTC."""


class _AppTable(NamedTuple):
    name: str  # in the schema main
    columns: dict[str, str]  # type by column name

    def times(self, shop: str) -> list[str]:
        """Return SQL expressions for the columns with times or days, as local times of a shop.

        Args:
            shop: SQL of the shop.
        """
        forms = {"TIMESTAMP": f"local_time({shop}, {{}})", "DATE": "CAST({} AS TIMESTAMP)"}
        return [forms[k].format(quote(c)) for c, k in self.columns.items() if k in forms]


def app_shops(con: duckdb.DuckDBPyConnection, shop_column: str) -> dict[str, Days]:
    """Return the shops in the app's own tables, each with the first and last day of its rows.

    A table without times counts for the day of the last pull. Future times do not count.

    Args:
        con: Connection to the warehouse.
        shop_column: Name of the column with the shop, case-insensitive.
    """
    found: dict[str, list[date]] = {}
    for table in _app_tables(con):
        named = [name for name in table.columns if name.lower() == shop_column.lower()]
        for name in named:
            shop = f"CAST({quote(name)} AS VARCHAR)"
            for value, *days in _days(con, table, shop):
                found.setdefault(str(value), []).extend(day for day in days if day)
    pulled = _pulled_on(con)
    return {
        shop: (min(days), max(days)) if days else (pulled, pulled) for shop, days in found.items()
    }


def app_days(con: duckdb.DuckDBPyConnection) -> Days:
    """Return the first and last day in the app's own tables, or else the day of the pull."""
    days = [
        day
        for table in _app_tables(con)
        for _, *found in _days(con, table, "''")
        for day in found
        if day
    ]
    pulled = _pulled_on(con)
    return (min(days), max(days)) if days else (pulled, pulled)


def _days(
    con: duckdb.DuckDBPyConnection, table: _AppTable, shop: str
) -> Iterator[tuple[str, date | None, date | None]]:
    """Return each shop of a table with the first and last day of its rows."""
    times = ", ".join(table.times(shop)) or "NULL::TIMESTAMP"
    rows = con.execute(
        f"SELECT shop, CAST(min(moment) AS DATE), CAST(max(moment) AS DATE) FROM ("
        f"SELECT shop, CASE WHEN moment <= $now THEN moment END AS moment FROM ("
        f"SELECT {shop} AS shop, unnest([{times}]) AS moment FROM main.{quote(table.name)})) "
        "WHERE shop IS NOT NULL GROUP BY shop",
        {"now": datetime.now(UTC).replace(tzinfo=None) + _MOST_AHEAD},
    )
    yield from rows.fetchall()


def _app_tables(con: duckdb.DuckDBPyConnection) -> list[_AppTable]:
    rows = con.execute("SELECT DISTINCT table_name FROM d1lab.columns ORDER BY 1").fetchall()
    columns = con.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE schema_name = 'main' AND NOT internal ORDER BY column_index"
    ).fetchall()
    names = [own_name(table) for (table,) in rows]
    return [
        _AppTable(name, {column: kind for table, column, kind in columns if table == name})
        for name in names
    ]


def _pulled_on(con: duckdb.DuckDBPyConnection) -> date:
    """Return the day of the last pull, or yesterday without a pull."""
    [(at,)] = con.execute("SELECT max(finished_at) FROM d1lab.pull").fetchall()
    return as_utc(at).date() if at else (datetime.now(UTC) - timedelta(days=1)).date()
