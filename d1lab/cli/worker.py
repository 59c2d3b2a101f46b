"""The group worker: write d1lab's Workers into a project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from d1lab.cli.output import DryRunOption, JsonOption, echo_err, print_rows

app = typer.Typer(help="Write d1lab's Cloudflare Workers into a project.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `init` a command of its own."""


@app.command(epilog="Example: d1lab worker init events")
def init(
    name: Annotated[str, typer.Argument(help="The Worker: events.")],
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
        echo_err(f"worker init: {len(files)} files{' (dry run)' if dry_run else ''}{note}")
