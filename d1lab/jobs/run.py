"""Run due jobs in parallel, create their pages, and push results; a failed job stops no other.

What runs a notebook and makes a page is imported only if a job is due: most calls of a scheduler
find nothing to do.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d1lab.config import Settings
from d1lab.files import remove_leftovers
from d1lab.jobs.after import in_order
from d1lab.jobs.due import Job, plan
from d1lab.jobs.job_result import JobResult, Progress, current, is_to_push, planned
from d1lab.jobs.ledger import open_ledger
from d1lab.jobs.lost_results import with_lost_results
from d1lab.jobs.run_events import RunEvents
from d1lab.runs.report import load_report
from d1lab.runs.run import TIMEOUT_SECONDS, open_lab, prepare, run
from d1lab.secrets import kernel_variables

if TYPE_CHECKING:
    from d1lab.jobs.job_runner import Machines
    from d1lab.runs.cancellation import Cancellation
    from d1lab.runs.record import RunRecord


def run_reports(
    settings: Settings,
    database: str | None = None,
    *,
    reports: Sequence[str] = (),
    shops: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
    texts: Mapping[str, str] | None = None,
    force: bool = False,
    push: bool | None = None,
    dry_run: bool = False,
    timeout_seconds: float = TIMEOUT_SECONDS,
    workers: int = 2,
    machines: Machines | None = None,
    unchanged: bool = False,
    progress: Progress | None = None,
) -> list[JobResult]:
    """Plan, run what is due, create the pages, push, and write the index, as `d1lab run` does.

    Args:
        settings: The project's settings.
        database: A name in d1lab.toml; None for the default.
        reports: Names; empty for all.
        shops: Names; empty for all in the data.
        values: Typed parameters, such as those from `load_values`.
        texts: Parameters as text, from `--set`; they take precedence.
        force: Whether to run reports that are not due.
        push: Whether to write the results of successful runs to D1; None for all but what-if runs.
        dry_run: Whether to only return what is due.
        timeout_seconds: The time limit of each run.
        workers: The number of reports that run at the same time on this machine.
        machines: Other machines to run the notebooks; None for this one.
        unchanged: Whether a pull has just found D1 unchanged: see `with_lost_results`.
        progress: Called before each cell.

    Raises:
        InputError: A report, shop, or parameter is invalid; nothing was started.
        StaleDataError: There was no pull yet.
    """
    jobs = plan(settings, open_ledger(settings), database, reports=reports, shops=shops,
                values=values, texts=texts, force=force)  # fmt: skip
    if push is not False:
        jobs = with_lost_results(settings, database, jobs, unchanged=unchanged)
    if dry_run:
        return [planned(job) for job in jobs]
    return run_jobs(
        settings,
        jobs,
        push=push,
        timeout_seconds=timeout_seconds,
        workers=workers,
        machines=machines,
        progress=progress,
    )


def run_jobs(
    settings: Settings,
    jobs: Sequence[Job],
    *,
    push: bool | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
    workers: int = 2,
    machines: Machines | None = None,
    progress: Progress | None = None,
    stage: bool = True,
    cancellation: Cancellation | None = None,
) -> list[JobResult]:
    """Run the jobs that are due; a failed job does not stop the others.

    Args:
        settings: The project's settings.
        jobs: What `plan` returns.
        push: As for `run_reports`.
        timeout_seconds: The time limit of each run.
        workers: The number of reports that run at the same time on this machine.
        machines: Other machines to run the notebooks; None for this one.
        progress: Called before each cell.
        stage: Whether results are staged; otherwise nothing of the runs can ever be pushed.
        cancellation: Allows another thread to end the runs.

    Returns:
        One result per job, in the same order.
    """
    _sweep(settings)
    done = _with_nothing_to_do(settings, jobs, push)
    if len(done) == len(jobs):
        return [done[place] for place in range(len(jobs))]
    from d1lab.jobs.job_runner import JobRunner
    from d1lab.pages.index import write_index

    workers = machines.count if machines else workers
    shared = settings if machines else settings.share_memory(workers)
    runner = JobRunner(shared, push, timeout_seconds, progress, stage, cancellation, machines)
    if machines is None and any(job.due for job in jobs):
        prepare_kernels()
    with (
        runner.ledger.kept_open(),
        closing(runner.pushes),
        ThreadPoolExecutor(workers, "report") as pool,
    ):
        started: dict[int, Future[JobResult]] = {}
        for place, waits in in_order(jobs):
            if place not in done:
                first = [started[other] for other in waits if other in started]
                started[place] = pool.submit(runner.outcome, jobs[place], first)
        outcomes = runner.cancellation.results(pool, list(started.values()))
        runner.pushes.flush()
    outcomes = [runner.pushes.result(outcome) for outcome in outcomes]
    done |= dict(zip(started, outcomes, strict=True))
    if any(outcome.record for outcome in outcomes):
        write_index(settings.reports_dir)
    return [done[place] for place in range(len(jobs))]


def _with_nothing_to_do(
    settings: Settings, jobs: Sequence[Job], push: bool | None
) -> dict[int, JobResult]:
    """Return the results of jobs that are not due and have nothing to push, by their position.

    One with an unfinished run is left to its lease: it is running elsewhere, or was killed.
    """
    events, unfinished = RunEvents(settings), open_ledger(settings).unfinished()
    done: dict[int, JobResult] = {}
    for place, job in enumerate(jobs):
        if job.due or job.broken or job.work in unfinished:
            continue
        result = current(settings, job)
        if not is_to_push(result, asked=push):
            done[place] = events.ended(result)
    return done


def prepare_kernels() -> None:
    """Start the fork server, and import papermill meanwhile."""
    from d1lab.runs.execute import import_papermill
    from d1lab.runs.kernels.fork_client import preload_fork_server

    preload_fork_server(kernel_variables())
    import_papermill()


def _sweep(settings: Settings) -> None:
    """Remove the partial files of killed runs."""
    remove_leftovers(settings.data_dir, ".*.part", "*/runs/*/.*.part", "*/runs/*/*/.*.part")
    remove_leftovers(settings.reports_dir, ".*.part", "*/*/*/.*.part", "*/*/*/*/.*.part")
    remove_leftovers(Path(tempfile.gettempdir()), "d1lab-*")


def run_report(
    settings: Settings,
    database: str | None,
    report: str,
    *,
    values: Mapping[str, Any] | None = None,
    texts: Mapping[str, str] | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> RunRecord:
    """Run one report and create its page in one call, without the ledger and a push.

    Raises:
        InputError: The report or a parameter is invalid.
        StaleDataError: There was no pull yet.
    """
    from d1lab.pages.page import write_page
    from d1lab.pages.svg import prerender

    loaded = load_report(settings, report)
    with open_lab(settings, database) as lab:
        task = prepare(lab, loaded, values=values, texts=texts)
    record, run_dir = run(settings, task, timeout_seconds=timeout_seconds, on_outputs=prerender)
    write_page(run_dir, settings.reports_dir)
    return record
