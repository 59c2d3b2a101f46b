"""Command to load competitor prices: ingest prices."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from d1lab.cli.ingest_summary import RejectedOption, connected, finish, noted, written
from d1lab.cli.output import (
    DatabaseOption,
    DryRunOption,
    JsonOption,
    Progress,
    print_rows,
    progress_bars,
)
from d1lab.config import load_settings
from d1lab.counting import counted
from d1lab.errors import InputError

if TYPE_CHECKING:
    from d1lab.d1.database import Database
    from d1lab.ingest.prices.observations import PricesResult

app = typer.Typer()


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
    rejected: RejectedOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Load competitor prices from a file or from product pages (schema.org data).

    Fetching obeys robots.txt, sends one request at a time, and pauses between requests to a host.
    --dry-run fetches the pages too.

    Exit codes: 0 all lines loaded, 1 some lines rejected, 2 invalid file or list.
    """
    from d1lab.ingest.prices.observations import ingest_prices

    if (file is None) == (pages is None):
        raise InputError("pass either a price file or --pages LIST, not both")
    settings = load_settings()
    opened = connected(settings, database, dry_run=dry_run)
    table = "competitor_prices"
    with opened as db, noted(settings, database, db, table), progress_bars() as progress:
        if pages:
            result = _visited(db, pages, delay, contact, again_after, progress)
        else:
            result = ingest_prices(db, cast(Path, file), progress=progress)
    if dry_run and result.seen and not as_json:
        print_rows(result.seen[0]._fields, result.seen)
    summary = (
        f"ingest: {counted(result.received, 'price')}. {written(result, dry_run)}, "
        f"{len(result.rejected):,} rejected. {result.seconds:.1f} s"
    )
    finish(result, summary, listed=rejected, as_json=as_json)


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
