"""Load competitor prices from a CSV or Parquet file into `competitor_prices`, each written once.

An invalid line is rejected with its number and the reason, and the others are written. The file's
price replaces a stored one for the same shop, SKU, competitor, and time; loading a file again
writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

from d1lab import catalog
from d1lab.d1.database import Database
from d1lab.d1.write import CHUNK_ROWS, upsert
from d1lab.errors import InputError, UnknownName
from d1lab.ingest.column_map import ColumnMap
from d1lab.ingest.events import Progress
from d1lab.ingest.lines import header, load
from d1lab.ingest.prices.offers import in_stock
from d1lab.ingest.rejected import RejectedLine
from d1lab.warehouse import scratch

NEEDED = ("shop", "sku", "competitor", "price", "currency", "observed_at")
FIELDS = (*NEEDED, "in_stock", "url")

_TABLE = catalog.table("competitor_prices")
_AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_CURRENCY = re.compile(r"[A-Z]{3}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?"
    r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)
_YES_NO = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_TOLERANCE = timedelta(days=1)  # clocks and time zones


class Observation(NamedTuple):
    """One observation of a competitor price: a row of `competitor_prices`, in this order."""

    shop: str
    sku: str
    competitor: str
    price: Decimal | None  # above 0; None only if out of stock
    currency: str | None  # ISO 4217; None only if there is no price
    in_stock: bool | None  # None: unknown
    url: str | None
    observed_at: datetime  # UTC
    source: str  # 'file', 'page' or 'simulated'


class PricesResult(NamedTuple):
    """Counts of the lines: received = written + known + rejected, except in a dry run."""

    received: int
    written: int  # new, or with a changed price; 0 in a dry run
    known: int  # already stored, unchanged; for pages also: fetched recently, and skipped
    rejected: tuple[RejectedLine, ...]
    seconds: float
    seen: tuple[Observation, ...] = ()  # prices found on pages; empty for a file


def rejected_line(line: int, sku: str | None, competitor: str | None, reason: str) -> RejectedLine:
    """Reject a line of a price file or page list."""
    return RejectedLine(line, reason, {"sku": sku, "competitor": competitor})


def ingest_prices(
    db: Database | None,
    path: Path,
    *,
    now: datetime | None = None,
    progress: Progress | None = None,
) -> PricesResult:
    """Write the prices of a file.

    Args:
        db: A database with the table `competitor_prices`; None for a dry run, which checks
            everything and writes nothing.
        path: A .csv or .parquet file with the columns of `NEEDED`, and optionally of `FIELDS`.
        now: The current time; prices of later days are rejected.
        progress: Called as rows are written.

    Raises:
        InputError: There is no such file, it cannot be read, or a column is missing.
        UnknownName: A column is not in `FIELDS`.
    """
    start, latest = monotonic(), (now or datetime.now(UTC)) + _TOLERANCE
    lines = read_lines(path, FIELDS, NEEDED)
    rows: dict[tuple[object, ...], Observation] = {}
    rejected: list[RejectedLine] = []
    for line, problem, cells in lines:
        try:
            row = _checked(problem, cells, latest)
            _require_new(row, rows)
        except InputError as error:
            rejected.append(rejected_line(line, cells["sku"], cells["competitor"], str(error)))
        else:
            rows[_key(row)] = row
    written = write(db, list(rows.values()), progress) if db else 0
    known = len(rows) - written if db else 0
    return PricesResult(len(lines), written, known, tuple(rejected), monotonic() - start)


def write(db: Database, rows: Sequence[Observation], progress: Progress | None = None) -> int:
    """Write rows, each key once; return how many are new or changed."""
    written = 0
    for start in range(0, len(rows), CHUNK_ROWS):
        some = rows[start : start + CHUNK_ROWS]
        written += upsert(db, _TABLE.name, _TABLE.key, Observation._fields, some)
        if progress:
            progress("prices", start + len(some), len(rows))
    return written


Line = tuple[int, str | None, Mapping[str, str | None]]
"""A line's number, an error in its structure, and its trimmed cells; None for empty cells."""


