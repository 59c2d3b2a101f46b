"""Decide which reports are due: those whose inputs changed since the last successful run.

A result depends on the report's notebook, its parameters, d1lab's code, the project's metrics, the
shop's time zone, DuckDB, and the tables that the last run read, each by the digest that the pull
computed. The same inputs give the same result, so such a report does not run twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

from d1lab.config import Settings
from d1lab.errors import InputError
from d1lab.files import digest
from d1lab.jobs.after import earlier_reports, report_inputs
from d1lab.jobs.inputs import changed, inputs_of
from d1lab.jobs.leases import Work
from d1lab.jobs.ledger import LedgerEntry, RunLedger
from d1lab.lab import Lab
from d1lab.parameters import Days, check, utc_today
from d1lab.runs.data_state import ShopState, shop_state
from d1lab.runs.record import DataState
from d1lab.runs.report import (
    BrokenReport,
    Report,
    chosen_reports,
    list_reports,
    notebook_folder,
)
from d1lab.runs.run import Task, open_lab, prepare, run_folder


class Job(NamedTuple):
    """One report for one shop, and whether it is due."""

    task: Task
    series: str  # the same for all days of one report, shop, and set of parameters
    inputs: dict[str, str]  # digests of everything that the result can depend on
    due: bool
    reason: str  # why it is due or not
    last: LedgerEntry | None  # the last successful run for this day
    lost: bool = False  # D1 no longer has what that run wrote
    broken: bool = False  # the notebook cannot run; `reason` says why

    @property
    def work(self) -> Work:
        """The work that its lease covers."""
        return Work(self.task.database, self.task.shop, self.task.report.name)


def check_request(
    settings: Settings,
    *,
    reports: Sequence[str] = (),
    shops: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
    texts: Mapping[str, str] | None = None,
) -> list[Report]:
    """Return the requested reports, after every check that needs no data.

    The arguments are those of `plan`. Only the data shows whether a shop exists, and its days.

    Raises:
        InputError: There is no report, or a report or parameter is invalid.
    """
    values, texts = dict(values or {}), dict(texts or {})
    named = texts.pop("shop", None) or values.pop("shop", None)
    if named and shops and set(shops) != {named}:
        raise InputError(
            f"conflicting shops: parameter shop={named!r} and --shop {', '.join(shops)}. "
            "Pass only one."
        )
    chosen, broken = chosen_reports(settings, reports)
    if not chosen and not broken:
        raise InputError(
            f"no reports found in {notebook_folder(settings)}. Create a project with "
            "`d1lab init` or set D1LAB_NOTEBOOKS_DIR."
        )
    today = utc_today()
    for report in chosen:
        given = values | _named_shop(report, named or "any", reports, bool(named or shops))
        check(report.parameters, given, texts, Days(today, today), report.where)
    return chosen


def plan(
    settings: Settings,
    ledger: RunLedger,
    database: str | None = None,
    *,
    reports: Sequence[str] = (),
    shops: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
    texts: Mapping[str, str] | None = None,
    force: bool = False,
) -> list[Job]:
    """Return a job for each requested report and shop, and whether it is due.

    Args:
        settings: The project's settings.
        ledger: The record of earlier runs.
        database: A database's name in d1lab.toml; None for the default database.
        reports: Names; empty for all reports.
        shops: Names; empty for the shop among the parameters, or else all shops in the data.
        values: Typed parameters for every requested report.
        texts: Parameters as text, from `--set`; these take precedence.
        force: Whether to treat every job as due.

    Raises:
        InputError: There is no report, or a report, shop, or parameter is invalid. Nothing ran.
        StaleDataError: Nothing was pulled yet.
    """
    chosen = check_request(settings, reports=reports, shops=shops, values=values, texts=texts)
    values, texts = dict(values or {}), dict(texts or {})
    named = texts.pop("shop", None) or values.pop("shop", None)
    with ledger.kept_open(), open_lab(settings, database) as lab:
        asked = shops or ([named] if named else lab.shops)
        state = cache(partial(shop_state, lab))
        tasks = [
            task
            for report in chosen
            for given in _given(report, values, asked, is_limited=bool(shops or named))
            for task in _prepared(lab, report, given, texts, state, is_named=bool(reports))
        ]
        tasks = _with_earlier(lab, settings, ledger, tasks, state)
        jobs = _after_due([judge(settings, ledger, task, force=force) for task in tasks])
    name, _ = settings.resolve(database)
    _, broken = chosen_reports(settings, reports)
    return [*jobs, *(_broken_job(name, each) for each in broken)]


def _prepared(
    lab: Lab,
    report: Report,
    values: Mapping[str, Any],
    texts: Mapping[str, str],
    state: Callable[[str], ShopState],
    *,
    is_named: bool,
) -> Iterator[Task]:
    """Yield the task; none for a report on D1's usage if it does not have the day of all others."""
    try:
        yield prepare(lab, report, values=values, texts=texts, state=state)
    except InputError:
        if is_named or not report.is_of_usage:
            raise


