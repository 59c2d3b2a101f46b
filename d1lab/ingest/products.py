"""Load products from Shopify's product export: title, type, vendor, price, and cost by SKU.

A product's own fields are on its first row, followed by its variants. A variant without a SKU
is identified by its title, as in orders. Costs become unit costs valid from the day of the export
if they differ from the last known cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from d1lab import catalog
from d1lab.d1.database import Database
from d1lab.d1.write import upsert
from d1lab.errors import InputError
from d1lab.ingest.amounts import decimal_sign, is_plain, plain_amounts
from d1lab.ingest.rejected import RejectedLine
from d1lab.ingest.table_file import header_of, records, same_name
from d1lab.ingest.times import own_day

_PRODUCTS = catalog.table("d1lab_products")
_COSTS = catalog.table("product_costs")
_NEEDED = ("handle", "title", "variant sku", "variant price")
_OPTIONS = ("option1 value", "option2 value", "option3 value")
_LAST_COSTS = """
SELECT sku, unit_cost FROM product_costs AS costs
WHERE shop = ?1 AND valid_from = (
    SELECT max(valid_from) FROM product_costs WHERE shop = ?1 AND sku = costs.sku
)
"""


class CatalogProduct(NamedTuple):
    """One SKU: a row of d1lab_products (without the shop), and its unit cost."""

    sku: str
    title: str
    category: str | None
    vendor: str | None
    price: Decimal | None
    cost: Decimal | None


class ProductsResult(NamedTuple):
    """The result of loading a product file."""

    received: int  # SKUs
    written: int  # new or changed; 0 in a dry run
    known: int
    costs: int  # new unit costs
    rejected: tuple[RejectedLine, ...]


Line = tuple[int, Mapping[str, str]]
"""A line's number, and its cells by normalized column name."""


def read_lines(path: Path, needed: Iterable[str]) -> Iterator[Line]:
    """Yield the lines of a file, each with all columns.

    Raises:
        InputError: The file cannot be read, or a required column is missing.
    """
    found = records(path)
    names = [same_name(name) for name in header_of(path, found)]
    if missing := [name for name in needed if name not in names]:
        raise InputError(f"{path}: missing columns {', '.join(missing)}")
    for line, cells in found:
        padded = [*(cell.strip() for cell in cells), *[""] * (len(names) - len(cells))]
        yield line, dict(zip(names, padded, strict=False))


def variant_name(cells: Mapping[str, str]) -> str:
    """Return the name of a variant without a SKU as in orders: 'Wool sock - M'."""
    options = [cells.get(name, "") for name in _OPTIONS]
    shown = " / ".join(option for option in options if option not in ("", "Default Title"))
    return " - ".join(part for part in (cells.get("title", ""), shown) if part)


def amount_of(text: str) -> Decimal | None:
    """Parse an amount in any common format; None for an empty cell.

    Raises:
        InputError: The text is not an amount of 0 or more.
    """
    if not text:
        return None
    plain = plain_amounts([text], decimal_sign([text]) or ".").get(text, text)
    if not is_plain(plain) or Decimal(plain) < 0:
        raise InputError(f"{text[:40]!r} is not an amount of 0 or more")
    return Decimal(plain)


def ingest_products(
    db: Database | None, path: Path, *, shop: str, day: date | None = None, timezone: str = ""
) -> ProductsResult:
    """Write a file's products, and their new unit costs.

    Args:
        db: The database; None for a dry run.
        path: Shopify's product export.
        shop: The shop.
        day: The day of the export, from which unit costs are valid. Default: the file's
            own day.
        timezone: The shop's time zone, for the file's own day. UTC if empty.

    Raises:
        InputError: The file cannot be read, or is not a product export.
    """
    found, rejected = _read(path)
    if db is None:
        return ProductsResult(len(found), 0, 0, 0, rejected)
    if _PRODUCTS.name not in db.tables():
        raise InputError(f"{db.url} has no table {_PRODUCTS.name}. Run: d1lab migrate")
    columns = ("shop", *CatalogProduct._fields[:-1])
    rows = [(shop, *product[:-1]) for product in found.values()]
    written = upsert(db, _PRODUCTS.name, _PRODUCTS.key, columns, rows)
    costs = _write_costs(db, shop, found.values(), day or own_day(path, timezone))
    return ProductsResult(len(found), written, len(found) - written, costs, rejected)


def _read(path: Path) -> tuple[dict[str, CatalogProduct], tuple[RejectedLine, ...]]:
    found: dict[str, CatalogProduct] = {}
    rejected: list[RejectedLine] = []
    own: Mapping[str, str] = {}
    for line, cells in read_lines(path, _NEEDED):
        is_variant = cells["variant price"] or cells["variant sku"]
        own = cells if cells["title"] else own
        if not is_variant:
            continue  # another image of the product
        try:
            product = _product(own, cells)
            if product.sku in found and found[product.sku] != product:
                raise InputError("an earlier line has this SKU with other values")
            found[product.sku] = product
        except InputError as error:
            rejected.append(RejectedLine(line, str(error), {"sku": cells["variant sku"] or None}))
    return found, tuple(rejected)


def _product(own: Mapping[str, str], cells: Mapping[str, str]) -> CatalogProduct:
    """Build the product of a variant.

    Args:
        own: The product's first row.
        cells: The variant's row.
    """
    title = own.get("title", "")
    name = variant_name({**cells, "title": title})
    sku = cells["variant sku"].lstrip("'") or name
    if not sku:
        raise InputError("the variant has neither a SKU nor a title")
    return CatalogProduct(
        sku,
        name,
        own.get("type") or own.get("product category") or None,
        own.get("vendor") or None,
        amount_of(cells["variant price"]),
        amount_of(cells.get("cost per item", "")),
    )


def _write_costs(db: Database, shop: str, products: Iterable[CatalogProduct], day: date) -> int:
    last = {str(sku): Decimal(str(cost)) for sku, cost in db.query(_LAST_COSTS, (shop,)).rows}
    rows = [
        (shop, product.sku, product.cost, day.isoformat())
        for product in products
        if product.cost is not None and last.get(product.sku) != product.cost
    ]
    return upsert(db, _COSTS.name, _COSTS.key, ("shop", "sku", "unit_cost", "valid_from"), rows)
