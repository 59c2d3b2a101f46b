"""Forecasts, costs, and thresholds of a database, from its usage by day.

Forecasts use complete days: a robust trend, and a 90% prediction interval (`d1lab.stats.trend`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

from d1lab.stats.trend import crossing

if TYPE_CHECKING:
    from d1lab.d1.limits import BillingPlan
    from d1lab.d1.usage_days import DayUsage

Plan = Literal["free", "paid"]

PAID_MONTH_DOLLARS = 5.0  # Workers Paid, developers.cloudflare.com/workers/platform/pricing
NEAR_SHARE = 0.7  # of a daily limit of the free plan: time to upgrade
NEAR_BYTES = 400_000_000  # of the free plan's 500 MB
SPLIT_BYTES = 7_000_000_000  # of D1's 10 GB: time to archive, or to split shops
SPLIT_SHARE = 0.5  # one shop's share of the writes: time for a database of its own
STORAGE_DOLLARS = 0.75  # per GB and month beyond 5 GB
STORAGE_BYTES = 5_000_000_000
RECENT_DAYS = 28  # four weeks: each weekday counts the same

READ, WRITTEN, SIZE = "rows read a day", "rows written a day", "size"


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
    per_day: float | None = None  # growth; None without a forecast

    @property
    def is_reached(self) -> bool:
        """Whether the newest complete day is at the limit."""
        return self.latest_value is not None and self.latest_value >= self.limit


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


class ShopShare(NamedTuple):
    """The shop with the most order events of the last 31 days of data."""

    shop: str
    share: float
    shops: int  # in the database


class UsageStudy(NamedTuple):
    """What follows from the usage."""

    forecasts: tuple[Forecast, ...]
    costs: tuple[MonthCost, ...]
    thresholds: tuple[Threshold, ...]  # the busiest day's first; empty without days

    @property
    def first_limit(self) -> Forecast | None:
        """The limit that is expected to be reached first; None for none, or if one is reached."""
        ahead = [each for each in self.forecasts if each.day and not each.is_reached]
        return min(ahead, key=lambda each: each.day or date.max, default=None)


def study(
    days: Sequence[DayUsage],
    plan: Plan,
    plans: Mapping[str, BillingPlan],
    *,
    today: date,
    horizon_days: int,
    largest: ShopShare | None = None,
) -> UsageStudy:
    """Return forecasts, costs, and thresholds.

    Args:
        days: Without gaps, the oldest first.
        plan: The database's.
        plans: Limits and prices of both plans.
        today: The first day that is not over, UTC.
        horizon_days: How far to forecast.
        largest: The shop with the most order events; None if unknown.
    """
    complete = [each for each in days if each.day < today]
    return UsageStudy(
        tuple(_forecasts(complete, plan, plans[plan], horizon_days)),
        tuple(_costs(days, today, plans)),
        tuple(_thresholds(complete or days, _size(days), plan, plans, largest)),
    )


def percent(share: float) -> str:
    """Return a share in percent, with two digits if it is small.

    >>> percent(0.0089), percent(0.801), percent(0)
    ('0.89%', '80%', '0%')
    """
    return f"{100 * share:.2g}%" if share < 0.1 else f"{share:.0%}"


def largest_share(shops: Iterable[tuple[str, int]]) -> ShopShare | None:
    """Return the shop with the most order events; None without events.

    Args:
        shops: Each with its order events.
    """
    listed = list(shops)
    total = sum(events for _, events in listed)
    if not total:
        return None
    shop, most = max(listed, key=lambda each: each[1])
    return ShopShare(shop, most / total, len(listed))


def _forecasts(
    days: Sequence[DayUsage], plan: Plan, limits: BillingPlan, horizon: int
) -> Iterable[Forecast]:
    """The plan's limits: rows by day on the free plan; the size on both."""
    if limits.period == "day":
        read = [(each.day, each.rows_read) for each in days]
        written = [(each.day, each.rows_written) for each in days]
        yield _forecast(plan, READ, limits.rows_read, read, horizon)
        yield _forecast(plan, WRITTEN, limits.rows_written, written, horizon)
    sizes = [(each.day, each.bytes) for each in days if each.bytes is not None]
    yield _forecast(plan, SIZE, limits.database_bytes, sizes, horizon)


def _forecast(
    plan: Plan, what: str, limit: int, values: Sequence[tuple[date, int]], horizon: int
) -> Forecast:
    if not values:
        reason = "0 of 14 days that a forecast needs are known"
        return Forecast(plan, what, limit, None, None, None, None, reason)
    first, last = values[0][0], values[-1][0]
    places = [(day - first).days for day, _ in values]
    found = crossing([value for _, value in values], limit, horizon, places)

    def day(after: int | None) -> date | None:
        return last + timedelta(days=after) if after else None

    return Forecast(
        plan, what, limit, values[-1][1], day(found.expected), day(found.earliest),
        day(found.latest), found.reason, found.per_day,
    )  # fmt: skip


