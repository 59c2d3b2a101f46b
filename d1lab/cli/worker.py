"""The group worker, and drain: d1lab's Workers in a project, and a queue without one."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from d1lab.cli.output import (
    DatabaseOption,
    DryRunOption,
    JsonOption,
    echo_err,
    print_json,
    print_rows,
)
from d1lab.config import load_settings
from d1lab.counting import counted
from d1lab.errors import D1AuthError, InputError

app = typer.Typer(help="Write d1lab's Cloudflare Workers into a project.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `init` a command of its own."""


@app.command(epilog="Example: d1lab worker init events")
def init(
    name: Annotated[str, typer.Argument(help="The Worker: events or gateway.")],
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of its files. Default: worker/NAME.")
    ] = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a Worker's files; files that somebody changed are kept.

    Plain JavaScript and wrangler.jsonc, without a build step. Running it again updates the files
    that are as d1lab wrote them.
    """
    from d1lab.ops.worker_files import WorkerFile, init_worker

    files = init_worker(name, folder, dry_run=dry_run)
    print_rows(WorkerFile._fields, files, as_json=as_json)
    if not as_json:
        kept = sum(file.action == "kept" for file in files)
        note = f", {kept} kept because somebody changed them" if kept else ""
        echo_err(
            f"worker init: {counted(len(files), 'file')}{' (dry run)' if dry_run else ''}{note}"
        )


drain_app = typer.Typer()


@drain_app.command(epilog="Example: d1lab drain --queue QUEUE_ID")
def drain(
    queue: Annotated[str, typer.Option(help="The queue's ID.")],
    account: Annotated[
        str, typer.Option(help="The Cloudflare account's ID. Default: the database's.")
    ] = "",
    max_messages: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many messages. Default: all.")
    ] = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Load the events of a Cloudflare Queue into D1.

    A message is acknowledged after D1 has stored its events. D1LAB_WRITE_TOKEN needs the
    permission Queues:Edit, too.

    Exit codes: 0 all events loaded, 1 some events rejected.
    """
    from d1lab.d1.connect import connect
    from d1lab.ingest.drain import Queue
    from d1lab.ingest.drain import drain as consume

    settings = load_settings()
    _, chosen = settings.resolve(database)
    token = settings.write_token
    if token is None:
        raise D1AuthError(
            "drain: API token missing. Set D1LAB_WRITE_TOKEN (permission Queues:Edit)."
        )
    source = Queue(account or _account(chosen.url, chosen.fallback), queue, token)
    with closing(source), closing(connect(settings, database, write=True)) as db:
        result = consume(db, source, max_messages=max_messages)
    if as_json:
        print_json(result)
    else:
        echo_err(
            f"drain: {counted(result.messages, 'message')}, "
            f"{counted(result.written, 'event')} written, {result.known:,} already in D1, "
            f"{counted(result.views, 'view')}, {result.rejected:,} rejected"
        )
    if result.rejected:
        raise typer.Exit(1)


def _account(*urls: str) -> str:
    """Return the account in the first d1:// URL."""
    for url in urls:
        if url.startswith("d1://"):
            return url.removeprefix("d1://").partition("/")[0]
    raise InputError("drain: the database's URL names no account. Pass --account ACCOUNT_ID.")
