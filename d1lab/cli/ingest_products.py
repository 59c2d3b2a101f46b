"""Commands to load product data: ingest costs, products, stock."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, TypedDict

import typer

from d1lab.cli import completion
from d1lab.cli.ingest_summary import RejectedOption, connected, finish, noted, written
from d1lab.cli.output import DatabaseOption, DryRunOption, JsonOption, progress_bars
from d1lab.config import Settings, load_settings
from d1lab.counting import counted

app = typer.Typer()


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

    settings = load_settings()
    with connected(settings, database, dry_run=dry_run) as db:
        result = ingest_products(db, file, **_of_day(settings, database, shop, day))
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

    settings = load_settings()
    opened = connected(settings, database, dry_run=dry_run)
    with opened as db, noted(settings, database, db, "d1lab_stock") as note:
        options = _of_day(settings, database, shop, day)
        result = ingest_stock(db, file, **options, note=note)
    summary = (
        f"ingest: {counted(result.received, 'count')} of {result.day}, "
        f"{counted(result.units, 'unit')}. "
        f"{written(result, dry_run)}, {len(result.rejected):,} rejected"
    )
    finish(result, summary, listed=rejected, as_json=as_json)


class _OfDay(TypedDict):
    """What an export of one day is of."""

    shop: str
    day: date | None
    timezone: str


def _of_day(settings: Settings, database: str | None, shop: str, day: datetime | None) -> _OfDay:
    """Return the options of loading an export, with the time zone of its shop."""
    zone = settings.resolve(database)[1].timezone_of(shop)
    return {"shop": shop, "day": day.date() if day else None, "timezone": zone}
