"""Days of a shop: its time zone, today's date, and the complete days of its data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb

from d1lab.lab.freshness import as_utc


def zone_of(con: duckdb.DuckDBPyConnection, shop: str) -> str | None:
    """Return the time zone of a shop's days; None if unset, which means UTC."""
    return con.execute("SELECT zone_of(?)", [shop]).fetchall()[0][0]


def today(zone: str | None) -> date:
    """Return today's date in a time zone; None for UTC."""
    return datetime.now(ZoneInfo(zone or "UTC")).date()


def complete(
    con: duckdb.DuckDBPyConnection, days: Mapping[str, tuple[date, date]]
) -> dict[str, tuple[date, date]]:
    """Return the first and last complete day by shop.

    A day is complete if it ended before the start of the last pull, in the shop's time zone. If a
    shop's data starts later, its only day is kept.

    Args:
        con: Connection to the warehouse.
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
