"""Commands for reports: run, lab."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypedDict

import typer

from d1lab.cli import completion
from d1lab.cli.output import (
    AcceptDroppedOption,
    DatabaseOption,
    DryRunOption,
    JsonOption,
    MaxAgeOption,
    MaxRowsOption,
    MetricsFileOption,
    SetOption,
    echo_err,
    progress_bars,
)
from d1lab.cli.run_output import print_as_json, print_outcomes
from d1lab.config import Settings, load_settings
from d1lab.errors import InputError
from d1lab.secrets import without_secrets

if TYPE_CHECKING:
    from d1lab.fleet.dask_reports import DaskReports
    from d1lab.jobs.job_result import JobResult
    from d1lab.pages.export import Exported
    from d1lab.pull import PullResult


app = typer.Typer()

_LABEXTENSIONS = Path(__file__).parents[1] / "lab" / "labextensions"  # d1lab's part of JupyterLab


def assignments(pairs: list[str]) -> dict[str, str]:
    """Parse `name=value` pairs into a mapping.

    Raises:
        InputError: A pair has no '='.
    """
    given: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InputError(f"--set {pair!r} is invalid. Use name=value.")
        given[name] = value
    return given


def _values(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    from d1lab.parameters import load_values

    return load_values(path)


class Request(TypedDict):
    """The reports to run, of which shops, and with which parameters."""

    reports: Sequence[str]
    shops: Sequence[str]
    values: dict[str, Any]  # from --params
    texts: dict[str, str]  # from --set and --as-of


ReportArgument = Annotated[
    list[str] | None,
    typer.Argument(help="Reports to run. Default: all.", autocompletion=completion.reports),
]
ShopOption = Annotated[
    list[str] | None,
    typer.Option(
        "--shop",
        "-s",
        help="Shops to run. Default: all. Repeatable.",
        autocompletion=completion.shops,
    ),
]
AsOfOption = Annotated[
    str | None, typer.Option(help="Report date: YYYY-MM-DD, today, yesterday, or latest.")
]
ParamsOption = Annotated[Path | None, typer.Option(help="JSON or TOML file with parameters.")]
PushOption = Annotated[
    bool | None,
    typer.Option(
        "--push/--no-push",
        help="Write results of successful runs to D1. Default: except those of runs with --set "
        "or --params.",
        show_default=False,
    ),
]
WorkersOption = Annotated[
    int, typer.Option("--workers", "-j", min=1, help="Reports that run at the same time.")
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        help="Address of a Dask scheduler, such as tcp://10.0.0.5:8786, whose workers run the "
        "notebooks instead of this machine."
    ),
]
ExportOption = Annotated[
    Literal["csv", "pdf"] | None,
    typer.Option(
        help=(
            "Also export every table as CSV, or every page as PDF, including pages "
            "that are up to date."
        )
    ),
]


@app.command(epilog="Example: d1lab run inventory --shop harbor --as-of 2017-12-31")
def run(
    report: ReportArgument = None,
    shop: ShopOption = None,
    as_of: AsOfOption = None,
    set_: SetOption = None,
    params: ParamsOption = None,
    database: DatabaseOption = None,
    pull: Annotated[bool, typer.Option(help="Pull new data from D1 first.")] = True,
    push: PushOption = None,
    max_age: MaxAgeOption = None,
    max_rows_read: MaxRowsOption = None,
    accept_dropped: AcceptDroppedOption = False,
    force: Annotated[bool, typer.Option(help="Run reports even if they are up to date.")] = False,
    timeout: Annotated[float, typer.Option(help="Time limit per run, in seconds.", min=1)] = 900,
    workers: WorkersOption = 2,
    scheduler: SchedulerOption = None,
    export: ExportOption = None,
    metrics_file: MetricsFileOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Pull data, run all due reports, create their pages, and write results back to D1.

    Exit codes: 0 success or nothing due, 1 a report failed, 2 invalid input, 3 stale or missing
    data, 4 timeout, 75 locked by another process.
    """
    from d1lab.jobs.job_result import overall_exit_code
    from d1lab.jobs.prometheus import write_metrics
    from d1lab.jobs.run import run_reports

    started = monotonic()
    settings = load_settings()
    texts = assignments(set_ or []) | ({"as_of": as_of} if as_of else {})
    request = Request(reports=report or (), shops=shop or (), values=_values(params), texts=texts)
    _check(settings, request, export)
    how = Pulling(database, max_age, max_rows_read, accept_dropped)
    pulled = _pull(settings, how) if pull and not dry_run else None
    with _machines(None if dry_run else scheduler) as machines, progress_bars() as progress:
        outcomes = run_reports(
            settings,
            database,
            **request,
            force=force,
            push=push,
            dry_run=dry_run,
            timeout_seconds=timeout,
            workers=workers,
            machines=machines,
            unchanged=bool(pulled and pulled.found_unchanged),
            progress=progress,
        )
    if metrics_file and not dry_run:
        write_metrics(settings, metrics_file)
    exported = [_export(settings, outcome, export) for outcome in outcomes]
    if as_json:
        print_as_json(outcomes, exported, pulled)
    else:
        print_outcomes(settings, outcomes, pulled, exported, started, is_named=bool(report))
    raise typer.Exit(overall_exit_code(outcomes))


