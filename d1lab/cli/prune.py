"""The command prune: old runs and their pages."""

from __future__ import annotations

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

app = typer.Typer()


@app.command(epilog="Example: d1lab prune --keep 90d --dry-run")
def prune(
    keep: Annotated[str, typer.Option(help="Age of runs to keep, such as 90d.")] = "90d",
    weeks: Annotated[int, typer.Option(help="Weeks of which a run each is kept.", min=0)] = 26,
    months: Annotated[int, typer.Option(help="Months of which a run each is kept.", min=0)] = 24,
    database: DatabaseOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Delete old runs and pages, except one per week and month.

    The last run and the last successful run of each report are kept.
    """
    from d1lab.jobs.ledger import open_ledger
    from d1lab.jobs.prune import parse_days, prune_results
    from d1lab.jobs.prune import prune as remove

    settings = load_settings()
    days = parse_days(keep)
    removed = remove(
        settings,
        open_ledger(settings),
        database,
        keep_days=days,
        weeks=weeks,
        months=months,
        dry_run=dry_run,
    )
    stale = prune_results(settings.folder(database), dry_run=dry_run)
    if as_json:
        print_json(removed)
        return
    print_rows(removed[0]._fields if removed else ("run_id",), removed)
    count = counted(len(removed), "run")
    size = (sum(run.bytes for run in removed) + stale) / 1e6
    echo_err(f"prune: {count} {'would be ' if dry_run else ''}deleted, {size:,.1f} MB")
