"""The result of a job, and the exit code of a command that ran several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from d1lab.config import Settings
from d1lab.errors import D1labError
from d1lab.jobs.due import Job

if TYPE_CHECKING:
    from d1lab.push import PushResult
    from d1lab.runs.record import RunRecord

Progress = Callable[[str, int, int], None]
"""Called with a job's name, the cells done, and the number of cells; from several threads."""

_BY_SEVERITY = (1, 4, 2, 3, 75)  # failed, timed out, invalid input, missing data, locked


class JobResult(NamedTuple):
    """The result of a job."""

    job: Job
    status: Literal["done", "skipped", "failed", "timeout", "current", "due", "locked"]
    message: str = ""  # one sentence
    exit_code: int = 0
    run_id: str | None = None  # the run, or the earlier one that is still current
    page: Path | None = None
    record: RunRecord | None = None
    pushed: PushResult | None = None


def overall_exit_code(outcomes: Sequence[JobResult]) -> int:
    """Return the exit code of a command that ran these jobs: the most severe of their codes."""
    codes = {outcome.exit_code for outcome in outcomes}
    return next((code for code in _BY_SEVERITY if code in codes), max(codes, default=0))


def planned(job: Job) -> JobResult:
    """Return the result of a job that is not run: due, up to date, or a broken notebook."""
    if job.broken:
        return JobResult(job, "failed", job.reason, D1labError.exit_code)
    return JobResult(job, "due" if job.due else "current", job.reason)


def current(settings: Settings, job: Job) -> JobResult:
    """Return the result of a job that is not due: its last run."""
    assert job.last is not None
    assert job.last.page is not None
    page = settings.reports_dir / job.last.page
    return JobResult(job, "current", job.reason, run_id=job.last.run_id, page=page)


def is_to_push(outcome: JobResult, *, asked: bool | None) -> bool:
    """Return whether results go to D1.

    Args:
        outcome: The result of a job.
        asked: Whether results are to be pushed; None for all but those of what-if runs, whose
            parameters were set by hand.
    """
    wanted = not outcome.job.task.chosen if asked is None else asked
    return wanted and outcome.status in ("done", "current") and _has_staged(outcome)


def _has_staged(outcome: JobResult) -> bool:
    """Whether there is something to push that was not pushed yet."""
    if outcome.record is not None:
        return bool(outcome.record.staged)
    last = outcome.job.last
    return bool(last and last.status == "done" and last.staged and last.pushed_at is None)
