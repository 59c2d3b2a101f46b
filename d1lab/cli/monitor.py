"""Commands to monitor runs and their cost: runs, status, usage."""

from __future__ import annotations

from contextlib import closing
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from d1lab.cli import completion
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
    from pathlib import Path

    from d1lab.config import Settings
    from d1lab.jobs.status import DatabaseStatus
    from d1lab.lab.usage import UsagePart
    from d1lab.ops.usage import Forecast, UsageReport

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
        list[str] | None,
        typer.Option(
            "--report",
            "-r",
            help="Reports. Default: all. Repeatable.",
            autocompletion=completion.reports,
        ),
    ] = None,
    shop: Annotated[
        list[str] | None,
        typer.Option(
            "--shop",
            "-s",
            help="Shops. Default: all. Repeatable.",
            autocompletion=completion.shops,
        ),
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


@app.command(epilog="Example: d1lab usage --days 31 --forecast 90")
def usage(
    days: Annotated[int, typer.Option(help="Days to show, including today.", min=1)] = 31,
    forecast: Annotated[int, typer.Option(help="Days to forecast.", min=1, max=3650)] = 90,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show D1 usage by day, and when a limit of the plan is reached.

    The days come from Cloudflare if the read token has Account Analytics:Read, otherwise from
    d1lab's own meter. A database of a fleet has the usage of all its workers.

    Exit codes: 0 success, 1 a threshold for upgrade, archive, or split is passed, 2 invalid input.
    """
    from d1lab.d1.connect import connect
    from d1lab.lab.usage import usage_parts
    from d1lab.ops.usage import usage as report
    from d1lab.parameters import utc_today

    settings, folder = _usage_of(load_settings(), database)
    _, chosen = settings.resolve(database)
    with closing(connect(settings, database)) as db:
        found = report(
            db,
            folder,
            token=settings.read_token,
            plan=chosen.plan,
            today=utc_today(),
            days=days,
            horizon_days=forecast,
        )
    today = utc_today()
    parts = usage_parts(folder, today - timedelta(days=days - 1), today)
    if as_json:
        print_json({**found._asdict(), **parts})
    else:
        _print_usage(found, parts)
    raise typer.Exit(1 if any(each.is_due for each in found.thresholds) else 0)


def _usage_of(settings: Settings, database: str | None) -> tuple[Settings, Path]:
    """Return the settings of a database, of the project or its fleet, and its usage's folder."""
    from d1lab.fleet.places import settings_of, usage_folder
    from d1lab.fleet.registry import find_entry

    found = None if database in (None, *settings.databases) else find_entry(settings, database)
    if found is None:
        return settings, settings.folder(database)
    own = settings_of(settings, found.name, found.database.settings)
    return own, usage_folder(settings, found.name)


def _print_usage(found: UsageReport, parts: dict[str, tuple[UsagePart, ...]]) -> None:
    print_rows(("day", "rows_read", "rows_written", "bytes"), found.days)
    for part, rows in parts.items():
        if rows:
            print_rows((part.removeprefix("by_"), "rows_read", "rows_written"), rows)
    if found.source_note:
        echo_err(f"usage: {found.source_note}")
    for each in found.forecasts:
        echo_err(f"usage: {_forecast(each)}")
    for each in found.costs:
        month = "not available" if each.projected is None else f"${each.projected:,.2f}"
        note = f" ({each.note})" if each.note else ""
        echo_err(f"usage: this month on the {each.plan} plan: {month}{note}")
    for each in found.thresholds:
        echo_err(f"usage: {each.what}: {'now' if each.is_due else 'not yet'}; {each.found}")


def _forecast(each: Forecast) -> str:
    limit = f"the {each.plan} plan's {each.limit:,} {'bytes' if each.what == 'size' else each.what}"
    if each.is_reached:
        return f"{limit}: reached"
    if each.reason:
        return f"{limit}: no forecast, {each.reason}"
    if each.day is None:
        early = f"; {each.earliest} at the earliest" if each.earliest else ""
        return f"{limit}: not expected in the forecast's days{early}"
    until = each.latest or "later"
    return f"{limit}: reached on {each.day} (90% interval {each.earliest} to {until})"


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"--since {text!r} is not a day. Use YYYY-MM-DD.") from None


def _summary(each: DatabaseStatus) -> str:
    """One database in a line: how many reports are in which state, its pull, and its cost."""
    from d1lab.d1.limits import PLANS, bill

    if each.error:
        return f"{each.database}: {each.error}"
    counts = ", ".join(f"{each.count(s)} {s}" for s in ("fresh", "due", "failed", "locked"))
    age = "not pulled yet"
    if each.pulled_at:
        age = f"pulled {each.pulled_at:%Y-%m-%d %H:%M} UTC{' (stale)' if each.stale else ''}"
    today, month = (
        f"{used.rows_read:,} and {used.rows_written:,}" for used in (each.today, each.month)
    )
    if PLANS[each.plan].period == "month":  # a month has no limit of its own on the free plan
        month += f" ({bill(each.month, each.plan)})"
    cost = f"today {today} ({bill(each.today, each.plan)}), this month {month}"
    return f"{each.database}: {counts}; {age}. D1 rows read and written: {cost}."
