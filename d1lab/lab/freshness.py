"""The state of the data: how old it is, what of it is simulated, what a pull could not fit."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, NamedTuple

import duckdb

from d1lab.config import STALE_AFTER
from d1lab.warehouse import OWN

if TYPE_CHECKING:
    import pandas as pd


class Freshness(NamedTuple):
    """How old the data is."""

    pulled_at: datetime | None  # when the last pull ended, UTC
    data_as_of: date  # the last day in the shop's data
    age_hours: float | None  # since the last pull
    stale: bool  # no pull within 36 hours


def freshness(con: duckdb.DuckDBPyConnection, data_as_of: date) -> Freshness:
    """When the last pull ended, and whether that is too long ago."""
    [(finished,)] = con.sql("SELECT max(finished_at) FROM d1lab.pull").fetchall()
    if finished is None:
        return Freshness(None, data_as_of, None, True)
    pulled_at = as_utc(finished)
    age = datetime.now(UTC) - pulled_at
    return Freshness(pulled_at, data_as_of, age.total_seconds() / 3600, age > STALE_AFTER)


def as_utc(moment: datetime) -> datetime:
    """A time of the warehouse, which keeps UTC, as an aware one."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def simulated_views(con: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """By shop, the views that hold rows whose `source` says that they are simulated."""
    views = con.sql(
        "SELECT c.table_name FROM duckdb_columns() AS c JOIN duckdb_views() AS v "
        "ON v.view_name = c.table_name AND v.schema_name = c.schema_name "
        "WHERE v.schema_name = 'd1lab' AND NOT v.internal AND c.column_name = 'source' "
        "ORDER BY c.table_name"
    ).fetchall()
    by_shop: dict[str, list[str]] = {}
    for (view,) in views:
        rows = con.table(f"{OWN}.{view}").filter("source = 'simulated'")
        for (shop,) in rows.select("shop").distinct().fetchall():
            by_shop.setdefault(shop, []).append(view)
    return by_shop


def quarantined(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Values that did not fit their declared type, counted by table, column and reason."""
    return con.sql(
        'SELECT table_name AS "table", column_name AS "column", reason, count(*) AS rows '
        "FROM d1lab.quarantine GROUP BY ALL ORDER BY ALL"
    ).df()
