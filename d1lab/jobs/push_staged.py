"""Push the staged results of a job's run, unless newer results are in D1."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from d1lab.config import Settings
from d1lab.d1 import Database
from d1lab.d1.connect import connect
from d1lab.errors import D1labError
from d1lab.jobs.job_result import JobResult
from d1lab.jobs.ledger import RunLedger
from d1lab.jobs.run_cost import keep_push
from d1lab.push import push
from d1lab.push.holders import holders, place_of
from d1lab.push.plan import first_reads
from d1lab.push.staged import Origin
from d1lab.runs.record import RunRecord, load_run
from d1lab.runs.run import run_folder


def push_staged(settings: Settings, ledger: RunLedger, outcome: JobResult) -> JobResult:
    """Push what a run has staged; the result has the push, or a message why there is none.

    Args:
        settings: The settings of the project.
        ledger: The run ledger, which records the push.
        outcome: The result of a job that `is_to_push`.
    """
    try:
        with closing(connect(settings, outcome.job.task.database, write=True)) as db:
            sent = send_staged(settings, db, outcome)
    except D1labError as error:
        return not_pushed(outcome, error)
    return keep_sent(settings, ledger, sent)


def send_staged(settings: Settings, db: Database, outcome: JobResult) -> JobResult:
    """Write what a run has staged to D1; the result has the push, or why there is none.

    Raises:
        D1labError: As for `push`.
    """
    run_dir = _folder(settings, outcome)
    if not run_dir.is_dir():
        return outcome
    if reason := _is_behind(db, load_run(run_dir)):
        return outcome._replace(message=reason)
    report = outcome.job.task.report.name
    if db.others_mark() is None:  # over HTTP, where each request counts
        db = first_reads(db, run_dir)
    return outcome._replace(pushed=push(db, run_dir, report=report, named=settings.push.tables))


def keep_sent(settings: Settings, ledger: RunLedger, sent: JobResult) -> JobResult:
    """Record a push of `send_staged`; the result has it if it wrote something new."""
    if sent.pushed is None:
        return sent
    record = keep_push(settings, ledger, _folder(settings, sent), sent.pushed)
    return sent._replace(record=record) if record else sent._replace(pushed=None)


def _folder(settings: Settings, outcome: JobResult) -> Path:
    assert outcome.run_id is not None
    return run_folder(settings, outcome.job.task.database, outcome.run_id)


def not_pushed(outcome: JobResult, error: D1labError) -> JobResult:
    """Return the result of a job whose push failed."""
    message = f"report created, but results were not written to D1: {error}"
    return outcome._replace(message=message, exit_code=error.exit_code)


def _is_behind(db: Database, record: RunRecord) -> str:
    """Why a run of an earlier day must not be pushed unasked; '' where it may.

    Rows that have no day in their key hold one state: results of a later day stay.
    """
    latest = record.data.data_as_of
    if record.as_of is None or latest is None or record.as_of >= latest:
        return ""
    day = record.as_of.isoformat()
    origin = Origin(record.report, record.shop, day)
    held = holders(db, [place_of(name, origin) for name in record.staged])
    later = {p.table: holder.run_id for p, holder in held.items() if (holder.as_of or "") > day}
    if not later:
        return ""
    return (
        f"not pushed: {', '.join(later)} holds the results of a later day than {day} "
        f"(run {next(iter(later.values()))}). To push anyway: d1lab push {record.run_id}"
    )
