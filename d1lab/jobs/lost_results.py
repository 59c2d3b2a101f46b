"""Whether the results of a report's last run are still in D1, without reading their rows.

Another run may have overwritten them, a rollback may have removed them, or the database may have
been restored to an earlier time. The report is then due again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from d1lab.config import Settings
from d1lab.d1.connect import connect
from d1lab.errors import D1labError, PushError
from d1lab.files import digest as digest_text
from d1lab.files import write
from d1lab.jobs.due import Job
from d1lab.push.holders import Holder, Place, holders, place_of, pushed_digests
from d1lab.push.staged import Origin
from d1lab.runs.run import run_folder
from d1lab.warehouse.database_file import FILE_NAME

_log = logging.getLogger(__name__)

SEEN = "results-seen"
"""File in a database's folder: which results were in D1 after the last pull."""

Digests = Mapping[Place, str]
"""What a run has pushed: a digest for each place."""


def with_lost_results(
    settings: Settings, database: str | None, jobs: Sequence[Job], *, unchanged: bool = False
) -> list[Job]:
    """Return the jobs; those whose results are no longer in D1 are due again.

    This takes one request, and two rows read per table. Results that were never pushed make no
    report due, nor does a D1 that does not respond: the next push reports the error.

    Args:
        settings: The project's settings.
        database: A name in d1lab.toml; None for the default.
        jobs: The jobs.
        unchanged: Whether a pull has just found D1 as it was at the pull before. Then results that
            were there after that pull are still there, and nothing is asked.
    """
    pushed = [_pushed(settings, job) for job in jobs]
    places = {place for digests in pushed for place in digests}
    if not places:
        return list(jobs)
    seen, mark = _mark(settings.folder(database), pushed), settings.folder(database) / SEEN
    if unchanged and mark.is_file() and mark.read_text(encoding="utf-8") == seen:
        return list(jobs)
    mark.unlink(missing_ok=True)
    try:
        with closing(connect(settings, database)) as db:
            held = holders(db, places)
    except D1labError:
        return list(jobs)
    if not any(why_lost(digests, held) for digests in pushed):
        write(mark, seen)
    return [_judged(job, digests, held) for job, digests in zip(jobs, pushed, strict=True)]


def _mark(folder: Path, pushed: Sequence[Digests]) -> str:
    """Return what identifies these results, and the pull that the warehouse is from."""
    warehouse = folder / FILE_NAME
    pulled = warehouse.stat().st_mtime_ns if warehouse.is_file() else 0
    held = sorted((*place, digest) for digests in pushed for place, digest in digests.items())
    return digest_text(json.dumps([pulled, held]))


def why_lost(digests: Digests, held: Mapping[Place, Holder]) -> str:
    """Return why the results of a run are no longer in D1; '' if they are.

    Equal results of another run count as the same.
    """
    for place, digest in digests.items():
        if place not in held:
            return f"{place.table} was rolled back or restored"
        if held[place].digest != digest:
            return f"run {held[place].run_id} wrote to {place.table} since"
    return ""


def _pushed(settings: Settings, job: Job) -> Digests:
    """Return what the last run of a standard report has pushed; nothing for a job that is due."""
    task, last = job.task, job.last
    if job.due or task.chosen or last is None or last.pushed_at is None:
        return {}
    origin = Origin(task.report.name, task.shop, task.as_of.isoformat() if task.as_of else None)
    try:
        found = pushed_digests(run_folder(settings, task.database, last.run_id))
    except PushError as error:  # whoever pushes or rolls back that run is stopped by it
        _log.warning("%s", error)
        return {}
    return {place_of(table, origin): digest for table, digest in found.items()}


def _judged(job: Job, digests: Digests, held: Mapping[Place, Holder]) -> Job:
    day = job.task.as_of.isoformat() if job.task.as_of else ""
    later = {place for place, holder in held.items() if (holder.as_of or "") > day}  # they stay
    why = why_lost({p: digest for p, digest in digests.items() if p not in later}, held)
    if not why or job.last is None:
        return job
    reason = f"D1 no longer has the results of run {job.last.run_id}: {why}"
    return job._replace(due=True, lost=True, reason=reason)
