"""Commands that bring in what the app does not record: ingest orders, costs, prices."""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractContextManager, closing, nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from d1lab.cli.output import (
    DatabaseOption,
    DryRunOption,
    JsonOption,
    Progress,
    echo_err,
    print_json,
    print_rows,
    progress_bars,
)
from d1lab.config import Settings, load_settings
from d1lab.errors import InputError

if TYPE_CHECKING:
    from d1lab.d1.database import Database
    from d1lab.ingest.costs import CostsResult
    from d1lab.ingest.orders import OrdersResult
    from d1lab.ingest.prices.observations import PricesResult
    from d1lab.ingest.products import ProductsResult
    from d1lab.ingest.stock import StockResult

    Result = OrdersResult | CostsResult | PricesResult | ProductsResult | StockResult

RefusedOption = Annotated[
    Path | None,
    typer.Option(
        "--refused", "--rejected", help="Write rejected lines and reasons to this CSV file."
    ),
]

app = typer.Typer(
    help="Load files into D1: orders, products, stock, unit costs, competitor prices.",
    no_args_is_help=True,
)


@app.command(epilog="Example: d1lab ingest orders orders_export.csv --shop harbor --dry-run")
def orders(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Order export of a shop, or any table: .csv, .tsv, .txt, .xlsx, .jsonl, "
            ".parquet. Several files are one export that was cut."
        ),
    ],
    shop: Annotated[str, typer.Option(help="Shop the orders belong to.")],
    database: DatabaseOption = None,
    map_file: Annotated[
        Path | None, typer.Option(help="Column map for other files (TOML).")
    ] = None,
    map_: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            help="Map one column, as field=column, such as order_id=InvoiceNo, or name a map "
            "of d1lab, such as woocommerce. Repeatable.",
        ),
    ] = None,
    currency: Annotated[
        str | None, typer.Option(help="Shop currency. Orders in other currencies are rejected.")
    ] = None,
    markdowns: Annotated[
        bool, typer.Option(help="Treat prices below the compare-at price as discounts.")
    ] = False,
    plain_emails: Annotated[
        bool, typer.Option("--plain-emails", help="Store email addresses unhashed.")
    ] = False,
    exported_at: Annotated[
        str | None,
        typer.Option(help="When the file was exported. Default: the time of its newest order."),
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Time zone of times without an offset. Default: UTC.")
    ] = None,
    dates: Annotated[
        str | None, typer.Option(help="How to read 3/1/2026: day-first or month-first.")
    ] = None,
    decimal: Annotated[
        str | None, typer.Option(help="Sign before decimals: . or , Default: as in the file.")
    ] = None,
    country: Annotated[
        str | None, typer.Option(help="Country of phone numbers without one, such as DE.")
    ] = None,
    refused: RefusedOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Load orders from a file as order events.

    Exit codes: 0 all lines loaded, 1 some lines rejected, 2 invalid file or column map.
    """
    from d1lab.d1.connect import connect
    from d1lab.ingest.orders import Reading, ingest_orders
    from d1lab.ingest.pseudonyms import customer_salt

    settings = load_settings()
    salt = None if plain_emails else customer_salt(settings.data_dir, settings.salt)
    opened = nullcontext() if dry_run else closing(connect(settings, database, write=True))
    found = "d1lab_campaigns"
    with opened as db, _noted(settings, database, db, found), progress_bars() as progress:
        result = ingest_orders(
            db,
            files,
            shop=shop,
            salt=salt,
            reading=Reading(
                currency,
                markdowns,
                timezone,
                exported_at,
                dates,
                decimal,
                country,
                settings.campaigns,
            ),
            map_file=map_file,
            pairs=map_ or (),
            progress=progress,
        )
    if result.seen and not as_json:
        print_rows(result.seen[0]._fields, result.seen)
    _finish(result, _orders_line(result, dry_run), listed=refused, as_json=as_json)


def _orders_line(result: OrdersResult, dry_run: bool) -> str:
    """What became of a file of orders, in a few sentences."""
    parts = [
        f"ingest: {result.lines:,} lines, {result.orders:,} orders, {result.events:,} "
        f"events ({result.refunds:,} refunds). {_written(result, dry_run)}"
    ]
    if result.removed:
        parts.append(f"{result.removed:,} events removed that are no longer in these orders")
    if result.older:
        parts.append(
            f"{result.older:,} orders unchanged: they are known from a newer export than "
            f"{result.exported_at} UTC. If this file is newer, pass --exported-at"
        )
    if result.no_sale:
        counts = ", ".join(f"{kind} {count:,}" for kind, count in result.no_sale.items())
        parts.append(f"Not counted as revenue: {counts}")
    if result.campaigns:
        names = ", ".join(f"{name} ({codes:,} codes)" for name, codes in result.campaigns.items())
        parts.append(f"Codes counted as campaigns: {names}")
    if result.proposed_timezone:
        parts.append(
            f"The times are those of {result.proposed_timezone}. If the shop's days are, too, "
            "set its timezone in d1lab.toml"
        )
    told = ". ".join(parts) + f". {result.seconds:.1f} s"
    if result.refused:
        reasons = Counter(line.reason for line in result.refused)
        told += f"\n{len(result.refused):,} lines rejected for {len(reasons):,} different reasons"
    return told


@app.command("map", epilog="Example: d1lab ingest map sales.csv > columns.toml")
def propose(
    file: Annotated[Path, typer.Argument(help="File of orders whose columns d1lab does not know.")],
) -> None:
    """Propose a column map for a file of orders, as TOML."""
    from d1lab.ingest.propose_map import proposed_map

    typer.echo(proposed_map(file), nl=False)


def _noted(
    settings: Settings, database: str | None, db: Database | None, table: str
) -> AbstractContextManager[object]:
    """Lets the next pull read a table again that is written to; nothing in a dry run."""
    from d1lab.warehouse import noted

    return nullcontext() if db is None else noted(db, settings.folder(database), [table])


@app.command(epilog="Example: d1lab ingest costs costs.csv --dry-run")
def costs(
    file: Annotated[
        Path, typer.Argument(help=("CSV file with columns shop, sku, unit_cost, valid_from."))
    ],
    database: DatabaseOption = None,
    refused: RefusedOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Load unit costs from a CSV file.

    Exit codes: 0 all lines loaded, 1 some lines rejected, 2 invalid file.
    """
    from d1lab.d1.connect import connect
    from d1lab.ingest.costs import ingest_costs

    settings = load_settings()
    opened = nullcontext() if dry_run else closing(connect(settings, database, write=True))
    with opened as db, _noted(settings, database, db, "product_costs"), progress_bars() as progress:
        result = ingest_costs(db, file, progress=progress)
    count, out = result.received, len(result.refused)
    told = f"ingest: {count:,} costs; {_written(result, dry_run)}; {out:,} refused"
    _finish(result, told, listed=refused, as_json=as_json)


