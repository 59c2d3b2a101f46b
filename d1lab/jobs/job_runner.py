"""Run one job: its notebook, its page, and the push of its results; errors are results, too."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from d1lab import outbox
from d1lab.config import Settings
from d1lab.errors import D1labError, LockedError
from d1lab.jobs.after import keep_after
from d1lab.jobs.due import Job, judge, key_of
from d1lab.jobs.inputs import narrowed, tables_in
from d1lab.jobs.job_result import JobResult, Progress, current, is_to_push, planned
from d1lab.jobs.leases import Lease
from d1lab.jobs.ledger import open_ledger
from d1lab.jobs.push_actions import stage_actions
from d1lab.jobs.push_queue import PushQueue
from d1lab.jobs.run_cost import with_rows_read
from d1lab.jobs.run_events import RunEvents
from d1lab.pages.page import write_page
from d1lab.pages.storage import place
from d1lab.pages.svg import prerender
from d1lab.runs.cancellation import Cancellation
from d1lab.runs.record import RunRecord
from d1lab.runs.run import exit_code, new_run_dir, run, run_folder

_log = logging.getLogger(__name__)

KERNEL_RETRIES = 1


class NotebookRun(NamedTuple):
    """What a machine needs to run a job's notebook."""

    job: Job
    run_dir: Path  # on this machine
    timeout_seconds: float
    previous_run_id: str | None


class Machines(Protocol):
    """Other machines, which run notebooks; everything before and after that is done here."""

    @property
    def count(self) -> int:
        """How many notebooks to hand out at the same time."""
        ...

    def run(self, settings: Settings, asked: NotebookRun, cancellation: Cancellation) -> RunRecord:
        """Run a notebook, and bring the files of the run to its folder here.

        Raises:
            D1labError: No machine could run it.
        """
        ...


class JobRunner:
    """Runs jobs in the threads of one `run_jobs`, whose arguments it takes."""

    def __init__(
        self,
        settings: Settings,
        push: bool | None,
        timeout_seconds: float,
        progress: Progress | None,
        stage: bool,
        cancellation: Cancellation | None,
        machines: Machines | None = None,
    ) -> None:
        self.settings, self.push, self.stage = settings, push, stage
        self.timeout_seconds, self.progress = timeout_seconds, progress
        self.ledger = open_ledger(settings)
        self.cancellation, self.machines = cancellation or Cancellation(), machines
        self.events = RunEvents(settings)
        self.pushes = PushQueue(settings, self.ledger, self.events.ended)

    def outcome(self, job: Job, first: Sequence[Future[JobResult]] = ()) -> JobResult:
        """Run one job after those that come first; errors are results, too.

        Its push may wait for that of others: `pushes.result` has it then.
        """
        wait(first)
        if job.broken:
            return planned(job)
        with ExitStack() as held:
            outcome, waits = self._outcome(job, held)
            return outcome if waits else self.events.ended(outcome)

    def _outcome(self, job: Job, held: ExitStack) -> tuple[JobResult, bool]:
        """Return the result, and whether it waits to be pushed."""
        try:
            lease = held.enter_context(self.ledger.lease(job.work))
            if job.due:
                job = self._still(job)
            outcome = self._run(job) if job.due else current(self.settings, job)
            if not is_to_push(outcome, asked=self.push):
                return outcome, False
            if self.pushes.waits(outcome):
                self.pushes.add(outcome, lease, held.pop_all())
                return outcome, True
            return self._pushed(outcome, lease), False
        except LockedError as error:
            return JobResult(job, "locked", str(error), error.exit_code), False
        except (D1labError, OSError) as error:
            return JobResult(job, "failed", str(error), getattr(error, "exit_code", 1)), False
        except Exception as error:  # noqa: BLE001  one failed report does not stop the others
            _log.debug("%s", job.task, exc_info=error)
            what = f"unexpected {type(error).__name__}: {error}"
            return JobResult(job, "failed", what, D1labError.exit_code), False

    def _pushed(self, outcome: JobResult, lease: Lease) -> JobResult:
        """Push a result at once; its page is written once, with what was pushed.

        If d1lab is killed meanwhile, the next run pushes the result, and writes its page.
        """
        pushed = outcome
        try:
            pushed = self.pushes.push(outcome, lease)
        finally:
            if pushed.pushed is None and outcome.record:
                self._write_page(outcome.record)
        return pushed

    def _write_page(self, record: RunRecord) -> None:
        write_page(
            run_folder(self.settings, record.database, record.run_id), self.settings.reports_dir
        )

    def _still(self, job: Job) -> Job:
        """Judge the job again: another process may have done it before this one got the lease."""
        is_forced = job.reason == "forced"
        if is_forced and not job.task.after:
            return job
        now = judge(self.settings, self.ledger, job.task, force=is_forced)
        is_as_lost = job.lost and now.last and job.last and now.last.run_id == job.last.run_id
        return job if is_as_lost else now

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
        self.ledger.start(ledger_row(job, run_dir.name))
        self.events.started(job, run_dir.name)
        previous = self.ledger.previous(job.series, job.task.as_of)
        before = previous.run_id if previous else None
        record = self._executed(NotebookRun(job, run_dir, self.timeout_seconds, before))
        inputs = narrowed(job.inputs, run_dir, job.task.shop)
        record = with_rows_read(record, read := tables_in(inputs))
        record.save(run_dir)
        if self.settings.push.actions and self.stage:
            record = stage_actions(run_dir, record)
        self.events.ran(record, read)
        page = place(self.settings.reports_dir, record)
        key = key_of(job.series, job.task, inputs)
        shown = page.relative_to(self.settings.reports_dir).as_posix()
        self.ledger.finish(record, key, inputs, shown)
        ended = (record.status, record.reason, exit_code(record), record.run_id)
        outcome = JobResult(job, *ended, page, record)
        if not is_to_push(outcome, asked=self.push) or self.pushes.waits(outcome):
            self._write_page(record)
        return outcome

    def _executed(self, asked: NotebookRun) -> RunRecord:
        """Run the notebook, here or on another machine."""
        job, progress = asked.job, self._progress(asked.job)
        if self.machines is not None:
            record = self.machines.run(self.settings, asked, self.cancellation)
            if progress:
                progress(record.cells_done, record.code_cells)
            return record
        record, _ = run(
            self.settings,
            job.task,
            run_id=asked.run_dir.name,
            timeout_seconds=asked.timeout_seconds,
            previous_run_id=asked.previous_run_id,
            progress=progress,
            cancellation=self.cancellation,
            on_outputs=prerender,
        )
        return record

    def _progress(self, job: Job) -> Callable[[int, int], None] | None:
        tell = self.progress
        return (lambda done, cells: tell(str(job.task), done, cells)) if tell else None


def ledger_row(job: Job, run_id: str) -> dict[str, Any]:
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
