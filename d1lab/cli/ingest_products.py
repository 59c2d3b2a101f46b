"""Commands to load product data: ingest costs, products, stock."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Protocol, TypeVar

import typer

from d1lab.cli import completion
from d1lab.cli.ingest_summary import RejectedOption, connected, finish, noted, written
from d1lab.cli.output import DatabaseOption, DryRunOption, JsonOption, progress_bars
from d1lab.config import load_settings
from d1lab.counting import counted
from d1lab.d1.database import Database

Result = TypeVar("Result", covariant=True)

app = typer.Typer()


class _Ingest(Protocol[Result]):
    def __call__(
        self, db: Database | None, path: Path, *, shop: str, day: date | None, timezone: str
    ) -> Result: ...


@app.command(epilog="Example: d1lab ingest costs costs.csv --dry-run")
def costs(
    file: Annotated[
        Path, typer.Argument(help=("CSV file with columns shop, sku, unit_cost, valid_from."))
    ],
    database: DatabaseOption = None,
    rejected: RejectedOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Load unit costs from a CSV file.

    Exit codes: 0 all lines loaded, 1 some lines rejected, 2 invalid file.
    """
    from d1lab.ingest.costs import ingest_costs

    settings = load_settings()
    opened = connected(settings, database, dry_run=dry_run)
    with opened as db, noted(settings, database, db, "product_costs"), progress_bars() as progress:
        result = ingest_costs(db, file, progress=progress)
    summary = (
        f"ingest: {counted(result.received, 'cost')}. {written(result, dry_run)}, "
        f"{len(result.rejected):,} rejected"
    )
    finish(result, summary, listed=rejected, as_json=as_json)


DayOption = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="Day of the export. Default: the file's own day."),
]


@app.command(epilog="Example: d1lab ingest products products_export.csv --shop harbor")
def products(
    file: Annotated[Path, typer.Argument(help="Shopify product export.")],
    shop: Annotated[
        str, typer.Option(help="Shop the products belong to.", autocompletion=completion.shops)
    ],
    day: DayOption = None,
    database: DatabaseOption = None,
    rejected: RejectedOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Load titles, categories, vendors, prices, and unit costs of products.

    Exit codes: 0 done, 1 some lines were rejected, 2 the file is invalid.
    """
    from d1lab.ingest.products import ingest_products

    result = _loaded(ingest_products, file, shop, day, database, dry_run=dry_run)
    summary = (
        f"ingest: {counted(result.received, 'product')}. {written(result, dry_run)}, "
        f"{counted(result.costs, 'new unit cost')}, {len(result.rejected):,} rejected"
    )
    finish(result, summary, listed=rejected, as_json=as_json)


@app.command(epilog="Example: d1lab ingest stock inventory_export.csv --shop harbor")
def stock(
    file: Annotated[Path, typer.Argument(help="Shopify inventory export.")],
    shop: Annotated[str, typer.Option(help="Shop the stock belongs to.")],
    day: DayOption = None,
    database: DatabaseOption = None,
    rejected: RejectedOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Load the stock of one day, by product and location.

    Exit codes: 0 done, 1 some lines were rejected, 2 the file is invalid.
    """
    from d1lab.ingest.stock import ingest_stock

    result = _loaded(ingest_stock, file, shop, day, database, dry_run=dry_run)
    summary = (
        f"ingest: {counted(result.received, 'count')} of {result.day}, "
        f"{counted(result.units, 'unit')}. "
        f"{written(result, dry_run)}, {len(result.rejected):,} rejected"
    )
    finish(result, summary, listed=rejected, as_json=as_json)


def _loaded(
    ingest: _Ingest[Result],
    file: Path,
    shop: str,
    day: datetime | None,
    database: str | None,
    *,
    dry_run: bool,
) -> Result:
    """Load an export of one day, in the time zone of its shop."""
    settings = load_settings()
    zone = settings.resolve(database)[1].timezone_of(shop)
    with connected(settings, database, dry_run=dry_run) as db:
        return ingest(db, file, shop=shop, day=day.date() if day else None, timezone=zone)
