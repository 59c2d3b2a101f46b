"""The page of a fleet: its notebook, run on this machine with a copy of the marts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from d1lab.config import Settings
from d1lab.config_sections import DatabaseSettings
from d1lab.errors import InputError
from d1lab.files import digest
from d1lab.fleet.entry import RegistryEntry
from d1lab.fleet.marts import open_marts
from d1lab.fleet.places import fleet_folder
from d1lab.fleet.registry import open_registry
from d1lab.fleet.study_files import keep_study, last_day, mart_rows, simulated_views
from d1lab.pages.index import write_index
from d1lab.pages.page import write_page
from d1lab.pages.svg import prerender
from d1lab.runs.record import DataState, RunRecord, TableState
from d1lab.runs.report import Report, notebook_folder
from d1lab.runs.run import Task, run

NAME = "fleet"


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
    notebook = notebook_folder(settings) / f"{NAME}.ipynb"
    if not notebook.is_file():
        raise InputError(f"notebook {notebook} is missing. `d1lab init` copies it to a project.")
    marts = open_marts(settings, target)
    folder = keep_study(settings, marts, entries, has_pages=not target)
    own = settings.model_copy(
        update={
            "database": NAME,
            "databases": {NAME: DatabaseSettings(url="fleet:marts")},
            "data_dir": fleet_folder(settings),
        }
    )
    task = _task(notebook, folder, [entry for entry in entries if entry.listed])
    record, run_dir = run(own, task, on_outputs=prerender)
    record = record.model_copy(update={"simulated": simulated_views(folder)})
    record.save(run_dir)
    page = write_page(run_dir, settings.reports_dir)
    write_index(settings.reports_dir)
    return record, page


def _task(notebook: Path, folder: Path, entries: list[RegistryEntry]) -> Task:
    report = Report(NAME, notebook, "Fleet", {}, digest(notebook.read_bytes()))
    last, zones = last_day(folder), {entry.database.timezone for entry in entries}
    state = DataState(
        pulled_at=max((at for entry in entries if (at := entry.succeeded_at)), default=None),
        data_as_of=last,
        timezone=(zones.pop() or "UTC") if len(zones) == 1 else None,
        tables=tuple(TableState(name=name, rows=rows) for name, rows in mart_rows(folder)),
    )
    return Task(NAME, report, "", last or datetime.now(UTC).date(), {}, (), state, (), ())
