"""Decide which reports are due: those whose inputs changed since the last successful run.

What a result depends on: the report's notebook, its parameters, d1lab's own code, the project's
metrics, the shop's time zone, DuckDB, and the tables that its last run read, each by the digest
that the pull made. Same inputs, same result: such a run is not made twice.

Of a table that was read only by d1lab's own metrics with the run's shop, the shop's rows count: a
change in another shop makes nothing due. Other SQL can read all shops, so the whole table counts.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from d1lab import outbox
from d1lab.config import Settings
from d1lab.errors import InputError
from d1lab.files import digest
from d1lab.jobs.after import earlier_reports, report_inputs
from d1lab.jobs.leases import Work
from d1lab.jobs.ledger import LedgerEntry, RunLedger
from d1lab.lab import Lab
from d1lab.parameters import Days, check, utc_today
from d1lab.runs.record import DataState
from d1lab.runs.report import (
    BrokenReport,
    Report,
    broken_reports,
    list_reports,
    load_report,
    notebook_folder,
)
from d1lab.runs.run import Task, open_lab, prepare, run_folder
from d1lab.select_statements import tables_read
from d1lab.warehouse import HISTORY, own_name
from d1lab.warehouse.views import OF_ALL_SHOPS, VIEWS

PACKAGE = Path(__file__).parents[1]
_SOURCES = {".py", ".sql", ".html", ".css", ".js"}
_TABLE = "table "
_THIS_SHOP = " (this shop)"
_METRIC = "metric "


class Job(NamedTuple):
    """One report for one shop, and whether it is to be run."""

    task: Task
    series: str  # equal for the runs of one report, shop and parameters on different days
    inputs: dict[str, str]  # digests of all that the result could depend on
    due: bool
    reason: str  # why it is due, or why not
    last: LedgerEntry | None  # the last good run of this day
    lost: bool = False  # D1 no longer holds what that run wrote
    broken: bool = False  # the notebook cannot be run; `reason` says why

    @property
    def work(self) -> Work:
        """What its lease is for."""
        return Work(self.task.database, self.task.shop, self.task.report.name)


def check_request(
    settings: Settings,
    *,
    reports: Sequence[str] = (),
    shops: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
    texts: Mapping[str, str] | None = None,
) -> list[Report]:
    """The reports asked for, with all checked that can be known before any data is pulled.

    Arguments as those of `plan`; whether a shop exists and which days it has, only the data shows.

    Raises:
        InputError: There is no report, or one or a parameter is invalid.
    """
    values, texts = dict(values or {}), dict(texts or {})
    named = texts.pop("shop", None) or values.pop("shop", None)
    if named and shops and set(shops) != {named}:
        raise InputError(
            f"conflicting shops: parameter shop={named!r} and --shop {', '.join(shops)}. "
            "Pass only one."
        )
    chosen = [load_report(settings, n) for n in reports] if reports else list_reports(settings)
    if not chosen and not broken_reports(settings):
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
    """Every asked report for every asked shop, checked, with what is due about it.

    Args:
        settings: The project's.
        ledger: Where earlier runs are looked up.
        database: A name of d1lab.toml; None for the default one.
        reports: Names; empty for all.
        shops: Names; empty for the one that the parameters name, else for all in the data.
        values: Parameters with their types; they go to every report asked for.
        texts: Parameters as text, from `--set`; they win.
        force: Take everything as due.

    Raises:
        InputError: There is no report, or one, a shop or a parameter is wrong; nothing was started.
        StaleDataError: Nothing was pulled yet.
    """
    chosen = check_request(settings, reports=reports, shops=shops, values=values, texts=texts)
    values, texts = dict(values or {}), dict(texts or {})
    named = texts.pop("shop", None) or values.pop("shop", None)
    with open_lab(settings, database) as lab:
        asked = shops or ([named] if named else lab.shops)
        tasks = [
            prepare(lab, report, values=given, texts=texts)
            for report in chosen
            for given in _given(report, values, asked, is_limited=bool(shops or named))
        ]
        tasks = _with_earlier(lab, settings, ledger, tasks)
    jobs = _after_due([judge(settings, ledger, task, force=force) for task in tasks])
    if reports:
        return jobs
    name, _ = settings.resolve(database)
    return [*jobs, *(_broken_job(name, broken) for broken in broken_reports(settings))]


def _with_earlier(
    lab: Lab, settings: Settings, ledger: RunLedger, tasks: Sequence[Task]
) -> list[Task]:
    """The tasks, with what they run after, and before them the missing ones of those."""
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
                or prepare(lab, report, values=_same_day(report, task))
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
    """The parameters of an earlier report for the shop and day of a task."""
    given = {"shop": task.shop, "as_of": task.as_of.isoformat() if task.as_of else None}
    return {name: value for name, value in given.items() if name in report.parameters and value}


def _after_due(jobs: list[Job]) -> list[Job]:
    """The jobs; one that runs after a due one is due."""
    due = {(job.task.report.name, job.task.shop) for job in jobs if job.due}
    made: list[Job] = []
    for job in jobs:
        waits = [name for name, _ in job.task.after if (name, job.task.shop) in due]
        if waits and not job.due:
            job = job._replace(due=True, reason=f"runs after {', '.join(waits)}")
        made.append(job)
    return made


def _broken_job(database: str, broken: BrokenReport) -> Job:
    """The job of a notebook that cannot be read: it fails, and the others run."""
    report = Report(broken.name, broken.path, broken.name, {}, "")
    task = Task(database, report, "", None, {}, (), DataState(), (), ())
    return Job(task, "", {}, due=False, reason=broken.problem, last=None, broken=True)


def _named_shop(
    report: Report, shop: str, reports: Sequence[str], is_limited: bool
) -> dict[str, str]:
    """The shop as a parameter, where the report takes one, or was asked for with one."""
    return {"shop": shop} if report.is_by_shop or (reports and is_limited) else {}


def _given(
    report: Report, values: Mapping[str, Any], shops: Sequence[str], *, is_limited: bool
) -> list[dict[str, Any]]:
    """The parameters of each of a report's runs: one for a shop, or one for all data.

    A report of all data is left out where shops are named.
    """
    if report.is_by_shop:
        return [{**values, "shop": shop} for shop in shops]
    return [] if is_limited else [dict(values)]


def judge(settings: Settings, ledger: RunLedger, task: Task, *, force: bool = False) -> Job:
    """Whether a task is due, and why."""
    series, inputs = series_of(task), inputs_of(settings, task) | report_inputs(ledger, task)
    last = ledger.last_done(series, task.as_of)
    changes = changed(last.inputs, inputs) if last else []
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
    """Whether results that were never pushed are gone with their run's folder."""
    is_waiting = bool(last.staged) and last.pushed_at is None
    return is_waiting and not run_folder(settings, task.database, last.run_id).is_dir()


