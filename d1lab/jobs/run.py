"""Run due jobs in parallel, create their pages, and push results; a failed job stops no other."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from d1lab import outbox
from d1lab.config import Settings
from d1lab.errors import D1labError, LockedError
from d1lab.files import remove_leftovers
from d1lab.jobs.after import in_order, keep_after
from d1lab.jobs.due import Job, judge, key_of, plan
from d1lab.jobs.inputs import narrowed, tables_in
from d1lab.jobs.job_result import JobResult, planned
from d1lab.jobs.ledger import open_ledger
from d1lab.jobs.lost_results import with_lost_results
from d1lab.jobs.push_actions import stage_actions
from d1lab.jobs.push_staged import is_to_push, push_staged
from d1lab.jobs.run_cost import with_rows_read
from d1lab.jobs.run_events import RunEvents
from d1lab.pages.index import write_index
from d1lab.pages.page import write_page
from d1lab.pages.svg import prerender
from d1lab.runs.cancellation import Cancellation
from d1lab.runs.execute import import_papermill
from d1lab.runs.kernels.fork_client import preload_fork_server
from d1lab.runs.record import RunRecord
from d1lab.runs.report import load_report
from d1lab.runs.run import (
    TIMEOUT_SECONDS,
    exit_code,
    new_run_dir,
    open_lab,
    prepare,
    run,
)
from d1lab.secrets import kernel_variables

_log = logging.getLogger(__name__)

KERNEL_RETRIES = 1

Progress = Callable[[str, int, int], None]
"""Called with a job's name, the cells done, and the number of cells; from several threads."""


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
        push: Whether to write the results of successful runs to D1; None for all but what-if runs,
            whose parameters were set by hand.
        dry_run: Whether to only return what is due.
        timeout_seconds: The time limit of each run.
        workers: The number of reports that run at the same time.
        progress: Called before each cell.

    Raises:
        InputError: A report, shop, or parameter is invalid; nothing was started.
        StaleDataError: There was no pull yet.
    """
    jobs = plan(
        settings,
        open_ledger(settings),
        database,
        reports=reports,
        shops=shops,
        values=values,
        texts=texts,
        force=force,
    )
    if push is not False:
        jobs = with_lost_results(settings, database, jobs)
    if dry_run:
        return [planned(job) for job in jobs]
    return run_jobs(
        settings,
        jobs,
        push=push,
        timeout_seconds=timeout_seconds,
        workers=workers,
        progress=progress,
    )


def run_jobs(
    settings: Settings,
    jobs: Sequence[Job],
    *,
    push: bool | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
    workers: int = 2,
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
        workers: The number of reports that run at the same time.
        progress: Called before each cell.
        stage: Whether results are staged; otherwise nothing of the runs can ever be pushed.
        cancellation: Allows another thread to end the runs.

    Returns:
        One result per job, in the same order.
    """
    _sweep(settings)
    shared = settings.share_memory(workers)
    runner = _JobRunner(shared, push, timeout_seconds, progress, stage, cancellation)
    if any(job.due for job in jobs):
        preload_fork_server(kernel_variables())
        import_papermill()  # while the fork server imports, too
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="report") as pool:
        started: dict[int, Future[JobResult]] = {}
        for place, waits in in_order(jobs):
            first = [started[other] for other in waits]
            started[place] = pool.submit(runner.outcome, jobs[place], first)
        futures = [started[place] for place in range(len(jobs))]
        outcomes = runner.cancellation.results(pool, futures)
    if any(outcome.record for outcome in outcomes):
        write_index(settings.reports_dir)
    return outcomes


def _sweep(settings: Settings) -> None:
    """Remove the partial files of killed runs."""
    remove_leftovers(settings.data_dir, ".*.part", "*/runs/*/.*.part", "*/runs/*/*/.*.part")
    remove_leftovers(settings.reports_dir, ".*.part", "*/*/*/.*.part", "*/*/*/*/.*.part")
    remove_leftovers(Path(tempfile.gettempdir()), "d1lab-*")


