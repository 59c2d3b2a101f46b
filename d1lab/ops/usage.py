"""Usage of a database by day, with a forecast of the day on which a plan's limit is reached.

The days come from Cloudflare where the token allows it: they have what the app uses, too. Otherwise
they come from d1lab's own meter. Both are kept in data/<database>/usage/days.json, because
Cloudflare keeps 31 days, and the meter three months.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

import orjson
from pydantic import SecretStr

from d1lab.d1 import Database
from d1lab.d1.analytics import DayUsage, usage_by_day
from d1lab.d1.database import Usage
from d1lab.d1.limits import PLANS, cost
from d1lab.d1.usage_log import FOLDER, by_day
from d1lab.errors import D1Error, InputError
from d1lab.files import write
from d1lab.stats.trend import LEAST_DAYS, Crossing, crossing
from d1lab.warehouse import open_warehouse

Source = Literal["cloudflare", "d1lab"]

PAID_MONTH_DOLLARS = 5.0  # Workers Paid, developers.cloudflare.com/workers/platform/pricing
NEAR_SHARE = 0.7  # of a daily limit of the free plan: time to upgrade
NEAR_BYTES = 400_000_000  # of the free plan's 500 MB
SPLIT_BYTES = 7_000_000_000  # of D1's 10 GB: time to archive, or to split shops
SPLIT_SHARE = 0.5  # one shop's share of the writes: time for a database of its own
STORAGE_DOLLARS = 0.75  # per GB and month beyond 5 GB
STORAGE_BYTES = 5_000_000_000
_DAYS_FILE = "days.json"


class Forecast(NamedTuple):
    """When a limit is reached, with a 90% prediction interval; None beyond the horizon."""

    plan: str
    what: str  # 'rows read a day', 'rows written a day', 'size'
    limit: int
    latest_value: int | None  # the newest complete day's
    day: date | None
    earliest: date | None
    latest: date | None
    reason: str  # why there is no forecast


class MonthCost(NamedTuple):
    """What a month costs on one plan, in dollars; None if the plan's limits would stop the app."""

    plan: str
    so_far: float
    projected: float | None
    note: str


class Threshold(NamedTuple):
    """A recommendation, and the number that it comes from."""

    what: str  # 'upgrade', 'archive', 'one database per shop'
    value: float
    limit: float
    is_due: bool
    found: str


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
    plan: Literal["free", "paid"],
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
    source, note, found = _days(db, folder, token, today, address)
    known = _kept(folder, source, found)
    shown = tuple(each for each in known if each.day > today - timedelta(days=days))
    complete = [each for each in known if each.day < today]
    return UsageReport(
        source,
        note,
        shown,
        tuple(_forecasts(complete, plan, horizon_days)),
        tuple(_costs(known, today)),
        tuple(_thresholds(complete, folder)),
    )


def _days(
    db: Database, folder: Path, token: SecretStr | None, today: date, address: str | None
) -> tuple[Source, str, list[DayUsage]]:
    note = "a local database has no usage at Cloudflare"
    if token is not None and db.url.startswith("d1:"):
        try:
            where = {} if address is None else {"address": address}
            return "cloudflare", "", usage_by_day(db.url, token, today, **where)
        except (D1Error, InputError) as error:
            note = str(error)
    size = db.size_bytes()
    found = [
        DayUsage(day, used.rows_read, used.rows_written, size if day == today else None)
        for day, used in (by_day(folder) | {today: by_day(folder).get(today, Usage())}).items()
    ]
    return "d1lab", f"only what d1lab used: {note}", sorted(found)


def _kept(folder: Path, source: Source, found: Iterable[DayUsage]) -> list[DayUsage]:
    """Add days to those that are kept, and return all days of the source, without gaps."""
    path = folder / FOLDER / _DAYS_FILE
    told: dict[str, dict[str, list[int | None]]] = {}
    if path.is_file():
        told = orjson.loads(path.read_bytes())
    mine = told.setdefault(source, {})
    for each in found:
        size = each.bytes if each.bytes is not None else mine.get(str(each.day), [0, 0, None])[2]
        mine[str(each.day)] = [each.rows_read, each.rows_written, size]
    write(path, orjson.dumps(told, option=orjson.OPT_SORT_KEYS))
    return _without_gaps(mine)


def _without_gaps(days: Mapping[str, Sequence[int | None]]) -> list[DayUsage]:
    """A day without a line used nothing; its size is unknown."""
    if not days:
        return []
    first, last = date.fromisoformat(min(days)), date.fromisoformat(max(days))
    every = (first + timedelta(days=n) for n in range((last - first).days + 1))
    rows = ((day, days.get(str(day), (0, 0, None))) for day in every)
    return [DayUsage(day, r[0] or 0, r[1] or 0, r[2]) for day, r in rows]


