"""Whether D1 still holds what a report's last run wrote there, without reading its rows.

Another run may have written over it, a rollback may have taken it back, or the database may have
been restored to a time before. The report is then due again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import closing

from d1lab.config import Settings
from d1lab.d1.connect import connect
from d1lab.errors import D1labError, PushError
from d1lab.jobs.due import Job
from d1lab.push.holders import Holder, Place, holders, place_of, pushed_digests
from d1lab.push.staged import Origin
from d1lab.runs.run import run_folder

_log = logging.getLogger(__name__)

Digests = Mapping[Place, str]
"""What a run has pushed: a digest for each place."""


def with_lost_results(settings: Settings, database: str | None, jobs: Sequence[Job]) -> list[Job]:
    """The jobs, with those due again whose results D1 no longer holds.

    One request for all of them, and two rows for each table. Results that were never pushed make
    nothing due, and neither does a D1 that gives no answer: whoever pushes next says what is wrong.
    """
    pushed = [_pushed(settings, job) for job in jobs]
    places = {place for digests in pushed for place in digests}
    if not places:
        return list(jobs)
    try:
        with closing(connect(settings, database)) as db:
            held = holders(db, places)
    except D1labError:
        return list(jobs)
    return [_judged(job, digests, held) for job, digests in zip(jobs, pushed, strict=True)]


def why_lost(digests: Digests, held: Mapping[Place, Holder]) -> str:
    """Why D1 no longer holds what a run has pushed; '' where it does.

    A run that wrote the same is as good.
    """
    for place, digest in digests.items():
        if place not in held:
            return f"{place.table} was rolled back or restored"
        if held[place].digest != digest:
            return f"run {held[place].run_id} wrote to {place.table} since"
    return ""


def _pushed(settings: Settings, job: Job) -> Digests:
    """What the last run of a standard report has pushed; nothing for a job that is due anyway."""
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
    reason = f"D1 no longer holds the results of run {job.last.run_id}: {why}"
    return job._replace(due=True, lost=True, reason=reason)
