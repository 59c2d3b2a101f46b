"""Orders from files: Shopify's order export, or any CSV or Parquet by a small column map.

A file becomes order events (docs/guide/events.md) by the SQL of its layout,
<layout>_orders.sql; what each makes of discounts, refunds and cancelled orders stands
there. Events are told apart by the order and the line's place in it, and are corrected where they
differ: so a file that was loaded in part is loaded again, and a later export of the same orders
brings them up to date.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import NamedTuple

import duckdb
from pydantic import SecretStr

from d1lab.d1.database import Database
from d1lab.errors import InputError
from d1lab.ingest.column_map import ColumnMap, column_map
from d1lab.ingest.events import Progress, TrackResult, check_table, track_table
from d1lab.ingest.files import FIELDS
from d1lab.ingest.lines import header, load
from d1lab.ingest.pseudonyms import pads
from d1lab.warehouse import scratch

MEMORY = "512MB"  # of DuckDB; what does not fit goes to a private folder of the system's
_SQL = Path(__file__).parent

_SETTINGS = """
CREATE TABLE settings AS SELECT
    $shop::VARCHAR AS shop, $currency::VARCHAR AS shop_currency, $timezone::VARCHAR AS timezone,
    $time_format::VARCHAR AS time_format, $plain_emails::BOOLEAN AS plain_emails,
    $discount_skus::VARCHAR[] AS discount_skus, $markdowns::BOOLEAN AS markdowns,
    $inner_pad::BLOB AS inner_pad, $outer_pad::BLOB AS outer_pad
"""
_CURRENCIES = """
SELECT upper(given(currency)) AS code, count(*) FROM source
WHERE code IS NOT NULL GROUP BY code ORDER BY count(*) DESC, code
"""
_SENT = (
    "CREATE TABLE sent AS SELECT row_number() OVER (ORDER BY line, type) AS position, * FROM events"
)
_REFUSED_EVENTS = """
INSERT INTO refused
SELECT line, order_id, sku, string_agg(reason, '; ' ORDER BY position)
FROM sent JOIN reasons USING (position) GROUP BY line, order_id, sku
"""
_COUNTS = """
SELECT
    count(DISTINCT order_id) FILTER (type = 'order'), count(*) FILTER (type = 'refund'),
    count(*) FILTER (type = 'refund' AND quantity = '0'),
    count(*) FILTER (type = 'order' AND customer_id IS NULL)
FROM sent ANTI JOIN reasons USING (position)
"""


class RefusedLine(NamedTuple):
    """A line of the file that became no event."""

    line: int
    order_id: str | None  # as the file calls it
    sku: str | None
    reason: str


class OrdersResult(NamedTuple):
    """What became of a file."""

    layout: str  # 'shopify' or 'plain'
    lines: int  # in the file
    orders: int
    refunds: int  # events of type refund
    refunds_of_money: int  # of these, without units: an amount given back, spread over the lines
    without_customer: int  # order lines
    events: int  # made of the lines that were let in
    written: int  # new, or corrected; 0 in a dry run
    known: int  # there before, just so
    refused: tuple[RefusedLine, ...]
    seconds: float


def ingest_orders(
    db: Database | None,
    path: Path,
    *,
    shop: str,
    salt: SecretStr | None,
    currency: str | None = None,
    markdowns: bool = False,
    map_file: Path | None = None,
    pairs: Iterable[str] = (),
    progress: Progress | None = None,
) -> OrdersResult:
    """Write the orders of a file as order events.

    Args:
        db: The database; None for a dry run, which checks everything and writes nothing.
        path: A .csv or .parquet file.
        shop: The shop whose orders these are.
        salt: What e-mail addresses are hashed with; None to keep them plain.
        currency: The shop's currency; orders in another one are refused. It may be left out
            where the file holds one only.
        markdowns: Count a price below Shopify's compare-at price as a discount.
        map_file: A column map in TOML; without one and without pairs the file is Shopify's.
        pairs: "field=column" each, in addition.
        progress: Called as events are written.

    Raises:
        InputError: The file or the map cannot be used; nothing was written.
        D1Error: As d1lab.errors draws them. What was written stays; the next run does the rest.
    """
    start = monotonic()
    columns = column_map(header(path), map_file, pairs)
    with _workspace() as con:
        lines = load(con, path, columns)
        settings = {"shop": _shop(shop), "currency": _currency(con, currency)}
        _set_up(con, columns, salt, settings | {"markdowns": markdowns})
        con.execute((_SQL / f"{columns.layout}_orders.sql").read_text())
        con.execute(_SENT)
        tracked = _track(con, db, progress)
        _note_refused(con, tracked)
        ((orders, refunds, of_money, nameless),) = con.sql(_COUNTS).fetchall()
        refused = con.sql("FROM refused ORDER BY line").fetchall()
    return OrdersResult(
        columns.layout,
        lines,
        orders,
        refunds,
        of_money,
        nameless,
        tracked.received - len(tracked.refused),
        tracked.written,
        tracked.known,
        tuple(RefusedLine(*row) for row in refused),
        monotonic() - start,
    )


@contextmanager
def _workspace() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in bounded memory, with the macros that read texts."""
    with (
        TemporaryDirectory(prefix="d1lab-orders-") as spill,
        scratch(memory_limit=MEMORY, temp_directory=spill) as con,
    ):
        con.execute((_SQL / "texts.sql").read_text())
        yield con