def _costs(
    days: Sequence[DayUsage], today: date, plans: Mapping[str, BillingPlan]
) -> Iterable[MonthCost]:
    """Costs of the month of the newest day, if its other days are as the mean of the last 28."""
    newest = max((each.day for each in days), default=today)
    month = [each for each in days if (each.day.year, each.day.month) == newest.timetuple()[:2]]
    recent = [each for each in days if each.day < today][-RECENT_DAYS:]
    free, over = plans["free"], 0
    for each in recent:
        over += each.rows_read > free.rows_read or each.rows_written > free.rows_written
    stopped = f"a daily limit was passed on {over} of the last {len(recent)} days" if over else ""
    yield MonthCost("free", 0.0, None if over else 0.0, stopped)
    size = _size(days) or 0
    so_far = _paid(_rows(month), size, plans["paid"])
    projected = _paid(_projected(month, recent, today, newest), size, plans["paid"])
    note = "if nothing else in the account uses the included rows"
    yield MonthCost(
        "paid", so_far, projected if recent else None, note if recent else "no complete day"
    )


def _rows(days: Iterable[DayUsage]) -> tuple[float, float]:
    listed = list(days)
    return sum(each.rows_read for each in listed), sum(each.rows_written for each in listed)


def _projected(
    month: Sequence[DayUsage], recent: Sequence[DayUsage], today: date, newest: date
) -> tuple[float, float]:
    """Rows of the whole month: today has at least the mean, and each day after it has the mean."""
    start = newest if newest >= today else newest + timedelta(days=1)
    following = (newest.replace(day=28) + timedelta(days=4)).replace(day=1)
    left = (following - start).days
    done = _rows(each for each in month if each.day < start)
    begun = _rows(each for each in month if each.day >= start)
    means = (total / max(len(recent), 1) for total in _rows(recent))
    read, written = (
        so_far + (max(partial, mean) + mean * (left - 1) if left else 0)
        for so_far, partial, mean in zip(done, begun, means, strict=True)
    )
    return read, written


def _paid(rows: tuple[float, float], size: int, paid: BillingPlan) -> float:
    """The month's price, if nothing else in the account uses what the plan includes."""
    read = max(rows[0] - paid.rows_read, 0) * paid.dollars_per_million_read
    written = max(rows[1] - paid.rows_written, 0) * paid.dollars_per_million_written
    stored = max(size - STORAGE_BYTES, 0) / 1e9 * STORAGE_DOLLARS
    return PAID_MONTH_DOLLARS + (read + written) / 1e6 + stored


def _size(days: Sequence[DayUsage]) -> int | None:
    return next((each.bytes for each in reversed(days) if each.bytes is not None), None)


def _thresholds(
    days: Sequence[DayUsage],
    size: int | None,
    plan: Plan,
    plans: Mapping[str, BillingPlan],
    largest: ShopShare | None,
) -> Iterable[Threshold]:
    if days:
        yield _busiest(days[-31:], plans["free"], is_free=plan == "free")
    if plan == "free" and size is not None:
        found = f"{size / 1e6:,.1f} MB; the free plan ends at 500 MB"
        yield Threshold("upgrade", size, NEAR_BYTES, size > NEAR_BYTES, found)
    split = NEAR_BYTES if plan == "free" else SPLIT_BYTES
    is_large = size is not None and size > split
    if size is not None:
        found = f"{size / 1e9:,.2f} GB; D1 ends at 10 GB"
        yield Threshold("archive", size, SPLIT_BYTES, size > SPLIT_BYTES, found)
    if largest and largest.shops > 1:
        found = (
            f"{largest.shop} makes {largest.share:.0%} of the order events of the last 31 days of "
            f"data; a database of its own helps from {split / 1e6:,.0f} MB on"
        )
        is_due = is_large and largest.share > SPLIT_SHARE
        yield Threshold("one database per shop", largest.share, SPLIT_SHARE, is_due, found)


def _busiest(days: Sequence[DayUsage], free: BillingPlan, *, is_free: bool) -> Threshold:
    read = max(each.rows_read for each in days) / free.rows_read
    written = max(each.rows_written for each in days) / free.rows_written
    most, what = max((read, "read"), (written, "written"))
    of = "the first day" if len(days) == 1 else f"the busiest of {len(days)} days"
    found = f"{of} used {percent(most)} of the free plan's rows {what}"
    known = "" if is_free else "on the paid plan already; "
    return Threshold("upgrade", most, NEAR_SHARE, is_free and most > NEAR_SHARE, known + found)
