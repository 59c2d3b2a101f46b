"""Commands to write staged results to D1 and undo it: push, rollback."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
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
from d1lab.config import Settings, load_settings
from d1lab.counting import counted
from d1lab.d1.limits import bill
from d1lab.errors import D1labError, UnknownName

if TYPE_CHECKING:
    from d1lab.push import PushPlan, PushResult

app = typer.Typer()


def _run_dir(settings: Settings, database: str | None, run_id: str) -> Path:
    name, runs = settings.resolve(database)[0], settings.folder(database) / "runs"
    folders = [path for path in runs.glob("*") if path.is_dir()]
    if run_id not in (path.name for path in folders):
        known = (path.name for path in folders if (path / "outbox").is_dir())
        raise UnknownName("run", run_id, known, f"database {name!r}")
    return runs / run_id


RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="Run ID, shown at the bottom of the report page.",
        autocompletion=completion.runs,
    ),
]


@app.command(epilog="Example: d1lab push 20260501T060000-inventory --dry-run")
def push(
    run_id: RunArgument,
    database: DatabaseOption = None,
    actions: Annotated[
        bool, typer.Option("--actions", help="Also write the run's actions to d1lab_actions.")
    ] = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a run's staged results to D1: only changed values in d1lab-owned columns."""
    from d1lab.d1.connect import connect
    from d1lab.jobs.push_actions import ACTIONS_TABLE, stage_actions, unstage_actions
    from d1lab.push import PushPlan, plan
    from d1lab.push import push as write
    from d1lab.runs.record import load_run

    settings = load_settings()
    run_dir = _run_dir(settings, database, run_id)
    before = load_run(run_dir) if actions else None
    if before:
        stage_actions(run_dir, before)
    with closing(connect(settings, database, write=not dry_run)) as db, progress_bars() as progress:
        named = settings.push.tables
        if dry_run:
            result = plan(db, run_dir, named=named)
            if before and ACTIONS_TABLE not in before.staged:
                unstage_actions(run_dir, before)
        else:
            result = write(db, run_dir, named=named, progress=progress)
            _keep(settings, run_dir, result)
    if as_json:
        print_json(result)
        return
    columns = ["table", "standing" if dry_run else "status"]
    columns += ["staged", "changed", "unchanged", "missing", "left"]
    print_rows(columns, [[getattr(table, name) for name in columns] for table in result.tables])
    if isinstance(result, PushPlan):
        _print_sample(result)
    print_held_back([result])
    verb = "would write" if dry_run else "wrote"
    read = counted(result.usage.rows_read, "billed row")
    billed = bill(result.usage, settings.resolve(database)[1].plan)
    echo_err(f"push: {read} read; {verb} {result.usage.rows_written:,} ({billed})")


def _keep(settings: Settings, run_dir: Path, result: PushResult) -> None:
    """Note the push with its run; it stands in D1 even if the run's own files are damaged."""
    from d1lab.jobs.ledger import open_ledger
    from d1lab.jobs.run_cost import keep_push

    try:
        keep_push(settings, open_ledger(settings), run_dir, result)
    except D1labError as error:
        echo_err(f"push: written to D1, but the run's page was not updated: {error}")


def print_held_back(pushes: Sequence[PushResult | PushPlan]) -> None:
    """Print the app's columns that were not written, each once."""
    held = {(t.table, column) for push in pushes for t in push.tables for column in t.held_back}
    for table, column in sorted(held):
        echo_err(
            f"{table}.{column} not pushed: the app writes there, or has no such column. To hand "
            f"over: d1lab aggregate --take-over {table}.{column}"
        )


def _print_sample(plan: PushPlan) -> None:
    rows = [
        (table.table, " ".join(change.key.values()), name, before.get(name), value)
        for table in plan.tables
        for change in table.sample
        for before in (change.before or {},)
        for name, value in change.after.items()
        if before.get(name) != value
    ]
    if rows:
        print_rows(("table", "key", "column", "before", "after"), rows)


@app.command(epilog="Example: d1lab rollback 20260501T060000-inventory")
def rollback(
    run_id: RunArgument,
    database: DatabaseOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Undo a push. Restores previous values unless they changed after the push."""
    from d1lab.d1.connect import connect
    from d1lab.d1.restore_point import note_restore_point
    from d1lab.push import rollback as restore

    settings = load_settings()
    run_dir = _run_dir(settings, database, run_id)
    with closing(connect(settings, database, write=not dry_run)) as db, progress_bars() as progress:
        if not dry_run:  # deletes rows that the push inserted
            note_restore_point(db, settings.folder(database), f"rollback of {run_id}")
        result = restore(db, run_dir, dry_run=dry_run, progress=progress)
    if as_json:
        print_json(result)
        return
    columns = ("table", "status", "changed", "restored", "left")
    print_rows(columns, [[getattr(table, name) for name in columns] for table in result.tables])
    for table in result.tables:
        if table.left:
            echo_err(
                f"{table.table}: {counted(table.left, 'row')} changed after the push; not restored"
            )
