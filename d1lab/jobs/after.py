"""Reports that run after others: what they wait for, depend on, and read.

A report declares them in its `parameters` cell (`after = ["inventory"]`, or `["*"]` for all
others). Their runs of the same shop and day are inputs like a table: when one of them changed, the
report is due. `after.json` in the run's folder names the runs that it read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from d1lab.errors import UnknownName
from d1lab.files import write
from d1lab.jobs.ledger import RunLedger
from d1lab.lab.other_reports import AFTER_FILE
from d1lab.runs.report import ALL_OTHERS, Report
from d1lab.runs.run import Task

if TYPE_CHECKING:
    from d1lab.jobs.due import Job

_REPORT = "report "


def earlier_reports(report: Report, known: Iterable[Report]) -> list[Report]:
    """Return the reports that a report runs after, among the project's.

    `*` stands for all others that run by shop if this one does, and that wait for no others.

    Raises:
        UnknownName: A named report does not exist.
    """
    by_name = {one.name: one for one in known if one.name != report.name}
    named = [name for name in report.after if name != ALL_OTHERS]
    for name in named:
        if name not in by_name:
            raise UnknownName("report", name, by_name, report.where)
    if ALL_OTHERS in report.after:
        named += [name for name, one in by_name.items() if ALL_OTHERS not in one.after]
    alike = [by_name[name] for name in dict.fromkeys(named)]
    return [one for one in alike if one.is_by_shop == report.is_by_shop]


def report_inputs(ledger: RunLedger, task: Task) -> dict[str, str]:
    """Return the digests of the runs that a task reads, each as `report <name>`; '' without one."""
    found = {name: ledger.last_done(series, task.as_of) for name, series in task.after}
    return {f"{_REPORT}{name}": entry.key if entry else "" for name, entry in found.items()}


def keep_after(run_dir: Path, ledger: RunLedger, task: Task) -> None:
    """Write after.json: the runs that this run reads, by report; '' for one that did not succeed.

    A report that has no data for the shop is left out.
    """
    if not task.after:
        return
    entries = {name: ledger.last_done(series, task.as_of) for name, series in task.after}
    named = {
        name: entry.run_id if entry else ""
        for name, entry in entries.items()
        if entry is None or entry.status == "done"
    }
    write(run_dir / AFTER_FILE, json.dumps(named))


def in_order(jobs: Sequence[Job]) -> list[tuple[int, list[int]]]:
    """Return the positions of jobs in the order to start them, each with those to wait for.

    A job never waits for one that starts later, so that few workers cannot block each other. In a
    circle of reports, the one that comes first in the list does not wait.
    """
    places = {(job.task.report.name, job.task.shop): place for place, job in enumerate(jobs)}
    order: list[tuple[int, list[int]]] = []
    started: set[int] = set()
    open_: set[int] = set()

    def start(place: int) -> None:
        if place in started or place in open_:
            return
        open_.add(place)
        task = jobs[place].task
        first = [places[n, task.shop] for n, _ in task.after if (n, task.shop) in places]
        for other in first:
            start(other)
        order.append((place, [other for other in first if other in started]))
        started.add(place)

    for place, job in enumerate(jobs):
        if not job.task.after:
            start(place)
    for place in range(len(jobs)):
        start(place)
    return order
