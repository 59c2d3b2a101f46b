"""Past runs, as listed by `d1lab runs`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from typing import Literal, NamedTuple, get_args

from d1lab.config import Settings
from d1lab.errors import InputError
from d1lab.jobs.ledger import LedgerEntry, open_ledger
from d1lab.runs.record import RunRecord, load_run
from d1lab.runs.run import run_folder

RunStatus = Literal["running", "done", "skipped", "failed", "timeout", "lost"]
STATUSES: tuple[RunStatus, ...] = get_args(RunStatus)


class PastRun(NamedTuple):
    """One run. Without its record, the fields that only the record has are None."""

    run_id: str
    database: str
    shop: str
    report: str
    as_of: date | None
    status: str
    started_at: datetime
    seconds: float | None
    rows_read: int | None  # D1 rows: of its data's pull and of its push
    rows_written: int | None
    cost: float | None  # dollars, beyond the included quota
    pushed_at: datetime | None
    reason: str


def past_runs(
    settings: Settings,
    *,
    database: str | None = None,
    reports: Collection[str] = (),
    shops: Collection[str] = (),
    statuses: Collection[str] = (),
    since: date | None = None,
    limit: int | None = None,
) -> list[PastRun]:
    """Return the runs that match, newest first.

    Args:
        settings: The project's.
        database: A name of d1lab.toml; None for all.
        reports: Names; empty for all.
        shops: Names; empty for all.
        statuses: Of `STATUSES`; empty for all.
        since: Only runs that started on this day (UTC) or later.
        limit: At most so many.

    Raises:
        InputError: There is no such status.
    """
    if unknown := sorted(set(statuses) - set(STATUSES)):
        raise InputError(f"unknown status {unknown[0]!r}. Use one of: {', '.join(STATUSES)}.")
    entries = [
        entry
        for entry in reversed(open_ledger(settings).entries())
        if (database is None or entry.database == database)
        and (not reports or entry.report in reports)
        and (not shops or entry.shop in shops)
        and (not statuses or entry.status in statuses)
        and (since is None or entry.started_at.date() >= since)
    ]
    return [_past_run(settings, entry) for entry in entries[:limit]]


def record_of(settings: Settings, entry: LedgerEntry) -> RunRecord | None:
    """Return a run's record; None if it has none yet, or the file is damaged."""
    try:
        return load_run(run_folder(settings, entry.database, entry.run_id))
    except (InputError, OSError):
        return None


def _past_run(settings: Settings, entry: LedgerEntry) -> PastRun:
    known = entry.database in settings.databases
    record = record_of(settings, entry) if known else None
    usage = record.usage if record else None
    return PastRun(
        run_id=entry.run_id,
        database=entry.database,
        shop=entry.shop,
        report=entry.report,
        as_of=entry.as_of,
        status=entry.status,
        started_at=entry.started_at,
        seconds=record.seconds if record else None,
        rows_read=usage.rows_read if usage else None,
        rows_written=usage.rows_written if usage else None,
        cost=record.dollars if record else None,
        pushed_at=entry.pushed_at,
        reason=record.reason if record else "",
    )
