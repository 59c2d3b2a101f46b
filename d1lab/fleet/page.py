"""The page of a fleet: its notebook, run on this machine with a copy of the marts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from d1lab.config import Settings
from d1lab.errors import InputError
from d1lab.files import digest
from d1lab.fleet.entry import RegistryEntry
from d1lab.fleet.marts import open_marts
from d1lab.fleet.places import REPORT, report_settings
from d1lab.fleet.registry import open_registry
from d1lab.fleet.study_files import keep_study, last_day, mart_rows, simulated_views
from d1lab.jobs.due import Job, key_of, series_of
from d1lab.jobs.job_runner import ledger_row
from d1lab.jobs.leases import Work
from d1lab.jobs.ledger import RunLedger, open_ledger
from d1lab.pages.index import write_index
from d1lab.pages.page import write_page
from d1lab.pages.svg import prerender
from d1lab.runs.record import DataState, RunRecord, TableState
from d1lab.runs.report import Report, notebook_folder
from d1lab.runs.run import Task, new_run_dir, run


def write_fleet_page(settings: Settings, target: str) -> tuple[RunRecord, Path]:
    """Copy the marts, run `fleet.ipynb`, and write its page and the index.

    Args:
        settings: The project's.
        target: The fleet's target.

    Returns:
        The record of the run, and the page.

    Raises:
        InputError: The fleet has no databases, or the notebook is missing.
        D1labError: A mart cannot be read.
    """
    entries = open_registry(settings).entries()
    if not entries:
        raise InputError("the fleet has no databases. Add some: d1lab fleet add SOURCE")
    notebook = notebook_folder(settings) / f"{REPORT}.ipynb"
    if not notebook.is_file():
        raise InputError(f"notebook {notebook} is missing. `d1lab init` copies it to a project.")
    folder = keep_study(settings, open_marts(settings, target), entries, has_pages=not target)
    task = _task(notebook, folder, [entry for entry in entries if entry.listed])
    own = report_settings(settings)
    with (ledger := open_ledger(own)).lease(Work(REPORT, "", REPORT)):
        record, page = _run(own, ledger, task, simulated_views(folder))
    write_index(settings.reports_dir)
    return record, page


def _run(
    own: Settings, ledger: RunLedger, task: Task, simulated: tuple[str, ...]
) -> tuple[RunRecord, Path]:
    """Run the notebook, write its page, and record the run, so that it can be pruned."""
    run_dir, job = new_run_dir(own, task), Job(task, series_of(task), {}, True, "", None)
    ledger.start(ledger_row(job, run_dir.name))
    previous = ledger.previous(job.series, task.as_of)
    before = previous.run_id if previous else None
    record, _ = run(own, task, run_id=run_dir.name, previous_run_id=before, on_outputs=prerender)
    record = record.model_copy(update={"simulated": simulated})
    record.save(run_dir)
    page = write_page(run_dir, own.reports_dir)
    shown = page.relative_to(own.reports_dir).as_posix()
    ledger.finish(record, key_of(job.series, task, {}), {}, shown)
    return record, page


def _task(notebook: Path, folder: Path, entries: list[RegistryEntry]) -> Task:
    report = Report(REPORT, notebook, "Fleet", {}, digest(notebook.read_bytes()))
    last, zones = last_day(folder), {entry.database.timezone for entry in entries}
    state = DataState(
        pulled_at=max((at for entry in entries if (at := entry.succeeded_at)), default=None),
        data_as_of=last,
        timezone=(zones.pop() or "UTC") if len(zones) == 1 else None,
        tables=tuple(TableState(name=name, rows=rows) for name, rows in mart_rows(folder)),
    )
    return Task(REPORT, report, "", last or datetime.now(UTC).date(), {}, (), state, (), ())
