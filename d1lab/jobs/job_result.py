"""The result of a job, and the exit code of a command that ran several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from d1lab.errors import D1labError
from d1lab.jobs.due import Job
from d1lab.push import PushResult
from d1lab.runs.record import RunRecord

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