DayOption = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="Day of the export. Default: the file's own day."),
]


@app.command(epilog="Example: d1lab ingest products products_export.csv --shop harbor")
def products(
    file: Annotated[Path, typer.Argument(help="Shopify product export.")],
    shop: Annotated[str, typer.Option(help="Shop the products belong to.")],
    day: DayOption = None,
    database: DatabaseOption = None,
    refused: RefusedOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Load titles, categories, vendors, prices, and unit costs of products.

    Exit codes: 0 done, 1 some lines were rejected, 2 the file is invalid.
    """
    from d1lab.d1.connect import connect
    from d1lab.ingest.products import ingest_products

    settings = load_settings()
    opened = nullcontext() if dry_run else closing(connect(settings, database, write=True))
    with opened as db:
        result = ingest_products(db, file, shop=shop, day=day.date() if day else None)
    told = (
        f"ingest: {result.received:,} products. {_written(result, dry_run)}, {result.costs:,} new "
        f"unit costs, {len(result.refused):,} rejected"
    )
    _finish(result, told, listed=refused, as_json=as_json)


@app.command(epilog="Example: d1lab ingest stock inventory_export.csv --shop harbor")
def stock(
    file: Annotated[Path, typer.Argument(help="Shopify inventory export.")],
    shop: Annotated[str, typer.Option(help="Shop the stock belongs to.")],
    day: DayOption = None,
    database: DatabaseOption = None,
    refused: RefusedOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Load the stock of one day, by product and location.

    Exit codes: 0 done, 1 some lines were rejected, 2 the file is invalid.
    """
    from d1lab.d1.connect import connect
    from d1lab.ingest.stock import ingest_stock

    settings = load_settings()
    opened = nullcontext() if dry_run else closing(connect(settings, database, write=True))
    with opened as db:
        result = ingest_stock(db, file, shop=shop, day=day.date() if day else None)
    told = (
        f"ingest: {result.received:,} counts of {result.day}, {result.units:,.0f} units. "
        f"{_written(result, dry_run)}, {len(result.refused):,} rejected"
    )
    _finish(result, told, listed=refused, as_json=as_json)


@app.command(epilog="Example: d1lab ingest prices --pages watchlist.csv --contact you@shop.example")
def prices(
    file: Annotated[
        Path | None,
        typer.Argument(
            help=".csv or .parquet file with columns shop, sku, competitor, price, "
            "currency, observed_at. Optional: in_stock, url."
        ),
    ] = None,
    pages: Annotated[
        Path | None,
        typer.Option(
            help="List of product pages to fetch instead, with columns shop, sku, "
            "competitor, url. Optional: competitor_sku, currency. Every URL is "
            "requested, so list only URLs you trust."
        ),
    ] = None,
    delay: Annotated[
        float, typer.Option(help="Seconds between requests to the same host.", min=1)
    ] = 2.0,
    contact: Annotated[
        str, typer.Option(help="Email address or URL to include in the User-Agent header.")
    ] = "",
    again_after: Annotated[
        float, typer.Option(help="Hours before a page is fetched again.", min=0)
    ] = 12.0,
    database: DatabaseOption = None,
    refused: RefusedOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Load competitor prices from a file or from product pages (schema.org data).

    Fetching obeys robots.txt, sends one request at a time, and pauses between requests to a host.
    --dry-run fetches the pages too.

    Exit codes: 0 all lines loaded, 1 some lines rejected, 2 invalid file or list.
    """
    from d1lab.d1.connect import connect
    from d1lab.ingest.prices.observations import ingest_prices

    if (file is None) == (pages is None):
        raise InputError("pass either a price file or --pages LIST, not both")
    settings = load_settings()
    opened = nullcontext() if dry_run else closing(connect(settings, database, write=True))
    noted = "competitor_prices"
    with opened as db, _noted(settings, database, db, noted), progress_bars() as progress:
        if pages:
            result = _visited(db, pages, delay, contact, again_after, progress)
        else:
            result = ingest_prices(db, cast(Path, file), progress=progress)
    if dry_run and result.seen and not as_json:
        print_rows(result.seen[0]._fields, result.seen)
    told = (
        f"ingest: {result.received:,} prices. {_written(result, dry_run)}, "
        f"{len(result.refused):,} rejected. {result.seconds:.1f} s"
    )
    _finish(result, told, listed=refused, as_json=as_json)


def _visited(
    db: Database | None,
    pages: Path,
    delay: float,
    contact: str,
    again_after: float,
    progress: Progress | None,
) -> PricesResult:
    from d1lab.ingest.prices.collect import collect_prices
    from d1lab.ingest.prices.fetch import Visitor

    with closing(Visitor(delay_seconds=delay, contact=contact)) as visitor:
        return collect_prices(db, pages, visitor, again_after_hours=again_after, progress=progress)


def _written(result: Result, dry_run: bool) -> str:
    if dry_run:
        return "nothing written (dry run)"
    return f"{result.written:,} written, {result.known:,} already in D1"


def _finish(result: Result, told: str, *, listed: Path | None, as_json: bool) -> None:
    """Say what became of a file, hand its rejected lines back, and end with 1 if there are any."""
    from d1lab.ingest.rejected import columns_of, write_rejected

    names = columns_of(result.refused)
    if listed:
        write_rejected(listed, result.refused)
    if as_json:
        lines = [dict(zip(names, line.cells, strict=True)) for line in result.refused]
        print_json({**result._asdict(), "refused": lines})
    else:
        echo_err(told)
        if listed:
            echo_err(f"see {listed}")
        elif result.refused:
            print_rows(names, [line.cells for line in result.refused])
    if result.refused:
        raise typer.Exit(1)
