"""Commands to share pages: serve, publish, send, schedule."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from d1lab.cli import completion
from d1lab.cli.output import (
    DatabaseOption,
    DryRunOption,
    JsonOption,
    echo_err,
    print_json,
    print_rows,
    progress_bars,
)
from d1lab.config import load_settings
from d1lab.counting import counted

if TYPE_CHECKING:
    from d1lab.share.send import Delivery


app = typer.Typer()


@app.command(epilog="Example: d1lab serve --port 8000")
def serve(
    port: Annotated[
        int,
        typer.Option(
            help="Port to listen on (local access only). 0 picks a free port.", min=0, max=65535
        ),
    ] = 8000,
    reload: Annotated[bool, typer.Option(help="Reload open pages when reports change.")] = True,
    browser: Annotated[bool, typer.Option(help="Open the browser.")] = False,
    what_if: Annotated[
        bool, typer.Option(help="Offer forms that run a report with other parameters.")
    ] = True,
    database: DatabaseOption = None,
) -> None:
    """Serve the reports on this computer only, with forms for what-if runs.

    --database is that of the what-if runs.
    """
    import webbrowser

    from d1lab.share.serve import serve as listen
    from d1lab.share.what_if import WhatIfs

    def ready(url: str) -> None:
        echo_err(f"Serving reports at {url} (press Ctrl-C to stop)")
        if browser:
            webbrowser.open(url)

    settings = load_settings()
    settings.resolve(database)
    what_ifs = WhatIfs(settings, database) if what_if else None
    listen(settings.reports_dir, port, reload=reload, what_ifs=what_ifs, ready=ready)


@app.command(epilog="Example: d1lab publish s3://bucket/reports --dry-run")
def publish(
    target: Annotated[str, typer.Argument(help="Folder or URL, such as s3://bucket/reports.")],
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete published pages that no longer exist locally.")
    ] = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Copy new and changed pages to a folder or static host."""
    from d1lab.share.publish import publish as copy

    settings = load_settings()
    with progress_bars() as progress:
        result = copy(
            settings.reports_dir, target, delete=delete, dry_run=dry_run, progress=progress
        )
    if as_json:
        print_json(result)
        return
    print_rows(("action", "path", "bytes"), result.files)
    copied = sum(file.action != "removed" for file in result.files)
    verb = "would copy" if dry_run else "copied"
    echo_err(
        f"publish: {verb} {counted(copied, 'file')} ({counted(result.bytes, 'byte')}) to "
        f"{result.target}; "
        f"{len(result.files) - copied} {'to delete' if dry_run else 'deleted'}, "
        f"{result.unchanged} unchanged"
    )


@app.command(epilog="Example: d1lab export data/export --format duckdb")
def export(
    folder: Annotated[Path, typer.Argument(help="Target folder.")],
    form: Annotated[
        str, typer.Option("--format", help="parquet, csv, xlsx, or duckdb (one file with views).")
    ] = "parquet",
    table: Annotated[
        list[str] | None,
        typer.Option(
            help="Table or view to export. Repeatable. Default: all that analysts see.",
            autocompletion=completion.tables,
        ),
    ] = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Export the warehouse for other tools: Parquet, CSV, Excel, or DuckDB."""
    from typing import get_args

    from d1lab.errors import UnknownName
    from d1lab.lab import open as open_lab
    from d1lab.share.export import ExportedTable, Format
    from d1lab.share.export import export as write_tables

    if form not in get_args(Format):
        raise UnknownName("format", form, get_args(Format))
    made = write_tables(open_lab(database), folder, form, table or [])  # pyright: ignore[reportArgumentType] - checked above
    print_rows(ExportedTable._fields, made, as_json=as_json)
    rows = sum(each.rows for each in made)
    echo_err(f"export: {counted(len(made), 'table')}, {counted(rows, 'row')}")


@app.command(epilog="Example: d1lab send --alert 'products_short > 20' --dry-run")
def send(
    database: DatabaseOption = None,
    alert: Annotated[
        list[str] | None,
        typer.Option(help=("Add an alert, such as 'products_short > 20'. Repeatable.")),
    ] = None,
    attach_page: Annotated[
        bool | None, typer.Option(help="Attach the static version of the page (for email).")
    ] = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Send notifications about changes since the last send: failures, verdicts, alerts, stale data.

    Sends to D1LAB_NOTIFY_URL; errors go to D1LAB_NOTIFY_ERRORS_URL.

    Exit codes: 0 sent or nothing to send, 1 a message was not delivered; it is sent again with the
    next call.
    """
    from d1lab.jobs.ledger import open_ledger
    from d1lab.share.send import send as send_notices

    settings = load_settings()
    deliveries = send_notices(
        settings,
        open_ledger(settings),
        database,
        alerts=alert or (),
        attach_page=attach_page,
        dry_run=dry_run,
    )
    if as_json:
        print_json(deliveries)
    else:
        _print_deliveries(deliveries, dry_run=dry_run)
    if any(delivery.status == "failed" for delivery in deliveries):
        raise typer.Exit(1)


def _print_deliveries(deliveries: list[Delivery], *, dry_run: bool) -> None:
    rows = [(d.status, d.notice.address, d.notice.title) for d in deliveries]
    print_rows(("status", "address", "title"), rows)
    for delivery in deliveries:
        if dry_run:
            echo_err(f"\n{delivery.notice.title}\n{delivery.notice.body}")
        elif delivery.problem:
            echo_err(f"{delivery.notice.title}: {delivery.problem}")
    sent = sum(delivery.status == "sent" for delivery in deliveries)
    waiting = counted(len(deliveries), "message")
    echo_err(f"send: {waiting} to send" if dry_run else f"send: {sent} sent")


@app.command(epilog="Example: d1lab schedule systemd --every 15")
def schedule(
    scheduler: Annotated[
        str, typer.Argument(help=("Scheduler: cron, systemd, github, or kubernetes."))
    ],
    every: Annotated[int, typer.Option(help="Interval in minutes: 5, 10, 15, 20, 30, or 60.")] = 15,
    database: DatabaseOption = None,
) -> None:
    """Print a scheduler configuration that calls `d1lab run`."""
    from d1lab.share.schedule import SchedulePaths, snippet

    settings = load_settings()
    name = settings.resolve(database)[0] if database else None
    place = SchedulePaths(settings.root, Path(sys.executable).with_name("d1lab"))
    typer.echo(snippet(scheduler, place, every=every, database=name), nl=False)
