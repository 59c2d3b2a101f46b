"""What is fresh, due, failed, and locked, and what D1 has billed: `d1lab status`.

It asks D1 nothing: what is due follows from the warehouse as it was pulled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Literal, NamedTuple

from d1lab.config import STALE_AFTER, Settings
from d1lab.d1.database import Usage
from d1lab.d1.limits import cost
from d1lab.d1.usage_log import spent
from d1lab.errors import D1labError
from d1lab.jobs.due import Job, plan
from d1lab.jobs.history import record_of
from d1lab.jobs.ledger import LedgerEntry, RunLedger, open_ledger

State = Literal["fresh", "due", "failed", "locked"]
FAILED = ("failed", "timeout", "lost")


class ReportStatus(NamedTuple):
    """One report of one shop."""

    report: str
    shop: str
    state: State
    why: str
    as_of: date | None  # the day of its data, or of the data that it would use
    run_id: str | None  # the newest run, whatever its status
    succeeded_at: datetime | None  # when the newest successful run began
    seconds: float | None  # of the newest run


class DatabaseStatus(NamedTuple):
    """One database. Days and months are those of UTC, as Cloudflare bills them."""

    database: str
    pulled_at: datetime | None
    stale: bool  # no pull within 36 hours
    error: str  # why its reports could not be judged; '' if they were
    reports: tuple[ReportStatus, ...]
    today: Usage
    month: Usage
    cost_today: float  # dollars, beyond the included quota
    cost_month: float
    plan: Literal["free", "paid"] = "paid"

    def count(self, state: State) -> int:
        """Return the number of reports in a state."""
        return sum(report.state == state for report in self.reports)


def status_of(
    settings: Settings, database: str | None = None, now: datetime | None = None
) -> list[DatabaseStatus]:
    """Return the state of one database, or of all that have data.

    Args:
        settings: The project's settings.
        database: A database's name in d1lab.toml; None for all.
        now: The present; None for the clock, in UTC.

    Raises:
        UnknownName: There is no such database.
    """
    ledger, at = open_ledger(settings), now or datetime.now(UTC)
    used = [name for name in settings.databases if settings.folder(name).is_dir()]
    names = [settings.resolve(database)[0]] if database else used or [settings.database]
    return [_database(settings, ledger, name, at) for name in names]


def exit_code(found: Iterable[DatabaseStatus]) -> int:
    """Return the exit code of `d1lab status`: 1 for a failure, 3 for stale or due, else 0."""
    codes = {0}
    for each in found:
        if each.error or each.count("failed"):
            codes.add(1)
        if each.stale or each.count("due"):
            codes.add(3)
    return 1 if 1 in codes else max(codes)


def _database(
    settings: Settings, ledger: RunLedger, database: str, now: datetime
) -> DatabaseStatus:
    with ledger.kept_open():
        jobs, error = _planned(settings, ledger, database)
        reports = tuple(_reports(settings, ledger, jobs))
    pulled_at = next((job.task.data.pulled_at for job in jobs), None)
    folder = settings.folder(database)
    today, month = (spent(folder, day) for day in (now.date(), now.date().replace(day=1)))
    billing = settings.resolve(database)[1].plan
    return DatabaseStatus(
        database=database,
        pulled_at=pulled_at,
        stale=pulled_at is None or now - pulled_at > STALE_AFTER,
        error=error,
        reports=reports,
        today=today,
        month=month,
        cost_today=cost(today, billing),
        cost_month=cost(month, billing),
        plan=billing,
    )


def _planned(settings: Settings, ledger: RunLedger, database: str) -> tuple[Sequence[Job], str]:
    """Return the jobs of all reports and shops, or none and the reason why not."""
    try:
        return plan(settings, ledger, database), ""
    except D1labError as error:
        return (), str(error)


def _reports(settings: Settings, ledger: RunLedger, jobs: Sequence[Job]) -> Iterable[ReportStatus]:
    held = ledger.held()
    for job in jobs:
        last = ledger.newest(job.series)
        state, why = _state(job, last, is_held=job.work in held)
        record = record_of(settings, last) if last else None
        good = ledger.newest(job.series, "done")
        yield ReportStatus(
            report=job.task.report.name,
            shop=job.task.shop,
            state=state,
            why=why,
            as_of=job.task.as_of,
            run_id=last.run_id if last else None,
            succeeded_at=good.started_at if good else None,
            seconds=record.seconds if record else None,
        )


def _state(job: Job, last: LedgerEntry | None, *, is_held: bool) -> tuple[State, str]:
    if is_held:
        return "locked", "a process is working on it"
    if job.broken:
        return "failed", job.reason
    if last is not None and last.status in FAILED:
        return "failed", f"run {last.run_id} ended with status {last.status}"
    return ("due" if job.due else "fresh"), job.reason