def _check(settings: Settings, request: Request, export: str | None) -> None:
    """Check what can be checked before any data is pulled."""
    from d1lab.jobs.due import check_request
    from d1lab.pages.export import require_chromium

    check_request(settings, **request)
    if export == "pdf":
        require_chromium()


@contextmanager
def _machines(scheduler: str | None) -> Generator[DaskReports | None]:
    """Yield the workers of a Dask cluster; None for this machine."""
    if scheduler is None:
        yield None
        return
    from d1lab.fleet.dask_reports import DaskReports

    with closing(DaskReports(scheduler)) as machines:
        yield machines


class Pulling(NamedTuple):
    """What to pull before the run, and how much of it."""

    database: str | None
    max_age_seconds: float | None
    max_rows_read: int | None
    accept_dropped: bool


def _pull(settings: Settings, how: Pulling) -> PullResult:
    from d1lab.pull import pull_database

    _keep_usage(settings, how.database)
    with progress_bars() as progress:
        return pull_database(settings, **how._asdict(), progress=progress)


def _keep_usage(settings: Settings, database: str | None) -> None:
    """Keep what Cloudflare knows of the database's usage, once a day, for the report on it."""
    name, chosen = settings.resolve(database)
    if not chosen.url.startswith("d1:"):
        return
    from d1lab.d1.analytics import keep_usage_daily
    from d1lab.parameters import utc_today

    keep_usage_daily(chosen.url, settings.folder(name), settings.read_token, utc_today())


def _export(settings: Settings, outcome: JobResult, form: str | None) -> list[Exported]:
    from d1lab.pages.export import export_pdf, export_tables
    from d1lab.runs.run import run_folder

    ended_well = outcome.status in ("done", "current")
    if form is None or not ended_well or not outcome.run_id or not outcome.page:
        return []
    if form == "pdf":
        return [export_pdf(outcome.page)]
    run_dir = run_folder(settings, outcome.job.task.database, outcome.run_id)
    return export_tables(run_dir, outcome.page)


@app.command(epilog="Example: d1lab lab")
def lab(
    port: Annotated[int, typer.Option(help="Port for JupyterLab (local access only).")] = 8888,
    browser: Annotated[bool, typer.Option(help="Open a browser window.")] = True,
) -> None:
    """Open JupyterLab with the tour notebook. API tokens are not passed to it."""
    from d1lab.pages.export import is_root

    settings = load_settings()
    tour = settings.notebooks_dir / "tour.ipynb"
    if not settings.folder().joinpath("warehouse.duckdb").is_file():
        echo_err("The warehouse is empty. Run `d1lab pull` to fill it.")
    command = [sys.executable, "-m", "jupyterlab", "--ip=127.0.0.1", f"--port={port}"]
    command += [f"--ServerApp.root_dir={settings.root}"]
    command += [f"--LabApp.extra_labextensions_path={_LABEXTENSIONS}"]
    if tour.is_file():
        command += [f"--LabApp.default_url=/lab/tree/{tour.relative_to(settings.root).as_posix()}"]
    command += [] if browser else ["--no-browser"]
    command += ["--allow-root"] if is_root() else []  # in a container; listens on loopback only
    os.execve(sys.executable, command, without_secrets())