def series_of(task: Task) -> str:
    """The hash that names the runs of one report, shop and parameters, whatever the day."""
    parameters = {k: v for k, v in task.parameters.items() if k != "as_of"}
    return _digest([task.database, task.report.name, parameters, task.chosen])


def key_of(series: str, task: Task, inputs: Mapping[str, str]) -> str:
    """The hash of all that a result depends on: equal keys, equal results."""
    return _digest([series, str(task.as_of), dict(inputs)])


def inputs_of(settings: Settings, task: Task) -> dict[str, str]:
    """Digests of what the task's result could depend on.

    Tables as `table <name>`, and the shop's rows of them as `table <name> (this shop)`.
    """
    tables = {f"{_TABLE}{table.name}": str(table.digest) for table in task.data.tables}
    rows = {
        f"{_TABLE}{table.name}{_THIS_SHOP}": table.shop_digest
        for table in task.data.tables
        if table.shop_digest is not None
    }
    return (
        tables
        | rows
        | {
            "the notebook": task.report.digest,
            "d1lab": source_digest(),
            "DuckDB": version("duckdb"),
            "the time zone": task.data.timezone or "",
            **metric_digests(settings.root / "metrics"),
        }
    )


def metric_digests(folder: Path) -> dict[str, str]:
    """Return the digests of a project's metrics, each as `metric <name>`."""
    paths = sorted(folder.glob("*.sql")) if folder.is_dir() else []
    return {f"{_METRIC}{path.stem}": digest(path.read_bytes()) for path in paths}


