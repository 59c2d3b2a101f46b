"""Commands for old data: archive and forget."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from d1lab.cli import completion
from d1lab.cli.output import (
    DatabaseOption,
    DryRunOption,
    JsonOption,
    echo_err,
    print_json,
    print_rows,
)
from d1lab.config import Settings, load_settings
from d1lab.counting import counted
from d1lab.errors import InputError

if TYPE_CHECKING:
    from d1lab.d1.database import Database
    from d1lab.ops.archive import ArchiveResult
    from d1lab.ops.archive_restore import RestoredMonth

app = typer.Typer()


@app.command(epilog="Example: d1lab archive --keep 90d --dry-run")
def archive(
    keep: Annotated[
        str, typer.Option(metavar="DAYS", help="Days that stay in D1, up to the newest day.")
    ] = "90d",
    tables: Annotated[
        str, typer.Option(help="Tables to archive, separated by commas.")
    ] = "order_events",
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete the archived rows in D1. Asks nothing more.")
    ] = False,
    to: Annotated[
        str | None, typer.Option(help="Also copy each file to this folder or URL, such as s3://...")
    ] = None,
    restore: Annotated[
        str | None, typer.Option(metavar="MONTH", help="Write an archived month back to D1.")
    ] = None,
    database: DatabaseOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Move closed months to Parquet files; reports still count them.

    Each file is compared with D1 before it counts. An interrupted archive goes on where it stopped.

    Exit codes: 0 success, 1 rows were left in D1 because of today's limit, 2 invalid input.
    """
    from d1lab.d1.connect import connect
    from d1lab.ops.archive import archive as move
    from d1lab.ops.archive_months import days_of

    settings = load_settings()
    name, chosen = settings.resolve(database)
    days, named = days_of(keep), [table.strip() for table in tables.split(",")]
    writes = (delete or restore is not None) and not dry_run
    with closing(connect(settings, database, write=writes)) as db:
        if restore is not None:
            _restore(settings, db, name, restore, named, dry_run, as_json)
            return
        result = move(
            db,
            settings.folder(database),
            database=name,
            keep_days=days,
            tables=named,
            delete=delete,
            to=to,
            dry_run=dry_run,
            zones=chosen.zones,
            rows_left=_rows_left(settings, name) if delete else None,
        )
    if as_json:
        print_json(result)
    else:
        _print(result, chosen.plan)
    raise typer.Exit(1 if result.stopped else 0)


def _rows_left(settings: Settings, name: str) -> int | None:
    """The rows that the plan lets this database write today; None without a daily limit."""
    from d1lab.d1.limits import PLANS
    from d1lab.d1.usage_log import spent

    plan = PLANS[settings.resolve(name)[1].plan]
    if plan.period != "day":
        return None
    used = spent(settings.folder(name), datetime.now(UTC).date())
    return max(plan.rows_written - used.rows_written, 0)


def _restore(
    settings: Settings,
    db: Database,
    name: str,
    month: str,
    tables: list[str],
    dry_run: bool,
    as_json: bool,
) -> None:
    from d1lab.ops.archive_restore import restore

    folder, chosen = settings.folder(name), settings.resolve(name)[1]
    result = restore(
        db, folder, month, database=name, tables=tables, dry_run=dry_run, zones=chosen.zones
    )
    if as_json:
        print_json(result)
        return
    done = "dry run" if dry_run else f"{result.restored:,} written to D1, the others were there"
    echo_err(
        f"archive: {counted(result.rows, 'row')} of {month}, {done}. Billed rows: "
        f"{_billed(result, chosen.plan)}. {result.seconds:.1f} s"
    )


def _billed(result: ArchiveResult | RestoredMonth, plan: Literal["free", "paid"]) -> str:
    from d1lab.d1.database import Usage
    from d1lab.d1.limits import bill

    read, written = result.rows_read, result.rows_written
    return f"{read:,} read, {written:,} written ({bill(Usage(0, read, written), plan)})"


def _print(result: ArchiveResult, plan: Literal["free", "paid"]) -> None:
    columns = ("table", "month", "rows_archived", "bytes", "rows_deleted")
    print_rows(columns, result.months)
    for path in result.repaired:
        echo_err(f"archive: {path} was damaged and is restored")
    if result.set_aside:
        echo_err(
            f"archive: {counted(result.set_aside, 'row')} with values of the wrong type stay in "
            "D1: see d1lab doctor"
        )
    archived = sum(month.rows for month in result.months)
    deleted = sum(month.deleted for month in result.months)
    echo_err(
        f"archive: {counted(archived, 'row')} archived, {deleted:,} deleted in D1"
        f"{' (dry run)' if result.dry_run else ''}. Billed rows: {_billed(result, plan)}. "
        f"{result.seconds:.1f} s"
    )
    if result.stopped:
        echo_err(f"archive: {result.stopped}")


@app.command(epilog="Example: d1lab forget --customer 1082185 --dry-run")
def forget(
    customer: Annotated[
        str | None, typer.Option(metavar="ID", help="Customer ID, as D1 stores it.")
    ] = None,
    shop: Annotated[
        str | None, typer.Option(help="Shop, as D1 stores it.", autocompletion=completion.shops)
    ] = None,
    database: DatabaseOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Remove a customer or a shop from everything that d1lab keeps.

    A customer's order lines stay, without the customer. Rows of the app's own tables are the app's.

    Exit codes: 0 success, 1 a trace is left, 2 invalid input.
    """
    from d1lab.d1.connect import connect
    from d1lab.ops.forget import Subject
    from d1lab.ops.forget import forget as remove

    if (customer is None) == (shop is None):
        raise InputError("pass either --customer ID or --shop SHOP")
    subject = Subject("shop", shop) if shop is not None else Subject("customer", str(customer))
    settings = load_settings()
    name, chosen = settings.resolve(database)
    folder, reports = settings.folder(database), settings.reports_dir / name
    with closing(connect(settings, database, write=not dry_run)) as db:
        result = remove(
            db, folder, reports, subject, database=name, dry_run=dry_run, zones=chosen.zones
        )
    if not dry_run:
        _forget_pages(settings, name, shop)
    if as_json:
        print_json(result)
        return
    print_rows(("d1_table", "rows"), result.d1_rows.items())
    for table in result.apps:
        echo_err(f"forget: {table} is the app's and still has rows: delete them in the app")
    changed = sum(result.d1_rows.values())
    echo_err(
        f"forget: {counted(changed, 'row')} in D1, {result.archive_rows:,} in "
        f"{counted(result.archive_files, 'archive file')}, {counted(result.files, 'other file')}"
        f"{' (dry run)' if dry_run else ''}. {result.seconds:.1f} s"
    )


def _forget_pages(settings: Settings, name: str, shop: str | None) -> None:
    """Forget a shop's runs in the ledger; let `latest.html` and the index follow what is left."""
    from d1lab.jobs.ledger import open_ledger
    from d1lab.pages.index import write_index
    from d1lab.pages.storage import point_latest

    ledger = open_ledger(settings)
    for entry in ledger.entries() if shop is not None else ():
        if entry.database == name and entry.shop == shop:
            ledger.forget(entry.run_id)
    for folder in sorted((settings.reports_dir / name).glob("*/*/")):
        point_latest(folder)
    if settings.reports_dir.is_dir():
        write_index(settings.reports_dir)
