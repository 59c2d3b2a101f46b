"""Shared parts of the `ingest` commands: options, the connection, and the summary of a file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from d1lab.cli.output import echo_err, print_json, print_rows
from d1lab.config import Settings

if TYPE_CHECKING:
    from d1lab.d1.database import Database
    from d1lab.ingest.costs import CostsResult
    from d1lab.ingest.events import TrackResult
    from d1lab.ingest.orders_result import OrdersResult
    from d1lab.ingest.prices.observations import PricesResult
    from d1lab.ingest.products import ProductsResult
    from d1lab.ingest.stock import StockResult
    from d1lab.warehouse.own_writes import WriteNote

    Result = OrdersResult | CostsResult | PricesResult | ProductsResult | StockResult

RejectedOption = Annotated[
    Path | None,
    typer.Option(
        "--refused", "--rejected", help="Write rejected lines and reasons to this CSV file."
    ),
]


def connected(
    settings: Settings, database: str | None, *, dry_run: bool
) -> AbstractContextManager[Database | None]:
    """Connect for writing; yield None in a dry run, which needs no database."""
    from d1lab.d1.connect import connect

    return nullcontext() if dry_run else closing(connect(settings, database, write=True))


def noted(
    settings: Settings, database: str | None, db: Database | None, *tables: str
) -> AbstractContextManager[WriteNote | None]:
    """Make the next pull apply or read again what is written; yield None in a dry run."""
    from d1lab.warehouse import noted as writes_noted

    return nullcontext() if db is None else writes_noted(db, settings.folder(database), tables)


def written(result: Result, dry_run: bool) -> str:
    """Return how many values of a file were new to D1."""
    if dry_run:
        return "nothing written (dry run)"
    return f"{result.written:,} written, {result.known:,} already in D1"


def with_rejected(result: Result | TrackResult, rejected: Sequence[object]) -> dict[str, object]:
    """Return the fields of a result for JSON, where scripts find rejected lines as `refused`."""
    fields = result._asdict()
    return {
        "refused" if name == "rejected" else name: rejected if name == "rejected" else value
        for name, value in fields.items()
    }


def finish(result: Result, summary: str, *, listed: Path | None, as_json: bool) -> None:
    """Print the summary of a file and its rejected lines; exit with 1 if there are any."""
    from d1lab.ingest.rejected import columns_of, write_rejected

    names = columns_of(result.rejected)
    if listed:
        write_rejected(listed, result.rejected)
    if as_json:
        lines = [dict(zip(names, line.cells, strict=True)) for line in result.rejected]
        print_json(with_rejected(result, lines))
    else:
        echo_err(summary)
        if listed:
            echo_err(f"see {listed}")
        elif result.rejected:
            print_rows(names, [line.cells for line in result.rejected])
    if result.rejected:
        raise typer.Exit(1)
