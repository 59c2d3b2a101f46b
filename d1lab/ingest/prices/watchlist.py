"""The list of pages to look at: whose product, which competitor, which address."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from d1lab.errors import InputError
from d1lab.ingest.prices.observations import (
    Line,
    RefusedLine,
    currency_of,
    read_lines,
    text,
    url_of,
)

NEEDED = ("shop", "sku", "competitor", "url")
FIELDS = (*NEEDED, "competitor_sku", "currency")


class Watch(NamedTuple):
    """One page to look at."""

    line: int
    shop: str
    sku: str
    competitor: str
    url: str
    competitor_sku: str | None = None  # its SKU, GTIN or MPN there, for pages with several products
    currency: str | None = None  # for pages with several


def read_watchlist(path: Path) -> tuple[list[Watch], list[RefusedLine]]:
    """The pages of a list, and the lines that name none.

    Args:
        path: A .csv or .parquet file with the columns of `NEEDED`, and of `FIELDS` if it has them.

    Raises:
        InputError: There is no such file, it cannot be read, or a column is missing.
        UnknownName: A column is none of `FIELDS`.
    """
    watches: dict[tuple[str, str, str], Watch] = {}
    refused = []
    for line in read_lines(path, FIELDS, NEEDED):
        try:
            watch = _checked(line)
            if watch[1:4] in watches:
                raise InputError(f"{watch.competitor} is listed for {watch.sku} in an earlier line")
        except InputError as error:
            number, _, cells = line
            refused.append(RefusedLine(number, cells["sku"], cells["competitor"], str(error)))
        else:
            watches[watch[1:4]] = watch
    return list(watches.values()), refused


def _checked(line: Line) -> Watch:
    number, fault, cells = line
    if fault:
        raise InputError(fault)
    shop, sku, competitor = (text(name, cells[name]) for name in ("shop", "sku", "competitor"))
    if not cells["url"]:
        raise InputError("url is missing")
    currency = currency_of(cells["currency"]) if cells["currency"] else None
    return Watch(
        number, shop, sku, competitor, url_of(cells["url"]), cells["competitor_sku"], currency
    )
