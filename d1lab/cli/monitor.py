"""Commands to monitor runs and their cost: runs, status."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from d1lab.cli.output import (
    DatabaseOption,
    JsonOption,
    MetricsFileOption,
    echo_err,
    print_json,
    print_rows,
)
from d1lab.config import load_settings
from d1lab.errors import InputError

if TYPE_CHECKING:
    from d1lab.jobs.status import DatabaseStatus

app = typer.Typer()

_RUNS = (
    "run_id",
    "database",
    "shop",
    "report",
    "as_of",
    "status",
    "seconds",
    "rows_read",
    "rows_written",
    "cost",
)


@app.command(epilog="Example: d1lab runs --report inventory --status failed --since 2026-01-01")
def runs(
    report: Annotated[
        list[str] | None, typer.Option("--report", "-r", help="Reports. Default: all. Repeatable.")
    ] = None,
    shop: Annotated[
        list[str] | None, typer.Option("--shop", "-s", help="Shops. Default: all. Repeatable.")
    ] = None,
    status: Annotated[
        list[str] | None,
        typer.Option(
            help="running, done, skipped, failed, timeout, or lost. Default: all. Repeatable."
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="First day that runs started on, UTC: YYYY-MM-DD.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Maximum number of runs.", min=1)] = 50,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List past runs and their D1 cost, newest first.

    Exit codes: 0 success, 2 invalid input.
    """
    from d1lab.jobs.history import past_runs

    settings = load_settings()
    found = past_runs(
        settings,
        database=settings.resolve(database)[0] if database else None,
        reports=report or (),
        shops=shop or (),
        statuses=status or (),
        since=_day(since) if since else None,
        limit=limit,
    )
    if as_json:
        print_json(found)
    else:
        print_rows(_RUNS, [[getattr(run, name) for name in _RUNS] for run in found])


@app.command(epilog="Example: d1lab status --metrics-file /var/lib/node_exporter/d1lab.prom")
def status(
    database: DatabaseOption = None,
    metrics_file: MetricsFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show fresh, due, failed, and locked reports, and the D1 cost of today and this month.

    D1 is not read. Without --database, all databases with data are shown.

    Exit codes: 0 everything is fresh, 1 the newest run of a report failed, 2 invalid input, 3 data
    is stale or a report is due.
    """
    from d1lab.jobs.prometheus import write_metrics
    from d1lab.jobs.status import exit_code, status_of

    settings = load_settings()
    found = status_of(settings, database)
    if metrics_file:
        write_metrics(settings, metrics_file)
    if as_json:
        print_json(found)
    else:
        columns = ("database", "shop", "report", "state", "as_of", "why")
        rows = [
            (each.database, r.shop, r.report, r.state, r.as_of, r.why)
            for each in found
            for r in each.reports
        ]
        print_rows(columns, rows)
        for each in found:
            echo_err(_summary(each))
    raise typer.Exit(exit_code(found))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"--since {text!r} is not a day. Use YYYY-MM-DD.") from None


def _summary(each: DatabaseStatus) -> str:
    """One database in a line: how many reports are in which state, its pull, and its cost."""
    if each.error:
        return f"{each.database}: {each.error}"
    counts = ", ".join(f"{each.count(s)} {s}" for s in ("fresh", "due", "failed", "locked"))
    age = "not pulled yet"
    if each.pulled_at:
        age = f"pulled {each.pulled_at:%Y-%m-%d %H:%M} UTC{' (stale)' if each.stale else ''}"
    return (
        f"{each.database}: {counts}; {age}. D1 rows read and written: "
        f"today {each.today.rows_read:,} and {each.today.rows_written:,} "
        f"(${each.cost_today:.6f}), this month {each.month.rows_read:,} and "
        f"{each.month.rows_written:,} (${each.cost_month:.6f}) beyond the included quota."
    )
