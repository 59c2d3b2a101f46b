"""State of the data: age, simulated views, and quarantined values."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, NamedTuple

import duckdb

from d1lab.config import STALE_AFTER
from d1lab.warehouse import OWN

if TYPE_CHECKING:
    import pandas as pd


class Freshness(NamedTuple):
    """Age of the data."""

    pulled_at: datetime | None  # end of the last pull, UTC
    data_as_of: date  # last complete day in the shop's data
    age_hours: float | None  # hours since the last pull
    stale: bool  # True without a pull within 36 hours


def freshness(con: duckdb.DuckDBPyConnection, data_as_of: date) -> Freshness:
    """Return the time of the last pull and whether the data is stale."""
    [(finished,)] = con.sql("SELECT max(finished_at) FROM d1lab.pull").fetchall()
    if finished is None:
        return Freshness(None, data_as_of, None, True)
    pulled_at = as_utc(finished)
    age = datetime.now(UTC) - pulled_at
    return Freshness(pulled_at, data_as_of, age.total_seconds() / 3600, age > STALE_AFTER)


def as_utc(moment: datetime) -> datetime:
    """Convert a naive UTC time of the warehouse to an aware one."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def simulated_views(con: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """Return the views with simulated rows (by their column `source`), by shop."""
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


QUARANTINED = """
SELECT table_name AS "table", column_name AS "column", reason, count(*) AS rows
FROM d1lab.quarantine GROUP BY ALL ORDER BY ALL
"""


def quarantined(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Count the values of an invalid type by table, column, and reason."""
    return con.sql(QUARANTINED).df()
