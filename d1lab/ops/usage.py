"""Usage of a database by day, with a forecast of the day on which a plan's limit is reached.

The days come from Cloudflare where the token allows it: they have what the app uses, too. Otherwise
they come from d1lab's own meter. Both are kept: Cloudflare has 31 days, and the meter's log three
months.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from pydantic import SecretStr

from d1lab.analyses.operations.study import (
    Forecast,
    MonthCost,
    Plan,
    ShopShare,
    Threshold,
    largest_share,
    study,
)
from d1lab.d1 import Database
from d1lab.d1.analytics import keep_usage
from d1lab.d1.limits import PLANS
from d1lab.d1.usage_days import DayUsage, Source, keep_days, kept_days, without_gaps
from d1lab.d1.usage_log import metered_days
from d1lab.metrics import evaluate, load_metrics
from d1lab.warehouse import open_warehouse


class UsageReport(NamedTuple):
    """A database's usage."""

    source: Source
    source_note: str  # why the meter was used, if so
    days: tuple[DayUsage, ...]  # oldest first; the last one may be incomplete
    forecasts: tuple[Forecast, ...]
    costs: tuple[MonthCost, ...]
    thresholds: tuple[Threshold, ...]


def usage(
    db: Database,
    folder: Path,
    *,
    token: SecretStr | None,
    plan: Plan,
    today: date,
    days: int = 31,
    horizon_days: int = 90,
    address: str | None = None,
) -> UsageReport:
    """Report usage, forecasts, costs, and thresholds of a database.

    Args:
        db: The database; only its size is read.
        folder: The database's folder.
        token: Cloudflare's; None for none.
        plan: The Cloudflare plan.
        today: The present day, UTC; it is incomplete, so no forecast uses it.
        days: How many days to report.
        horizon_days: How far to forecast.
        address: Cloudflare's GraphQL API; None for its own.

    Raises:
        D1Error: The size cannot be read.
    """
    note = keep_usage(db.url, folder, token, today, address)
    source: Source = "d1lab" if note else "cloudflare"
    known = _metered(db, folder, today) if note else without_gaps(kept_days(folder, source))
    largest = _largest_shop(folder)
    found = study(known, plan, PLANS, today=today, horizon_days=horizon_days, largest=largest)
    shown = tuple(each for each in known if each.day > today - timedelta(days=days))
    only = f"only what d1lab used: {note}" if note else ""
    return UsageReport(source, only, shown, *found)


def _metered(db: Database, folder: Path, today: date) -> list[DayUsage]:
    """The meter's days up to today, with the present size, which is kept."""
    days = metered_days(folder)
    now = DayUsage(today, 0, 0, None)
    if days and days[-1].day == today:
        now = days.pop()
    size = db.size_bytes() or db.meter.size_bytes or now.bytes
    found = without_gaps([*days, now._replace(bytes=size)])
    keep_days(folder, "d1lab", found)
    return found


def _largest_shop(folder: Path) -> ShopShare | None:
    if not (folder / "warehouse.duckdb").is_file():
        return None
    with open_warehouse(folder) as con:
        return largest_share(evaluate(con, load_metrics()["shop_events"], {}).fetchall())