def read_lines(path: Path, fields: Sequence[str], needed: Sequence[str]) -> list[Line]:
    """Yield the lines of a CSV or Parquet file with d1lab's column names.

    Raises:
        InputError: The file does not exist or cannot be read, or a column is missing or duplicated.
        UnknownName: A column is not in `fields`.
    """
    names = header(path)
    for name in names:
        if name not in fields:
            raise UnknownName("column", name, fields, f"{path}")
    if missing := [name for name in needed if name not in names]:
        raise InputError(f"{path} has no column {missing[0]}. Columns: {', '.join(names)}.")
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"{path}: column {twice[0]!r} occurs twice in the header")
    with scratch() as con:
        load(con, [path], ColumnMap("prices", tuple(fields), {name: (name,) for name in names}))
        rows = con.sql("FROM source ORDER BY line").fetchall()
    return [(line, problem, _cells(fields, values)) for line, problem, *values in rows]


def _cells(fields: Sequence[str], values: Sequence[str | None]) -> dict[str, str | None]:
    return {name: (value or "").strip() or None for name, value in zip(fields, values, strict=True)}


def _checked(problem: str | None, cells: Mapping[str, str | None], latest: datetime) -> Observation:
    """Parse a line's observation; raise InputError with the reason if it is invalid."""
    if problem:
        raise InputError(problem)
    shop, sku, competitor = (text(name, cells[name]) for name in ("shop", "sku", "competitor"))
    there = _stock(cells["in_stock"])
    price = _price(cells["price"], there)
    currency = None if price is None else currency_of(cells["currency"])
    url = url_of(cells["url"]) if cells["url"] else None
    moment = _time(cells["observed_at"], latest)
    return Observation(shop, sku, competitor, price, currency, there, url, moment, "file")


def text(name: str, value: str | None) -> str:
    """Check a required name, which has to be a single line.

    Raises:
        InputError: It is missing, longer than 200 characters, or contains control characters.
    """
    if not value:
        raise InputError(f"{name} is missing")
    if len(value) > 200 or _CONTROL.search(value):
        raise InputError(f"{name} {value[:40]!r} is too long or contains control characters")
    return value


def currency_of(value: str | None) -> str:
    """Check an ISO 4217 code.

    Raises:
        InputError: It is none.
    """
    code = (value or "").upper()
    if not _CURRENCY.fullmatch(code):
        raise InputError(f"invalid currency {(value or '')[:20]!r}. Use a code such as EUR.")
    return code


@lru_cache(maxsize=10_000)  # the same page occurs again and again
def url_of(value: str) -> str:
    """Check a page's URL: http or https, a host, no user name or password.

    Raises:
        InputError: It is none.
    """
    import httpx2

    shown = value if len(value) <= 80 else f"{value[:80]}…"
    try:
        url = httpx2.URL(value)
    except httpx2.InvalidURL as error:
        raise InputError(f"url {shown!r}: {error}") from None
    if url.scheme not in ("http", "https") or not url.host or len(value) > 2_000:
        raise InputError(f"url {shown!r} is not an http or https address")
    if url.userinfo:
        raise InputError("url contains a user name or password. Remove it.")
    return value


def _stock(value: str | None) -> bool | None:
    if value is None:
        return None
    known = _YES_NO.get(value.lower(), in_stock(value))
    if known is None:
        raise InputError(f"invalid in_stock {value[:40]!r}. Use yes or no.")
    return known


def _price(value: str | None, there: bool | None) -> Decimal | None:
    if value is None and there is False:
        return None
    if not _AMOUNT.fullmatch(value or "") or not Decimal(value or 0):
        shown = (value or "")[:40]
        raise InputError(f"invalid price {shown!r}. Use an amount above 0, such as 12.50.")
    return Decimal(value or 0)


def _time(value: str | None, latest: datetime) -> datetime:
    try:
        if not _TIME.fullmatch(value or ""):
            raise ValueError
        found = datetime.fromisoformat(value or "")
        moment = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        shown = (value or "")[:40]
        raise InputError(f"invalid observed_at {shown!r}. Use a time like 2026-05-01.") from None
    if moment > latest:
        raise InputError(f"observed_at {value} is in the future")
    return moment.replace(microsecond=0, tzinfo=None)


def _key(row: Observation) -> tuple[object, ...]:
    return row.shop, row.sku, row.competitor, row.observed_at


def _require_new(row: Observation, rows: Mapping[Any, Observation]) -> None:
    same = rows.get(_key(row))
    if same is not None:
        known = "this price" if same == row else f"another price, {same.price} {same.currency},"
        raise InputError(f"{row.competitor} has {known} for {row.observed_at} in an earlier line")
