"""Commands for reports: run, lab."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

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
    echo_pull_notes,
    print_json,
    print_rows,
    progress_bars,
    shown_path,
)
from d1lab.cli.push import print_held_back
from d1lab.config import Settings, load_settings
from d1lab.counting import counted
from d1lab.d1.database import Usage
from d1lab.d1.limits import bill
from d1lab.errors import InputError
from d1lab.secrets import without_secrets

if TYPE_CHECKING:
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
    pulled = None
    if pull and not dry_run:
        pulled = _pull(settings, database, max_age, max_rows_read, accept_dropped=accept_dropped)
    with progress_bars() as progress:
        outcomes = run_reports(
            settings,
            database,
            **request,
            force=force,
            push=push,
            dry_run=dry_run,
            timeout_seconds=timeout,
            workers=workers,
            progress=progress,
        )
    if metrics_file and not dry_run:
        write_metrics(settings, metrics_file)
    exported = [_export(settings, outcome, export) for outcome in outcomes]
    if as_json:
        _print_as_json(outcomes, exported, pulled)
    else:
        _print_outcomes(settings, outcomes, pulled, monotonic() - started, is_named=bool(report))
        _print_exported(settings, exported)
    raise typer.Exit(overall_exit_code(outcomes))


def _check(settings: Settings, request: Request, export: str | None) -> None:
    """Check what can be checked before any data is pulled."""
    from d1lab.jobs.due import check_request
    from d1lab.pages.export import require_chromium

    check_request(settings, **request)
    if export == "pdf":
        require_chromium()


def _pull(
    settings: Settings,
    database: str | None,
    max_age: float | None,
    max_rows_read: int | None,
    *,
    accept_dropped: bool,
) -> PullResult:
    from d1lab.pull import pull_database

    _keep_usage(settings, database)
    with progress_bars() as progress:
        return pull_database(
            settings,
            database,
            max_age_seconds=max_age,
            max_rows_read=max_rows_read,
            accept_dropped=accept_dropped,
            progress=progress,
        )


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


def _print_exported(settings: Settings, exported: list[list[Exported]]) -> None:
    """Print the files exported by each job."""
    if files := [file for files in exported for file in files]:
        rows = [(shown_path(path, settings.root), rows) for path, rows in files]
        print_rows(("exported", "rows"), rows)


def _print_as_json(
    outcomes: list[JobResult], exported: list[list[Exported]], pulled: PullResult | None
) -> None:
    runs = [_summary(*pair) for pair in zip(outcomes, exported, strict=True)]
    print_json({"pull": pulled, "runs": runs})


def _summary(outcome: JobResult, exported: list[Exported]) -> dict[str, object]:
    task = outcome.job.task
    return {
        "report": task.report.name,
        "shop": task.shop,
        "as_of": task.as_of,
        "status": outcome.status,
        "message": outcome.message,
        "exit_code": outcome.exit_code,
        "run_id": outcome.run_id,
        "page": outcome.page,
        "seconds": outcome.record.seconds if outcome.record else None,
        "pushed": outcome.pushed,
        "exported": exported,
    }


def _print_outcomes(
    settings: Settings,
    outcomes: list[JobResult],
    pulled: PullResult | None,
    seconds: float,
    *,
    is_named: bool,
) -> None:
    rows = [
        (
            outcome.job.task.shop,
            outcome.job.task.report.name,
            outcome.status,
            _tenths(outcome.record.seconds if outcome.record else None),
            outcome.pushed.changed if outcome.pushed else None,
            shown_path(outcome.page, settings.root),
        )
        for outcome in outcomes
    ]
    print_rows(("shop", "report", "status", "seconds", "results_pushed", "page"), rows)
    for outcome in outcomes:
        if outcome.message and outcome.status != "current":
            echo_err(f"{outcome.job.task}: {outcome.message}")
    if not is_named and all(outcome.job.task.report.is_of_usage for outcome in outcomes):
        echo_err("run: no shops in the data yet. Run `d1lab doctor` to see what is missing.")
    if pulled:
        echo_pull_notes(pulled)
    if not any(outcome.status == "due" for outcome in outcomes):  # not a dry run
        _say_what_it_took(settings, outcomes, pulled, seconds)
    index = settings.reports_dir / "index.html"
    if index.is_file():
        echo_err(f"Open {shown_path(index, settings.root)}")


def _say_what_it_took(
    settings: Settings, outcomes: list[JobResult], pulled: PullResult | None, seconds: float
) -> None:
    pushes = [outcome.pushed for outcome in outcomes if outcome.pushed]
    print_held_back(pushes)
    usage = sum((push.usage for push in pushes), Usage())
    read = usage.rows_read + (pulled.rows_read if pulled else 0)
    pulled_rows = counted(pulled.rows_pulled if pulled else 0, "row")
    plan = settings.resolve(outcomes[0].job.task.database if outcomes else None)[1].plan
    billed = bill(usage._replace(rows_read=read), plan, places=4)
    echo_err(
        f"{pulled_rows} pulled; D1 bills {counted(read, 'row')} read and "
        f"{usage.rows_written:,} written ({billed}); "
        f"{counted(sum(p.changed for p in pushes), 'result')} pushed; {seconds:.1f} s"
    )


def _tenths(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


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
