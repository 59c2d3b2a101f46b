"""The group fleet: many databases, each pulled, run, and pushed by one worker."""

from __future__ import annotations

from contextlib import closing
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from d1lab.cli import completion, fleet_sources
from d1lab.cli.fleet_output import (
    entry_fields,
    print_plan,
    print_pruned,
    print_result,
    print_status,
)
from d1lab.cli.output import (
    DryRunOption,
    JsonOption,
    MaxRowsOption,
    echo_err,
    print_json,
    progress_bars,
    shown_path,
)
from d1lab.config import Settings, load_settings

if TYPE_CHECKING:
    from d1lab.fleet.coordinator import FleetRequest, FleetResult
    from d1lab.fleet.dask_workers import DaskWorkers
    from d1lab.fleet.pool import LocalWorkers

app = fleet_sources.app  # with its commands first

NamesArgument = Annotated[
    list[str] | None, typer.Argument(help="Databases of the fleet. Default: all.")
]
ForceOption = Annotated[bool, typer.Option(help="Also databases that are not due.")]
ReportsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--report",
        "-r",
        help="Reports. Default: all. Repeatable.",
        autocompletion=completion.reports,
    ),
]
FromNothingOption = Annotated[
    bool,
    typer.Option(
        "--from-nothing", help="Forget stored warehouses and ledgers, and pull everything."
    ),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        help="Address of a Dask scheduler, such as tcp://10.0.0.5:8786, whose workers do the work "
        "instead of processes of this machine."
    ),
]
TargetOption = Annotated[
    str | None,
    typer.Option(
        help="Folder or URL of warehouses, pages, and marts. Default: `[fleet] target`, or this "
        "machine."
    ),
]
PushOption = Annotated[
    bool | None,
    typer.Option("--push/--no-push", help="Write results to D1. Default: yes.", show_default=False),
]
LimitOption = Annotated[
    int | None, typer.Option(min=1, help="At most so many databases. Default: all.")
]


