"""A shop's days in the warehouse: its time zone, today, and the complete days of its data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb

from d1lab.lab.freshness import as_utc


def zone_of(con: duckdb.DuckDBPyConnection, shop: str) -> str | None:
    """The time zone of a shop's days; None where none is set, and days are UTC."""
    return con.execute("SELECT zone_of(?)", [shop]).fetchall()[0][0]


def today(zone: str | None) -> date:
    """The present day in a time zone; in UTC for None."""
    return datetime.now(ZoneInfo(zone or "UTC")).date()


def complete(
    con: duckdb.DuckDBPyConnection, days: Mapping[str, tuple[date, date]]
) -> dict[str, tuple[date, date]]:
    """First and last complete day by shop.

    A shop's day is complete when it had ended before the last pull began. Of a shop whose data
    begins on a later day that day is all there is, and it stays.

    Args:
        con: The warehouse.
        days: First and last day of each shop's data.
    """
    [(pulled,)] = con.sql("SELECT max(started_at) FROM d1lab.pull").fetchall()
    if pulled is None:
        return dict(days)
    found: dict[str, tuple[date, date]] = {}
    for shop, (first, last) in days.items():
        now = as_utc(pulled).astimezone(ZoneInfo(zone_of(con, shop) or "UTC"))
        found[shop] = first, max(first, min(last, now.date() - timedelta(days=1)))
    return found
