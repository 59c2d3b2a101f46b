"""Past runs, as listed by `d1lab runs`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Literal, NamedTuple, get_args

from d1lab.config import Settings
from d1lab.errors import InputError
from d1lab.jobs.ledger import LedgerEntry, RunLedger, open_ledger, readable
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
    wanted = {
        "database": [database] if database is not None else [],
        "report": reports,
        "shop": shops,
        "status": statuses,
    }
    conditions = [f"{column} IN ({_marks(of)})" for column, of in wanted.items() if of]
    params = [value for of in wanted.values() for value in of]
    if since is not None:
        conditions.append("started_at >= ?")
        params.append(since.isoformat())
    where = " AND ".join(conditions) or "true"
    entries = newest_entries(open_ledger(settings), where, params, limit)
    return [_past_run(settings, entry) for entry in entries]


def newest_entries(
    ledger: RunLedger, where: str, params: Sequence[object], limit: int | None = None
) -> list[LedgerEntry]:
    """Return the newest runs that meet a condition of SQL, newest first; no others are parsed."""
    order = "ORDER BY started_at DESC, rowid DESC"
    chosen = f"SELECT rowid FROM runs WHERE {where} {order} LIMIT ?"  # noqa: S608 - our own text
    sql = f"SELECT * FROM runs WHERE rowid IN ({chosen}) {order}"  # noqa: S608
    with ledger.open() as con:
        rows = con.execute(sql, (*params, -1 if limit is None else limit)).fetchall()
    return [entry for row in rows if (entry := readable(row)) is not None]


def _marks(values: Collection[object]) -> str:
    return ", ".join("?" * len(values))


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
