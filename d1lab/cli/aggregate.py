"""The command aggregate: counters from order events, and the take-over of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from d1lab.d1.database import Database
    from d1lab.ingest.aggregate import AggregateResult
    from d1lab.ingest.differences import Comparison
    from d1lab.ingest.take_over import Proposal


app = typer.Typer()


@app.command(epilog="Example: d1lab aggregate --dry-run")
def aggregate(
    database: DatabaseOption = None,
    take_over: Annotated[
        str | None,
        typer.Option(
            metavar="TABLE", help="Hand over this app's table, or TABLE.COLUMN, to d1lab."
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Hand over even if the events fall short of the rows.")
    ] = False,
    fold: Annotated[
        bool | None,
        typer.Option(
            "--fold/--no-fold",
            help="Let the events Worker keep these counters current, or no longer. Default: as is.",
        ),
    ] = None,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Overwrite folded counters that differ from a recount."),
    ] = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Recompute counters from order events, and compare those that the app maintains.

    Writes only tables that were empty on the first run, or handed over with --take-over. Counters
    that the events Worker folds are audited.

    Exit codes: 0 done, 1 folded counters differ from a recount and were not repaired.
    """
    from d1lab.d1.connect import connect
    from d1lab.ingest.aggregate import aggregate as compute

    settings = load_settings()
    name, chosen = settings.resolve(database)
    folder, zones = settings.folder(database), chosen.zones
    with closing(connect(settings, database, write=not dry_run)) as db:
        if take_over:
            proposal = _proposed(db, folder, name, take_over, zones, as_json)
            _hand_over(db, folder, proposal, yes, dry_run, as_json)
            return
        result = compute(
            db, folder, database=name, zones=zones, fold=fold, repair=repair, dry_run=dry_run
        )
    print_json(result) if as_json else _print_result(result)
    if result.unexplained and not result.repaired:
        raise typer.Exit(1)


def _print_result(result: AggregateResult) -> None:
    rows = [(t.table, t.stored, t.differ, result.changed.get(t.table)) for t in result.tables]
    print_rows(("table", "rows", "rows_that_differ", "rows_written"), rows)
    for table in result.tables:
        if table.differ and table.table in (*result.kept, *result.unexplained):
            _print_difference(table)
        if table.differ and table.table in result.kept:
            echo_err(
                f"{table.table} {_kept_because(result.left.get(table.table), table.stored)} "
                f"{result.events.covered}. To hand over: d1lab aggregate --take-over {table.table}"
            )
    for line in _audit_lines(result):
        echo_err(line)
    echo_err(f"aggregate: {result.seconds:.1f} s{' (dry run)' if result.dry_run else ''}")


def _audit_lines(result: AggregateResult) -> Iterator[str]:
    for table, differ in result.audited.items():
        if differ is None:
            yield f"{table}: the events Worker counted meanwhile. Audit it without --dry-run."
        elif differ and table not in result.unexplained:
            action = "to be counted again" if result.dry_run else "counted again"
            rows = counted(differ, "folded row")
            yield (
                f"{table}: {rows} {action}, because events were corrected or deleted, "
                "or a title, code, or fraction of a unit came late."
            )
        elif table not in result.unexplained:
            yield f"{table}: folded by the events Worker, and as counted again."
        elif not result.repaired:
            rows = counted(differ, "folded row")
            yield f"{table}: {rows} unlike a recount, not written. To overwrite: --repair"
    if result.repaired:
        yield f"Repaired. Undo: d1lab rollback {result.repaired}"


def _kept_because(foreign: int | None, stored: int) -> str:
    if foreign is None:
        return "is maintained by the app: not written."
    return (
        f"has values that d1lab did not write, in at least {foreign:,} of "
        f"{counted(stored, 'row')}. It was not written, and from now on it is the app's: "
        "a counter has one writer."
    )


def _proposed(
    db: Database, folder: Path, name: str, table: str, zones: Mapping[str, str], as_json: bool
) -> Proposal:
    from d1lab.ingest.take_over import propose

    proposal = propose(db, folder, table, database=name, zones=zones)
    if not as_json:
        if proposal.counters:
            _print_difference(proposal.counters)
        print_rows(("column", "rows_with_a_value"), proposal.values.items())
        echo_err(f"{proposal.events.covered}.")
    return proposal


def _hand_over(
    db: Database, folder: Path, proposal: Proposal, yes: bool, dry_run: bool, as_json: bool
) -> None:
    from d1lab.ingest.take_over import take_over

    if dry_run:
        table = proposal.table
        echo_err(f"take-over of {table}: nothing written (dry run). {proposal.shortfall}")
        print_json(proposal._replace(rows={})) if as_json else None
        return
    result = take_over(db, folder, proposal, accept_shortfall=yes)
    print_json(result) if as_json else None
    echo_err(
        f"take-over: {', '.join(result.parts)} of {result.table} handed over; {result.changed:,} "
        f"rows written, {result.left:,} left alone. Undo: d1lab rollback {result.run_id}"
    )


def _print_difference(table: Comparison) -> None:
    """Print the sums of both sides, then the rows with the largest differences."""
    print_rows(("figure", "in_d1", "from_events", "rows_short"), table.sums)
    rows = [
        (table.table, " ".join(row.key.values()), figure, (row.stored or {}).get(figure), value)
        for row in table.sample
        for figure, value in row.events.items()
    ]
    print_rows(("table", "key", "figure", "in_d1", "from_events"), rows)