def _shop(shop: str) -> str:
    if not shop.strip():
        raise InputError("shop name is empty. Pass --shop NAME.")
    return shop.strip()


def _currency(con: duckdb.DuckDBPyConnection, given: str | None) -> str | None:
    found = con.sql(_CURRENCIES).fetchall()
    if given is None and len(found) > 1:
        listed = ", ".join(f"{code[:40]} ({lines:,} lines)" for code, lines in found[:5])
        raise InputError(
            f"the file contains several currencies: {listed}. A shop's amounts must "
            "be in one currency. Choose one with --currency, such as --currency "
            f"{found[0][0][:40]}; lines in other currencies are rejected."
        )
    return given.upper() if given else found[0][0] if found else None


def _set_up(
    con: duckdb.DuckDBPyConnection,
    columns: ColumnMap,
    salt: SecretStr | None,
    settings: Mapping[str, object],
) -> None:
    inner, outer = pads(salt) if salt else (b"", b"")
    options = {
        "timezone": columns.timezone,
        "time_format": columns.time_format,
        "discount_skus": list(columns.discount_skus),
        "plain_emails": salt is None,
        "inner_pad": inner,
        "outer_pad": outer,
    }
    con.execute(_SETTINGS, {**settings, **options})
    con.execute("SET VARIABLE time_format = (SELECT time_format FROM settings)")


def _track(
    con: duckdb.DuckDBPyConnection, db: Database | None, progress: Progress | None
) -> TrackResult:
    ((expected,),) = con.sql("SELECT count(*) FROM sent").fetchall()
    events = con.cursor().sql(f"SELECT {', '.join(FIELDS)} FROM sent ORDER BY position")  # noqa: S608
    if db is None:
        return check_table(events)

    def report(name: str, done: int, _: int) -> None:
        if progress:
            progress(name, done, expected)

    return track_table(db, events, correct=True, progress=report)


def _note_refused(con: duckdb.DuckDBPyConnection, tracked: TrackResult) -> None:
    """Add the events that the common rules refused to the refused lines of the layout."""
    con.execute("CREATE TABLE reasons (position BIGINT, reason VARCHAR)")
    if tracked.refused:
        import pyarrow as pa

        positions, reasons = zip(*tracked.refused, strict=True)
        con.register("given_reasons", pa.table({"position": positions, "reason": reasons}))
        con.execute("INSERT INTO reasons FROM given_reasons")
        con.execute(_REFUSED_EVENTS)
