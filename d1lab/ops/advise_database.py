"""Facts about a database that advice depends on: size and growth, place, replicas, Time Travel."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from d1lab.analyses.operations.study import SIZE, Forecast, Plan, study
from d1lab.d1 import Database
from d1lab.d1.details import DatabaseDetails
from d1lab.d1.limits import PLANS, TIME_TRAVEL_DAYS
from d1lab.d1.rest import RestDatabase
from d1lab.d1.usage_log import days_until
from d1lab.errors import D1Error

HORIZON_DAYS = 3650
NOT_TOLD = "not available: only Cloudflare's API tells, for a d1:// URL with a read token"


class Fact(NamedTuple):
    """A property of the database, and what follows from it."""

    what: str  # 'size', 'jurisdiction', 'read replication', 'Time Travel'
    found: str
    todo: str = ""


def database_facts(db: Database, folder: Path, plan: Plan, now: datetime) -> list[Fact]:
    """Return what is known about a database; nothing is changed.

    Args:
        db: The database; only Cloudflare's API is asked, no row is read.
        folder: Its folder, for the size of earlier days.
        plan: The Cloudflare plan, which sets the limits.
        now: The present, UTC.
    """
    about = db.details() if isinstance(db, RestDatabase) else None
    return [
        _size(db, folder, plan, now),
        _jurisdiction(about),
        _replication(about),
        _time_travel(db, about, plan, now),
    ]


def _size(db: Database, folder: Path, plan: Plan, now: datetime) -> Fact:
    limit = PLANS[plan].database_bytes
    size = db.size_bytes() or db.meter.size_bytes
    _, days = days_until(folder, now.date() - timedelta(days=1))
    found = study(days, plan, PLANS, today=now.date(), horizon_days=HORIZON_DAYS)
    growth = next(each for each in found.forecasts if each.what == SIZE)
    size = growth.latest_value if size is None else size
    if size is None:
        return Fact("size", "not available: no answer of D1 had it")
    share = f"{size / 1e6:,.1f} MB of the {limit / 1e6:,.0f} MB that the {plan} plan allows"
    todo = "d1lab archive, or one database per shop" if growth.day and plan == "paid" else ""
    todo = "upgrade, or d1lab archive" if growth.day and plan == "free" else todo
    return Fact("size", f"{share}; {_growth(growth)}", todo)


def _growth(size: Forecast) -> str:
    """The bytes a day, and when the limit is reached."""
    if size.per_day is None:
        return f"growth not available: {size.reason}"
    pace = f"{size.per_day / 1e6:+,.2f} MB a day"
    if size.is_reached:
        return f"{pace}; the limit is reached"
    if size.day is None:
        return f"{pace}; the limit is not reached within ten years"
    interval = f"90% interval {size.earliest} to {size.latest or 'later'}"
    return f"{pace}; the limit is reached on {size.day} ({interval})"


def _jurisdiction(about: DatabaseDetails | None) -> Fact:
    if about is None or about.jurisdiction is None:
        return Fact("jurisdiction", NOT_TOLD)
    where = f"; the primary runs in {about.region}" if about.region else ""
    if about.jurisdiction:
        return Fact("jurisdiction", f"{about.jurisdiction}{where}")
    return Fact(
        "jurisdiction",
        f"none: D1 can keep the data anywhere{where}",
        "if the law binds the data to a place: only a new database can have a jurisdiction",
    )


def _replication(about: DatabaseDetails | None) -> Fact:
    if about is None or about.replication is None:
        return Fact("read replication", NOT_TOLD)
    if about.replication == "auto":
        todo = "replicas are read with sessions only: by the app, or with d1lab worker init gateway"
        return Fact("read replication", "on, at no extra price", todo)
    return Fact(
        "read replication",
        f"{about.replication}: all reads go to the primary",
        "replicas cost nothing extra; turn them on in Cloudflare's dashboard if reads are slow",
    )


def _time_travel(db: Database, about: DatabaseDetails | None, plan: Plan, now: datetime) -> Fact:
    """How far back the database can be restored: asked for that time, not taken from the plan."""
    if about is None or not isinstance(db, RestDatabase):
        return Fact("Time Travel", NOT_TOLD)
    reach = now - timedelta(days=TIME_TRAVEL_DAYS[plan])
    oldest = max(reach, about.created_at or reach) + timedelta(hours=1)  # not at the edge itself
    if oldest > now:
        return Fact("Time Travel", "not available: the database is less than an hour old")
    at = f"{oldest.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    try:
        is_there = db.bookmark_at(oldest) is not None
    except D1Error as error:
        return Fact("Time Travel", f"not available for {at}: {error}")
    if not is_there:
        return Fact("Time Travel", f"not available for {at}")
    days = (now - oldest).total_seconds() / 86_400
    return Fact("Time Travel", f"reaches back to {at} ({days:.0f} days)")
