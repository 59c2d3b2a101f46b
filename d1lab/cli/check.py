"""The command check: metrics, their assertions, and notebooks, run on a database's data."""

from __future__ import annotations

from typing import Annotated

import typer

from d1lab.cli import completion
from d1lab.cli.output import (
    DatabaseOption,
    JsonOption,
    echo_err,
    print_json,
    print_rows,
    progress_bars,
    shown_path,
)
from d1lab.config import load_settings
from d1lab.counting import counted

app = typer.Typer()


@app.command(epilog="Example: d1lab check weekly_revenue --database demo")
def check(
    name: Annotated[
        list[str] | None,
        typer.Argument(
            help="Metrics and notebooks to check. Default: all.",
            autocompletion=completion.metrics_and_notebooks,
        ),
    ] = None,
    database: DatabaseOption = None,
    timeout: Annotated[
        float, typer.Option(help="Time limit per notebook, in seconds.", min=1)
    ] = 900,
    as_json: JsonOption = False,
) -> None:
    """Check that metrics keep their assertions and that notebooks run.

    Each metric is computed for every shop, and each notebook is run for one. Nothing is pulled,
    kept, or pushed.

    Exit codes: 0 nothing broken, 1 broken files, 2 invalid input, 3 no data.
    """
    from d1lab.runs.check import FileNote
    from d1lab.runs.check import check as examine

    settings = load_settings()
    with progress_bars() as progress:
        found = examine(
            settings, database, names=name or (), timeout_seconds=timeout, progress=progress
        )

    def shown(notes: tuple[FileNote, ...]) -> list[tuple[str, str]]:
        return [(shown_path(note.path, settings.root), note.sentence) for note in notes]

    if as_json:
        print_json(found)
    else:
        if found.broken:
            print_rows(("file", "problem"), shown(found.broken))
        for path, sentence in shown(found.not_checked):
            echo_err(f"check: {path} was not checked: {sentence}")
        echo_err(
            f"check: {counted(found.metrics, 'metric')} with "
            f"{counted(found.assertions, 'assertion')}, {counted(found.notebooks, 'notebook')}; "
            f"{counted(len(found.broken), 'broken file')}"
        )
    raise typer.Exit(1 if found.broken else 0)
