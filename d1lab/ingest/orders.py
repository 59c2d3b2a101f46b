"""Load orders from files: exports with a built-in map, or any table with a column map.

The SQL of a file's layout, <layout>_orders.sql, turns its lines into order events
(docs/guide/events.md), including discounts, refunds, and canceled orders; no_sale.sql excludes
entries that are not sales. An order in the file replaces the stored one: see `replace`.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import NamedTuple

import duckdb
import pyarrow as pa
from pydantic import SecretStr

from d1lab.counting import counted
from d1lab.d1.database import Database, quote
from d1lab.errors import InputError
from d1lab.files import own_prefix
from d1lab.ingest.campaigns import fold_campaigns
from d1lab.ingest.column_map import ColumnMap, column_map
from d1lab.ingest.events import INCOMING, Progress, add_rules
from d1lab.ingest.exports import ExportTime, export_time, keep_export
from d1lab.ingest.files import FIELDS
from d1lab.ingest.lines import delimiter_of, header, load
from d1lab.ingest.lone_parts import explain_parts, shortened_orders
from d1lab.ingest.normalize_cells import make_plain
from d1lab.ingest.orders_result import OrdersResult, first_orders, result_of
from d1lab.ingest.partial_refunds import fill_dues
from d1lab.ingest.phones import normalize_phones
from d1lab.ingest.pseudonyms import pads
from d1lab.ingest.replace import Replaced, find_known, replace_orders, require_tables
from d1lab.ingest.zones import proposed_zone
from d1lab.warehouse import scratch

MEMORY = "512MB"  # DuckDB's limit; the rest spills to a private temporary folder
_SQL = Path(__file__).parent

_SETTINGS = """
CREATE TABLE settings AS SELECT
    $shop::VARCHAR AS shop, $currency::VARCHAR AS shop_currency,
    $time_format::VARCHAR AS time_format, $plain_emails::BOOLEAN AS plain_emails,
    $discount_skus::VARCHAR[] AS discount_skus, $markdowns::BOOLEAN AS markdowns,
    $whole_orders::BOOLEAN AS whole_orders,
    $inner_pad::BLOB AS inner_pad, $outer_pad::BLOB AS outer_pad
"""
_CURRENCIES = """
SELECT upper(given(currency)) AS code, count(*) FROM source
WHERE code IS NOT NULL GROUP BY code ORDER BY count(*) DESC, code
"""
_SENT = (
    "CREATE TABLE sent AS SELECT row_number() OVER (ORDER BY line, type) AS position, * FROM events"
)
_CHECKED = f"""
CREATE TABLE checked AS
SELECT
    position, reason, order_id, event_id, type, quantity, customer_id,
    strftime(occurred_at, '%Y-%m-%d %H:%M:%S') AS occurred_at,
    json_array({", ".join(FIELDS)}) AS row
FROM checked_events
"""  # noqa: S608
_REJECTED_EVENTS = """
INSERT INTO rejected
SELECT line, sent.order_id, sku, string_agg(DISTINCT reason, '; ')
FROM sent JOIN checked USING (position)
WHERE reason IS NOT NULL
GROUP BY line, sent.order_id, sku
"""


class Reading(NamedTuple):
    """Options for reading a file; None to infer them from the file."""

    currency: str | None = None  # the shop's; orders in another one are rejected
    markdowns: bool = False  # whether a price below Shopify's compare-at price is a discount
    timezone: str | None = None  # of times without an offset, the shop's
    exported_at: str | None = None  # when the file was exported
    dates: str | None = None  # 'day-first' or 'month-first'
    decimal: str | None = None  # '.' or ','
    country: str | None = None  # of phone numbers without one
    campaigns: Mapping[str, str | Sequence[str]] = {}  # patterns of codes by campaign


def ingest_orders(
    db: Database | None,
    paths: Path | Sequence[Path],
    *,
    shop: str,
    salt: SecretStr | None,
    reading: Reading = Reading(),  # noqa: B008
    map_file: Path | None = None,
    pairs: Iterable[str] = (),
    progress: Progress | None = None,
) -> OrdersResult:
    """Write the orders of a file to D1 as order events.

    Args:
        db: The database; None for a dry run, which checks everything and writes nothing.
        paths: A file, or the files of a split export, in order.
        shop: The shop of the orders.
        salt: The salt to hash customers with; None to keep plain addresses.
        reading: Options for reading the file.
        map_file: A column map in TOML.
        pairs: "field=column" each, or the name of a built-in map.
        progress: Called as events are written.

    Raises:
        InputError: The file or the map is invalid; nothing was written.
        D1Error: A request to D1 failed (subclasses in d1lab.errors). Rows already written stay; the
            next run writes the rest.
    """
    start = monotonic()
    if db:
        require_tables(db)
    files = [paths] if isinstance(paths, Path) else list(paths)
    settled = {"dates": reading.dates, "decimal": reading.decimal, "country": reading.country}
    columns = column_map(header(files[0]), map_file, pairs, settled)
    zone = columns.timezone or reading.timezone or "UTC"
    with _workspace() as con:
        loaded = load(con, files, columns)
        field = "created_at" if columns.layout == "shopify" else "occurred_at"
        proposed = None if reading.timezone else proposed_zone(con, field)
        mark = delimiter_of(files[0])
        make_plain(con, columns, zone=zone, delimiter=mark, currency=reading.currency)
        name = _set_up(con, columns, shop, salt, reading)
        exported = export_time(con, columns, files, reading.exported_at, zone)
        _make_events(con, columns)
        campaigns = fold_campaigns(con, db, name, reading.campaigns) if columns.has_codes else {}
        replaced = _write(con, db, name, exported, progress)
        explain_parts(con, columns)
        return result_of(con, columns, loaded, replaced)._replace(
            exported_at=f"{exported.version:%Y-%m-%d %H:%M:%S}",
            timezone=zone,
            proposed_timezone=proposed,
            campaigns=campaigns,
            shortened=shortened_orders(con) if db else {},
            seen=first_orders(con) if db is None else (),
            seconds=monotonic() - start,
        )


@contextmanager
def _workspace() -> Generator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB connection with limited memory, the text macros, and the event rules."""
    with (
        TemporaryDirectory(prefix=own_prefix("d1lab-orders")) as spill,
        scratch(memory_limit=MEMORY, temp_directory=spill) as con,
    ):
        fields = ", ".join(f"{quote(name)} {_duckdb_type(name)}" for name in INCOMING.names)
        con.execute(f"CREATE TABLE incoming ({fields})")
        add_rules(con)
        con.execute((_SQL / "no_sale.sql").read_text())
        yield con