@app.command(epilog="Example: d1lab fleet plan --json")
def plan(
    database: NamesArgument = None,
    force: ForceOption = False,
    limit: LimitOption = None,
    max_rows_read: MaxRowsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show which databases are due, and why. Nothing is read from D1.

    Exit codes: 0 success, 2 invalid input.
    """
    from d1lab.fleet.coordinator import FleetRequest

    request = FleetRequest(
        tuple(database or ()), force=force, limit=limit, max_rows_read=max_rows_read
    )
    print_plan(load_settings(), request, as_json=as_json)


@app.command(epilog="Example: d1lab fleet run --workers 4")
def run(
    database: NamesArgument = None,
    report: ReportsOption = None,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes of this machine.")] = 2,
    scheduler: SchedulerOption = None,
    target: TargetOption = None,
    push: PushOption = None,
    force: ForceOption = False,
    limit: LimitOption = None,
    max_rows_read: MaxRowsOption = None,
    timeout: Annotated[float, typer.Option(help="Time limit per report, in seconds.", min=1)] = 900,
    from_nothing: FromNothingOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Pull, run, and push all databases that are due, each by one worker.

    A database that fails stops no other. Failures that can pass are tried three times. Running the
    command again continues where it was stopped. `--dry-run` shows the plan. `--max-rows-read` is
    for each database and day (UTC).

    Exit codes: 0 all went well, 1 a database failed or was not started, 2 invalid input.
    """
    from d1lab.fleet.coordinator import FleetRequest

    settings = load_settings()
    request = FleetRequest(
        names=tuple(database or ()),
        reports=tuple(report or ()),
        push=push,
        force=force,
        from_nothing=from_nothing,
        limit=limit,
        max_rows_read=max_rows_read,
        timeout_seconds=timeout,
        target=_target(settings, target),
    )
    _check(settings, request)
    if dry_run:
        print_plan(settings, request, as_json=as_json)
        return
    began = monotonic()
    result = _run(settings, request, workers, scheduler)
    print_result(settings, result, monotonic() - began, as_json=as_json)
    raise typer.Exit(result.exit_code)


@app.command(epilog="Example: d1lab fleet status --failed")
def status(
    database: NamesArgument = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only databases that failed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the state of each database: the last attempt, its cost, and when it is due.

    Exit codes: 0 all went well, 1 a database failed, 2 invalid input.
    """
    from d1lab.fleet.coordinator import FleetRequest, plan_fleet
    from d1lab.fleet.registry import open_registry

    registry = open_registry(load_settings())
    plan_fleet(registry, FleetRequest(tuple(database or ())))  # rejects unknown names
    entries = registry.entries(database or ())
    bad = [entry for entry in entries if entry.status == "failed" and entry.listed]
    shown = bad if failed else entries
    if as_json:
        print_json([entry_fields(entry) for entry in shown])
    else:
        print_status(entries, shown)
    raise typer.Exit(1 if bad else 0)


@app.command(epilog="Example: d1lab fleet prune --gone --dry-run")
def prune(
    keep: Annotated[str, typer.Option(help="Age of runs to keep, such as 90d.")] = "90d",
    weeks: Annotated[int, typer.Option(help="Weeks of which a run each is kept.", min=0)] = 26,
    months: Annotated[int, typer.Option(help="Months of which a run each is kept.", min=0)] = 24,
    gone: Annotated[
        bool,
        typer.Option(
            "--gone", help="Also delete everything of databases that are no longer listed."
        ),
    ] = False,
    target: TargetOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Delete old runs and pages of all databases, and states that do not count.

    Runs are deleted on this machine. With a target, set `[fleet] keep_days`: workers delete them.
    Databases that are being run are left out. Nothing in D1 is deleted.

    Exit codes: 0 success, 2 invalid input.
    """
    from d1lab.fleet.prune import KeptRuns, prune_fleet
    from d1lab.fleet.registry import open_registry
    from d1lab.jobs.prune import parse_days

    settings = load_settings()
    kept = KeptRuns(parse_days(keep), weeks, months)
    registry, place = open_registry(settings), _target(settings, target)
    found = prune_fleet(settings, registry, place, kept, gone=gone, dry_run=dry_run)
    print_pruned(found, dry_run=dry_run, as_json=as_json)


@app.command(epilog="Example: d1lab fleet report")
def report(target: TargetOption = None, as_json: JsonOption = False) -> None:
    """Create the page of all shops from the marts. Nothing is read from D1.

    Ranking, outliers, failures, stale shops, D1 usage, and the actions of all shops by money.

    Exit codes: 0 page created, 1 the notebook failed, 2 no databases or invalid input.
    """
    from d1lab.fleet.page import write_fleet_page
    from d1lab.runs.run import exit_code

    settings = load_settings()
    record, page = write_fleet_page(settings, _target(settings, target))
    if as_json:
        print_json({"status": record.status, "run_id": record.run_id, "page": page})
    else:
        echo_err(f"fleet report: {record.status}{': ' * bool(record.reason)}{record.reason}")
        echo_err(f"Open {shown_path(page, settings.root)}")
    raise typer.Exit(exit_code(record))


def _target(settings: Settings, target: str | None) -> str:
    """Return the target; a folder as an absolute path, so that all workers mean the same."""
    chosen = settings.fleet.target if target is None else target
    return chosen if "://" in chosen or not chosen else str(settings.root / chosen)


def _check(settings: Settings, request: FleetRequest) -> None:
    """Reject unknown reports, and an invalid target."""
    from d1lab.fleet.store import open_store
    from d1lab.runs.report import load_report

    for name in request.reports:
        load_report(settings, name)
    open_store(request.target, settings.data_dir)


def _run(
    settings: Settings, request: FleetRequest, count: int, scheduler: str | None
) -> FleetResult:
    from d1lab.fleet.coordinator import run_fleet
    from d1lab.fleet.registry import open_registry

    registry = open_registry(settings)
    with closing(_workers(settings, count, scheduler)) as workers, progress_bars() as progress:
        return run_fleet(settings, registry, workers, request, progress=progress)


def _workers(settings: Settings, count: int, scheduler: str | None) -> LocalWorkers | DaskWorkers:
    from d1lab.fleet.dask_workers import DaskWorkers
    from d1lab.fleet.pool import LocalWorkers

    return DaskWorkers(settings, scheduler) if scheduler else LocalWorkers(settings, count)
