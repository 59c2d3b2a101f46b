"""Days of a shop: its time zone, today's date, and the complete days of its data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb

from d1lab.lab.freshness import as_utc
from d1lab.metrics import evaluate, shipped_metric
from d1lab.warehouse import release_memory
from d1lab.warehouse.result_cache import Days, ResultCache


def zone_of(con: duckdb.DuckDBPyConnection, shop: str) -> str | None:
    """Return the time zone of a shop's days; None if unset, which means UTC."""
    return con.execute("SELECT zone_of(?)", [shop]).fetchall()[0][0]


def today(zone: str | None) -> date:
    """Return today's date in a time zone; None for UTC."""
    return datetime.now(ZoneInfo(zone or "UTC")).date()


def with_data(con: duckdb.DuckDBPyConnection, results: ResultCache | None) -> Days:
    """Return the first and last day of data by shop.

    Args:
        con: Connection to the warehouse that looks for d1lab's views first.
        results: Results that are on disk; None to compute them.
    """
    metric = shipped_metric("last_day")

    def computed() -> Days:
        found = evaluate(con, metric, {}).fetchall()
        release_memory(con)
        return {shop: (first, last) for shop, first, last in found if last}

    return results.days(metric.sql, computed) if results else computed()


def complete(
    con: duckdb.DuckDBPyConnection, days: Mapping[str, tuple[date, date]]
) -> dict[str, tuple[date, date]]:
    """Return the first and last complete day by shop.

    A day is complete if it ended before the start of the last pull, in the shop's time zone. The
    day of a shop's newest export is not, if nothing later is known: the file has a part of it. If
    a shop's data starts later, its only day is kept.

    Args:
        con: Connection to the warehouse.
        days: First and last day of each shop's data.
    """
    [(pulled,)] = con.sql("SELECT max(started_at) FROM d1lab.pull").fetchall()
    exports = _exports(con)
    found: dict[str, tuple[date, date]] = {}
    for shop, (first, last) in days.items():
        zone = ZoneInfo(zone_of(con, shop) or "UTC")
        end = last
        if pulled is not None:
            end = min(last, _day(pulled, zone) - timedelta(days=1))
        exported = exports.get(shop)
        if exported and end == _day(exported, zone) and not _has_events_after(con, shop, exported):
            end -= timedelta(days=1)
        found[shop] = first, max(first, end)
    return found


def _day(moment: datetime, zone: ZoneInfo) -> date:
    """Return the day of a moment of the warehouse (UTC) in a time zone."""
    return as_utc(moment).astimezone(zone).date()


def _exports(con: duckdb.DuckDBPyConnection) -> dict[str, datetime]:
    """Return the time of the newest export by shop; older warehouses have none."""
    try:
        return dict(con.sql("SELECT shop, exported_at FROM raw.d1lab_exports").fetchall())
    except duckdb.CatalogException:
        return {}


def _has_events_after(con: duckdb.DuckDBPyConnection, shop: str, moment: datetime) -> bool:
    """Whether orders are known from elsewhere: the app kept recording after the export."""
    later = "SELECT 1 FROM raw.order_events WHERE shop = ? AND occurred_at > ? LIMIT 1"
    return bool(con.execute(later, [shop, moment]).fetchall())
