"""Load stock from Shopify's inventory export: a snapshot of one day, by SKU and location.

The current export has one line per location; older exports have one column per location.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from d1lab import catalog
from d1lab.d1.database import Database
from d1lab.d1.write import upsert
from d1lab.errors import InputError
from d1lab.ingest.amounts import is_plain
from d1lab.ingest.products import read_lines, variant_name
from d1lab.ingest.rejected import RejectedLine
from d1lab.ingest.times import own_day
from d1lab.warehouse.own_writes import WriteNote

_STOCK = catalog.table("d1lab_stock")
_NEEDED = ("handle", "title", "sku")
_COUNTS = ("on hand", "on hand (current)", "available", "available (not editable)")
_LAST_FIXED = "coo"  # in older exports, the columns after it are locations
_NOT_STOCKED = ("", "not stocked")


class StockResult(NamedTuple):
    """The result of loading a stock file."""

    received: int  # counts
    written: int  # new or changed; 0 in a dry run
    known: int
    day: str  # of the snapshot
    units: float  # in all locations
    rejected: tuple[RejectedLine, ...]


def ingest_stock(
    db: Database | None,
    path: Path,
    *,
    shop: str,
    day: date | None = None,
    timezone: str = "",
    note: WriteNote | None = None,
) -> StockResult:
    """Write the counts of a file as the stock of one day.

    Args:
        db: The database; None for a dry run.
        path: Shopify's inventory export.
        shop: The shop.
        day: The day of the snapshot. Default: the file's own day.
        timezone: The shop's time zone, for the file's own day. UTC if empty.
        note: Gets the rows, so that the next pull has them whatever their day is.

    Raises:
        InputError: The file cannot be read, or is not an inventory export.
    """
    on = day or own_day(path, timezone)
    counts: dict[tuple[str, str], Decimal] = {}
    rejected: list[RejectedLine] = []
    for line, cells in read_lines(path, _NEEDED):
        sku = cells["sku"].lstrip("'") or variant_name(cells)
        for location, text in _by_location(path, cells):
            if text.lower() in _NOT_STOCKED:
                continue
            if not is_plain(text):
                rejected.append(RejectedLine(line, f"{text[:40]!r} is not a number", {"sku": sku}))
                continue
            key = (sku, location)
            counts[key] = counts.get(key, Decimal(0)) + Decimal(text)
    units = float(sum(counts.values()))
    made = StockResult(len(counts), 0, 0, on.isoformat(), units, tuple(rejected))
    if db is None:
        return made
    if _STOCK.name not in db.tables():
        raise InputError(f"{db.url} has no table {_STOCK.name}. Run: d1lab migrate")
    columns = ("shop", "sku", "location", "date", "units")
    rows = [(shop, *key, on.isoformat(), float(count)) for key, count in counts.items()]
    written = upsert(db, _STOCK.name, _STOCK.key, columns, rows)
    if note:
        note.add(_STOCK.name, _STOCK.key, ("units",), rows, creates=True)
    return made._replace(written=written, known=len(rows) - written)


def _by_location(path: Path, cells: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the counts of a line, each with its location's name."""
    column = next((name for name in _COUNTS if name in cells), None)
    if column:
        yield cells.get("location", ""), cells[column]
        return
    names = list(cells)
    if _LAST_FIXED not in names or names[-1] == _LAST_FIXED:
        raise InputError(f"{path} has no counts. Expected a column 'On hand', or one per location.")
    for name in names[names.index(_LAST_FIXED) + 1 :]:
        yield name, cells[name]