def narrowed(inputs: Mapping[str, str], run_dir: Path, shop: str) -> dict[str, str]:
    """The inputs without the metrics, tables, and other shops' rows that the run did not read.

    Args:
        inputs: As those of `inputs_of`.
        run_dir: The run's folder, with the notes of what it read.
        shop: The run's shop; '' for all.
    """
    notes = outbox.read_notes(run_dir)
    if notes:
        used = {f"{_METRIC}{note['metric']}" for note in notes}
        inputs = {k: v for k, v in inputs.items() if not k.startswith(_METRIC) or k in used}
    tables, of_shop, others = tables_in(inputs), set[str](), set[str]()
    for note in notes:
        is_of_shop = _is_of_shop(note, shop, inputs)
        for name in note["reads"]:
            (of_shop if is_of_shop and name not in OF_ALL_SHOPS else others).add(name)
    read, read_whole = raw_tables(of_shop, tables), raw_tables(others, tables)
    rest = {k: v for k, v in inputs.items() if not k.startswith(_TABLE)}
    if read is None or read_whole is None or not (read | read_whole):
        # no notes, or a read that cannot be followed: anything may matter
        return rest | {f"{_TABLE}{name}": inputs[f"{_TABLE}{name}"] for name in tables}
    names = [f"{_TABLE}{name}" for name in sorted(read_whole)]
    for name in sorted(read - read_whole):
        whole = f"{_TABLE}{name}"
        names.append(whole + _THIS_SHOP if whole + _THIS_SHOP in inputs else whole)
    return rest | {name: inputs[name] for name in names if name in inputs}


def _is_of_shop(note: Mapping[str, Any], shop: str, inputs: Mapping[str, str]) -> bool:
    """Whether a note is of one of d1lab's own metrics, about the run's shop."""
    metric = note["metric"]
    is_own = metric is not None and f"{_METRIC}{metric}" not in inputs
    return is_own and bool(shop) and note.get("params", {}).get("shop") == shop


def tables_in(inputs: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the D1 tables among inputs."""
    names = {name.removesuffix(_THIS_SHOP) for name in inputs if name.startswith(_TABLE)}
    return tuple(name.removeprefix(_TABLE) for name in sorted(names))


def raw_tables(names: Iterable[str], tables: Collection[str]) -> set[str] | None:
    """The D1 tables behind views and raw tables; None when one of them cannot be followed.

    A name that both the app and d1lab have counts for both.

    Args:
        names: As the notes of a run have them.
        tables: The tables of the warehouse.

    >>> sorted(raw_tables(["order_lines", "raw.inventory_impact", "shops"], ["shops"]))
    ['inventory_impact', 'order_events', 'shops']
    """
    found: set[str] = set()
    for name in names:
        bare = name.removeprefix("raw.").removeprefix(f"{HISTORY}.")
        own = {table for table in tables if own_name(table).lower() == bare.lower()}
        view = VIEWS / f"{name}.sql"
        if bare != name:
            own.add(bare)
        if view.is_file():
            behind = raw_tables(tables_read(view.read_text("utf-8")), tables)
            own |= behind or set()
        if not own:
            return None
        found |= own
    return found


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The names of the earlier inputs that are not the same now."""
    return [name for name, digest in before.items() if now.get(name) != digest]


@cache
def source_digest() -> str:
    """A hash of d1lab's own code, SQL and templates."""
    return digest_of_files(PACKAGE)


def digest_of_files(folder: Path) -> str:
    """A hash of the sources in a folder, by their paths and contents; '' where it is absent."""
    if not folder.is_dir():
        return ""
    sources = (path for path in sorted(folder.rglob("*")) if path.suffix in _SOURCES)
    lines = [
        f"{path.relative_to(folder).as_posix()} {digest(path.read_bytes())}\n"
        for path in sources
        if path.is_file()
    ]
    return digest("".join(lines))


def _digest(value: object) -> str:
    return digest(json.dumps(value, sort_keys=True))