def _forecasts(
    days: Sequence[DayUsage], plan: Literal["free", "paid"], horizon: int
) -> Iterable[Forecast]:
    """The plan's limits: rows by day on the free plan; the size on both."""
    limits = PLANS[plan]
    if limits.period == "day":
        for what, limit, values in (
            ("rows read a day", limits.rows_read, [d.rows_read for d in days]),
            ("rows written a day", limits.rows_written, [d.rows_written for d in days]),
        ):
            yield _forecast(plan, what, limit, days, values, horizon)
    sized = [each for each in days if each.bytes is not None]
    sizes = [each.bytes or 0 for each in sized]
    is_daily = len(sized) >= LEAST_DAYS and (sized[-1].day - sized[0].day).days == len(sized) - 1
    if sized and not is_daily:
        reason = f"the size of {len(sized)} days is known, and {LEAST_DAYS} in a row are needed"
        yield Forecast(plan, "size", limits.database_bytes, sizes[-1], None, None, None, reason)
    else:
        yield _forecast(plan, "size", limits.database_bytes, sized, sizes, horizon)


def _forecast(
    plan: str,
    what: str,
    limit: int,
    days: Sequence[DayUsage],
    values: Sequence[int],
    horizon: int,
) -> Forecast:
    found: Crossing = crossing(values, limit, horizon)
    last = days[-1].day if days else None

    def day(after: int | None) -> date | None:
        return last + timedelta(days=after) if last and after else None

    return Forecast(
        plan, what, limit, values[-1] if values else None, day(found.expected),
        day(found.earliest), day(found.latest), found.reason,
    )  # fmt: skip


def _costs(days: Sequence[DayUsage], today: date) -> Iterable[MonthCost]:
    """The calendar month to date, and projected from the mean of the last 28 complete days."""
    month = [each for each in days if (each.day.year, each.day.month) == (today.year, today.month)]
    recent = [each for each in days if each.day < today][-28:]
    used = _sum(month)
    following = today.replace(day=28) + timedelta(days=4)
    left = (following.replace(day=1) - today).days
    per_day = _sum(recent)
    n = max(len(recent), 1)
    projected = used + Usage(0, per_day.rows_read * left // n, per_day.rows_written * left // n)
    size = next((each.bytes for each in reversed(days) if each.bytes is not None), 0) or 0
    free = PLANS["free"]
    over = sum(
        each.rows_read > free.rows_read or each.rows_written > free.rows_written for each in recent
    )
    stopped = f"a daily limit was passed on {over} of the last {len(recent)} days"
    yield MonthCost("free", 0.0, None if over else 0.0, stopped if over else "")
    yield MonthCost(
        "paid",
        PAID_MONTH_DOLLARS + _beyond(used, size),
        PAID_MONTH_DOLLARS + _beyond(projected, size) if recent else None,
        "if nothing else in the account uses the included rows" if recent else "no complete day",
    )


def _sum(days: Iterable[DayUsage]) -> Usage:
    return sum((Usage(0, each.rows_read, each.rows_written) for each in days), Usage())


def _beyond(used: Usage, size: int) -> float:
    """The dollars beyond what the paid plan includes in a month."""
    paid = PLANS["paid"]
    read = max(used.rows_read - paid.rows_read, 0)
    written = max(used.rows_written - paid.rows_written, 0)
    stored = max(size - STORAGE_BYTES, 0) / 1e9 * STORAGE_DOLLARS
    return cost(Usage(0, read, written), "paid") + stored


def _thresholds(days: Sequence[DayUsage], folder: Path) -> Iterable[Threshold]:
    free, recent = PLANS["free"], days[-31:]
    read = max((each.rows_read for each in recent), default=0) / free.rows_read
    written = max((each.rows_written for each in recent), default=0) / free.rows_written
    size = next((each.bytes for each in reversed(days) if each.bytes is not None), None)
    most = max(read, written)
    what = "read" if read >= written else "written"
    if recent:
        found = f"the busiest of {len(recent)} days used {most:.0%} of the free plan's rows {what}"
        yield Threshold("upgrade", most, NEAR_SHARE, most > NEAR_SHARE, found)
    if size is not None:
        yield Threshold(
            "upgrade", size, NEAR_BYTES, size > NEAR_BYTES,
            f"{size / 1e6:,.1f} MB; the free plan ends at 500 MB",
        )  # fmt: skip
        yield Threshold(
            "archive", size, SPLIT_BYTES, size > SPLIT_BYTES,
            f"{size / 1e9:,.2f} GB; D1 ends at 10 GB",
        )  # fmt: skip
    share, shop, shops = _largest_shop(folder)
    if shops > 1:
        yield Threshold(
            "one database per shop", share, SPLIT_SHARE, share > SPLIT_SHARE,
            f"{shop} makes {share:.0%} of the order events of the last 31 days of data",
        )  # fmt: skip


def _largest_shop(folder: Path) -> tuple[float, str, int]:
    """The share of the order events of the shop with the most, its name, and how many shops."""
    sql = (
        "SELECT shop, count(*) FROM order_lines WHERE day > (SELECT max(day) - 31 FROM order_lines)"
        " GROUP BY shop ORDER BY count(*) DESC, shop"
    )
    if not (folder / "warehouse.duckdb").is_file():
        return 0.0, "", 0
    with open_warehouse(folder) as con:
        rows = con.execute(f"SELECT * FROM ({sql})").fetchall()  # noqa: S608
    total = sum(count for _, count in rows)
    return (rows[0][1] / total, rows[0][0], len(rows)) if rows else (0.0, "", 0)