def _with_earlier(
    lab: Lab,
    settings: Settings,
    ledger: RunLedger,
    tasks: Sequence[Task],
    state: Callable[[str], ShopState],
) -> list[Task]:
    """Add to each task the reports that it runs after; put those that did not run yet first."""
    known = list_reports(settings) if any(task.report.after for task in tasks) else []
    series = {series_of(task) for task in tasks}
    asked = {(task.report.name, task.shop, task.as_of): task for task in tasks if not task.chosen}
    first: dict[str, Task] = {}
    made: list[Task] = []
    for task in tasks:
        earlier = {
            series_of(each): each
            for report in earlier_reports(task.report, known)
            for each in [
                asked.get((report.name, task.shop, task.as_of))
                or prepare(lab, report, values=_same_day(report, task), state=state)
            ]
        }
        names = tuple((each.report.name, of) for of, each in earlier.items())
        made.append(task._replace(after=names))
        first |= {
            of: each
            for of, each in earlier.items()
            if of not in series and ledger.last_done(of, each.as_of) is None
        }
    return [*first.values(), *made]


def _same_day(report: Report, task: Task) -> dict[str, Any]:
    """Return the parameters of an earlier report for the shop and day of a task."""
    given = {"shop": task.shop, "as_of": task.as_of.isoformat() if task.as_of else None}
    return {name: value for name, value in given.items() if name in report.parameters and value}


def _after_due(jobs: list[Job]) -> list[Job]:
    """Make each job due that runs after a due job."""
    due = {(job.task.report.name, job.task.shop) for job in jobs if job.due}
    made: list[Job] = []
    for job in jobs:
        waits = [name for name, _ in job.task.after if (name, job.task.shop) in due]
        if waits and not job.due:
            job = job._replace(due=True, reason=f"runs after {', '.join(waits)}")
        made.append(job)
    return made


def _broken_job(database: str, broken: BrokenReport) -> Job:
    """Return the job of a notebook that cannot be read: it fails, and the others run."""
    report = Report(broken.name, broken.path, broken.name, {}, "")
    task = Task(database, report, "", None, {}, (), DataState(), (), ())
    return Job(task, "", {}, due=False, reason=broken.problem, last=None, broken=True)


def _named_shop(
    report: Report, shop: str, reports: Sequence[str], is_limited: bool
) -> dict[str, str]:
    """Return the shop as a parameter if the report takes one or was requested with one."""
    return {"shop": shop} if report.is_by_shop or (reports and is_limited) else {}


def _given(
    report: Report, values: Mapping[str, Any], shops: Sequence[str], *, is_limited: bool
) -> list[dict[str, Any]]:
    """Return the parameters of each run of a report: one run a shop, or one for all data.

    Where shops are named, a report for all data does not run.
    """
    if report.is_by_shop:
        return [{**values, "shop": shop} for shop in shops]
    return [] if is_limited else [dict(values)]


def judge(settings: Settings, ledger: RunLedger, task: Task, *, force: bool = False) -> Job:
    """Return whether a task is due, and why."""
    series, inputs = series_of(task), inputs_of(settings, task) | report_inputs(ledger, task)
    last = ledger.last_done(series, task.as_of)
    of_usage = task.report.is_of_usage
    changes = changed(last.inputs, inputs, with_tables=not of_usage) if last else []
    if force:
        due, reason = True, "forced"
    elif last is None:
        due, reason = True, "not run for this date yet"
    elif changes:
        due, reason = True, f"changed since run {last.run_id}: {', '.join(changes)}"
    elif _has_lost_files(settings, task, last):
        due, reason = True, f"the files of run {last.run_id} are missing, and it was not pushed"
    elif not last.page or not (settings.reports_dir / last.page).is_file():
        due, reason = True, f"the page of run {last.run_id} is missing"
    else:
        due, reason = False, f"up to date since run {last.run_id}"
    return Job(task, series, inputs, due, reason, last)


def _has_lost_files(settings: Settings, task: Task, last: LedgerEntry) -> bool:
    """Whether results that were not pushed were lost with their run's folder."""
    is_waiting = bool(last.staged) and last.pushed_at is None
    return is_waiting and not run_folder(settings, task.database, last.run_id).is_dir()


def series_of(task: Task) -> str:
    """Return the hash that runs of one report, shop, and set of parameters share on all days."""
    parameters = {k: v for k, v in task.parameters.items() if k != "as_of"}
    return _digest([task.database, task.report.name, parameters, task.chosen])


def key_of(series: str, task: Task, inputs: Mapping[str, str]) -> str:
    """Return the hash of everything that a result depends on: equal keys, equal results."""
    return _digest([series, str(task.as_of), dict(inputs)])


def _digest(value: object) -> str:
    return digest(json.dumps(value, sort_keys=True))
