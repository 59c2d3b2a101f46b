"""Commands to load orders: ingest orders, map."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from d1lab.cli import completion
from d1lab.cli.ingest_summary import RejectedOption, connected, finish, noted, written
from d1lab.cli.output import DatabaseOption, DryRunOption, JsonOption, print_rows, progress_bars
from d1lab.config import load_settings
from d1lab.counting import counted

if TYPE_CHECKING:
    from d1lab.ingest.orders_result import OrdersResult

app = typer.Typer()

FilesArgument = Annotated[
    list[Path],
    typer.Argument(
        help="Order export of a shop, or any table: .csv, .tsv, .txt, .xlsx, .jsonl, "
        ".parquet. Several files are the parts of one export."
    ),
]
MapFileOption = Annotated[Path | None, typer.Option(help="Column map for other files (TOML).")]
MapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        help="Map one column, as field=column, such as order_id=InvoiceNo, or name a "
        "built-in map, such as woocommerce. Repeatable.",
    ),
]
CurrencyOption = Annotated[
    str | None, typer.Option(help="Shop currency. Orders in other currencies are rejected.")
]
MarkdownsOption = Annotated[
    bool, typer.Option(help="Treat prices below the compare-at price as discounts.")
]
PlainEmailsOption = Annotated[
    bool, typer.Option("--plain-emails", help="Store email addresses unhashed.")
]
ExportedAtOption = Annotated[
    str | None,
    typer.Option(help="When the file was exported. Default: the time of its newest order."),
]
TimezoneOption = Annotated[
    str | None,
    typer.Option(help="Time zone of times without an offset. Default: the shop's or UTC."),
]
DatesOption = Annotated[
    str | None, typer.Option(help="How to read 3/1/2026: day-first or month-first.")
]
DecimalOption = Annotated[
    str | None, typer.Option(help="Decimal separator: . or , Default: from the file.")
]
CountryOption = Annotated[
    str | None, typer.Option(help="Country of phone numbers without one, such as DE.")
]


@app.command(epilog="Example: d1lab ingest orders orders_export.csv --shop harbor --dry-run")
def orders(
    files: FilesArgument,
    shop: Annotated[
        str, typer.Option(help="Shop the orders belong to.", autocompletion=completion.shops)
    ],
    database: DatabaseOption = None,
    map_file: MapFileOption = None,
    map_: MapOption = None,
    currency: CurrencyOption = None,
    markdowns: MarkdownsOption = False,
    plain_emails: PlainEmailsOption = False,
    exported_at: ExportedAtOption = None,
    timezone: TimezoneOption = None,
    dates: DatesOption = None,
    decimal: DecimalOption = None,
    country: CountryOption = None,
    rejected: RejectedOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Load orders from a file as order events.

    Exit codes: 0 all lines loaded, 1 some lines rejected, 2 invalid file or column map.
    """
    from d1lab.ingest.orders import Reading, ingest_orders
    from d1lab.ingest.pseudonyms import customer_salt

    settings = load_settings()
    zone = timezone or settings.resolve(database)[1].timezone_of(shop) or None
    salt = None if plain_emails else customer_salt(settings.data_dir, settings.salt)
    opened = connected(settings, database, dry_run=dry_run)
    tables = "d1lab_campaigns", "d1lab_exports"
    with opened as db, noted(settings, database, db, *tables), progress_bars() as progress:
        result = ingest_orders(
            db,
            files,
            shop=shop,
            salt=salt,
            reading=Reading(
                currency,
                markdowns,
                zone,
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
    finish(result, _orders_line(result, dry_run), listed=rejected, as_json=as_json)


def _orders_line(result: OrdersResult, dry_run: bool) -> str:
    """Summarize the result of loading an orders file."""
    parts = [
        f"ingest: {counted(result.lines, 'line')}, {counted(result.orders, 'order')}, "
        f"{counted(result.events, 'event')} ({counted(result.refunds, 'refund')}). "
        f"{written(result, dry_run)}"
    ]
    if result.removed:
        parts.append(
            f"{counted(result.removed, 'event')} removed that are no longer in these orders"
        )
    if result.shortened:
        names = " and ".join(f"order {name}" for name in result.shortened)
        parts.append(
            f"At the end of the file, {names} lost lines that were stored. If the export was "
            "split, pass all of its files in one command"
        )
    if result.older:
        parts.append(
            f"{counted(result.older, 'order')} unchanged: already loaded from a newer export than "
            f"{result.exported_at} UTC. If this file is newer, pass --exported-at"
        )
    if result.no_sale:
        counts = ", ".join(f"{kind} {count:,}" for kind, count in result.no_sale.items())
        parts.append(f"Not counted as revenue: {counts}")
    if result.campaigns:
        names = ", ".join(
            f"{name} ({counted(codes, 'code')})" for name, codes in result.campaigns.items()
        )
        parts.append(f"Codes counted as campaigns: {names}")
    if result.proposed_timezone:
        parts.append(
            f"The times are those of {result.proposed_timezone}. If the shop's days are, too, set "
            f'timezone = "{result.proposed_timezone}" in d1lab.toml'
        )
    summary = ". ".join(parts) + f". {result.seconds:.1f} s"
    if result.rejected:
        reasons = Counter(line.reason for line in result.rejected)
        lines = counted(len(result.rejected), "line")
        summary += f"\n{lines} rejected for {counted(len(reasons), 'reason')}"
    return summary


@app.command("map", epilog="Example: d1lab ingest map sales.csv > columns.toml")
def propose(
    file: Annotated[Path, typer.Argument(help="Orders file with unknown columns.")],
) -> None:
    """Propose a column map for an orders file, as TOML."""
    from d1lab.ingest.propose_map import proposed_map

    typer.echo(proposed_map(file), nl=False)