class _JobRunner:
    """Runs jobs in the threads of one `run_jobs`."""

    def __init__(
        self,
        settings: Settings,
        push: bool | None,
        timeout_seconds: float,
        progress: Progress | None,
        stage: bool,
        cancellation: Cancellation | None,
    ) -> None:
        self.settings, self.push, self.stage = settings, push, stage
        self.timeout_seconds, self.progress = timeout_seconds, progress
        self.ledger = open_ledger(settings)
        self.cancellation = cancellation or Cancellation()
        self.events = RunEvents(settings)
        self._pushing = Lock()

    def outcome(self, job: Job, first: Sequence[Future[JobResult]] = ()) -> JobResult:
        """Run one job after those that come first; errors are results, too."""
        wait(first)
        return planned(job) if job.broken else self.events.ended(self._outcome(job))

    def _outcome(self, job: Job) -> JobResult:
        try:
            with self.ledger.lease(job.work) as lease:
                if job.due:
                    job = self._still(job)
                outcome = self._run(job) if job.due else self._current(job)
                if not is_to_push(outcome, asked=self.push):
                    return outcome
                if not lease.beat():
                    raise LockedError(
                        f"{job.work}: lost the lock, so nothing was written to D1. Run "
                        "the report again."
                    )
                with self._pushing:
                    return push_staged(self.settings, self.ledger, outcome)
        except LockedError as error:
            return JobResult(job, "locked", str(error), error.exit_code)
        except (D1labError, OSError) as error:
            return JobResult(job, "failed", str(error), getattr(error, "exit_code", 1))
        except Exception as error:  # noqa: BLE001  one failed report does not stop the others
            _log.debug("%s", job.task, exc_info=error)
            what = f"unexpected {type(error).__name__}: {error}"
            return JobResult(job, "failed", what, D1labError.exit_code)

    def _still(self, job: Job) -> Job:
        """Judge the job again: another process may have done it before this one got the lease."""
        is_forced = job.reason == "forced"
        if is_forced and not job.task.after:
            return job
        now = judge(self.settings, self.ledger, job.task, force=is_forced)
        is_as_lost = job.lost and now.last and job.last and now.last.run_id == job.last.run_id
        return job if is_as_lost else now

    def _current(self, job: Job) -> JobResult:
        assert job.last is not None
        assert job.last.page is not None
        page = self.settings.reports_dir / job.last.page
        return JobResult(job, "current", job.reason, run_id=job.last.run_id, page=page)

    def _run(self, job: Job) -> JobResult:
        """Run the report, and once more if its kernel died."""
        outcome = self._run_once(job)
        for _ in range(KERNEL_RETRIES):
            error = outcome.record.error if outcome.record else None
            if error is None or error.kind != "kernel":
                break
            outcome = self._run_once(job)
        return outcome

    def _run_once(self, job: Job) -> JobResult:
        run_dir = new_run_dir(self.settings, job.task)
        if not self.stage:
            outbox.stage_nothing(run_dir)
        keep_after(run_dir, self.ledger, job.task)
        self.ledger.start(_row(job, run_dir.name))
        self.events.started(job, run_dir.name)
        previous = self.ledger.previous(job.series, job.task.as_of)
        record, _ = run(
            self.settings,
            job.task,
            run_id=run_dir.name,
            timeout_seconds=self.timeout_seconds,
            previous_run_id=previous.run_id if previous else None,
            progress=self._progress(job),
            cancellation=self.cancellation,
            on_outputs=prerender,
        )
        inputs = narrowed(job.inputs, run_dir, job.task.shop)
        record = with_rows_read(record, read := tables_in(inputs))
        record.save(run_dir)
        if self.settings.push.actions and self.stage:
            record = stage_actions(run_dir, record)
        self.events.ran(record, read)
        page = write_page(run_dir, self.settings.reports_dir)
        key = key_of(job.series, job.task, inputs)
        shown = page.relative_to(self.settings.reports_dir).as_posix()
        self.ledger.finish(record, key, inputs, shown)
        ended = (record.status, record.reason, exit_code(record), record.run_id)
        return JobResult(job, *ended, page, record)

    def _progress(self, job: Job) -> Callable[[int, int], None] | None:
        tell = self.progress
        return (lambda done, cells: tell(str(job.task), done, cells)) if tell else None


def _row(job: Job, run_id: str) -> dict[str, Any]:
    """Return the ledger's row for the start of a run."""
    task = job.task
    return {
        "run_id": run_id,
        "series": job.series,
        "as_of": task.as_of.isoformat() if task.as_of else None,
        "key": key_of(job.series, task, job.inputs),
        "inputs": json.dumps(job.inputs),
        "database": task.database,
        "shop": task.shop,
        "report": task.report.name,
        "parameters": json.dumps(task.parameters),
        "status": "running",
        "started_at": datetime.now(UTC).isoformat(timespec="microseconds"),
    }


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
    loaded = load_report(settings, report)
    with open_lab(settings, database) as lab:
        task = prepare(lab, loaded, values=values, texts=texts)
    record, run_dir = run(settings, task, timeout_seconds=timeout_seconds, on_outputs=prerender)
    write_page(run_dir, settings.reports_dir)
    return record