def _duckdb_type(name: str) -> str:
    return "BIGINT" if pa.types.is_integer(INCOMING.field(name).type) else "VARCHAR"


def _currency(con: duckdb.DuckDBPyConnection, given: str | None) -> str | None:
    found = con.sql(_CURRENCIES).fetchall()
    if given is None and len(found) > 1:
        listed = ", ".join(f"{code[:40]} ({counted(lines, 'line')})" for code, lines in found[:5])
        raise InputError(
            f"the file contains several currencies: {listed}. A shop's amounts must "
            "be in one currency. Choose one with --currency, such as --currency "
            f"{found[0][0][:40]}; lines in other currencies are rejected."
        )
    return given.upper() if given else found[0][0] if found else None


def _set_up(
    con: duckdb.DuckDBPyConnection,
    columns: ColumnMap,
    shop: str,
    salt: SecretStr | None,
    reading: Reading,
) -> str:
    """Create `settings`, normalize phones, and mark the lines that the map's filter keeps."""
    if not shop.strip():
        raise InputError("shop name is empty. Pass --shop NAME.")
    inner, outer = pads(salt) if salt else (b"", b"")
    currency = _currency(con, reading.currency)
    options = {
        "shop": shop.strip(),
        "currency": currency,
        "time_format": columns.time_format,
        "discount_skus": list(columns.discount_skus),
        "markdowns": reading.markdowns,
        "whole_orders": columns.whole_orders,
        "plain_emails": salt is None,
        "inner_pad": inner,
        "outer_pad": outer,
    }
    con.execute(_SETTINGS, options)
    normalize_phones(con, columns.country, currency)
    _filter(con, columns)
    return shop.strip()


def _filter(con: duckdb.DuckDBPyConnection, columns: ColumnMap) -> None:
    con.execute("ALTER TABLE source ADD COLUMN is_kept BOOLEAN DEFAULT true")
    for field, kept in columns.filter.items():
        if field in columns.columns:
            con.execute(
                f"UPDATE source SET is_kept = is_kept AND list_contains($kept, "  # noqa: S608
                f"lower(coalesce(given({quote(field)}), '')))",
                {"kept": list(kept)},
            )


def _make_events(con: duckdb.DuckDBPyConnection, columns: ColumnMap) -> None:
    con.execute((_SQL / f"{columns.layout}_orders.sql").read_text())
    if columns.layout == "shopify":
        fill_dues(con)
        con.execute((_SQL / "shopify_events.sql").read_text())


def _write(
    con: duckdb.DuckDBPyConnection,
    db: Database | None,
    shop: str,
    exported: ExportTime,
    progress: Progress | None,
) -> Replaced:
    """Check the events by the common rules, and write the accepted ones."""
    if db:
        find_known(db, con, shop)
    con.execute(_SENT)
    texts = ", ".join(f"{name}::VARCHAR" for name in FIELDS)
    con.execute(f"INSERT INTO incoming SELECT position, NULL, {texts} FROM sent")  # noqa: S608
    con.execute(_CHECKED)
    con.execute(_REJECTED_EVENTS)
    if db is None:
        return Replaced(0, 0, 0, 0)
    replaced = replace_orders(db, con, shop, exported.version, progress)
    keep_export(db, shop, exported.known_until)
    return replaced
