"""Shopify's order exports, each line given by the cells that are not empty."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from pydantic import SecretStr

from d1lab.ingest.orders import OrdersResult, Reading, ingest_orders

SALT = SecretStr("a salt for the tests only")
_ORDER = (
    "Name,Email,Financial Status,Paid at,Currency,Subtotal,Shipping,Taxes,Total,Discount Code,"
    "Discount Amount,Created at,Cancelled at,Payment Method,Refunded Amount,Id,Billing Country,"
    "Phone,Duties,Notes"
)
_LINE = "quantity,name,price,compare at price,sku,requires shipping,discount"
HEADER = (*_ORDER.split(","), *(f"Lineitem {name}" for name in _LINE.split(",")))
FIRST = {
    "Name": "#1",
    "Financial Status": "paid",
    "Currency": "EUR",
    "Created at": "2026-05-01 09:30:00 +0200",
    "Lineitem quantity": "1",
    "Lineitem name": "Wool sock",
    "Lineitem price": "10.00",
    "Lineitem sku": "SOCK",
    "Id": "501",
}
MORE = {
    "Name": "#1",
    "Lineitem quantity": "1",
    "Lineitem name": "Cap",
    "Lineitem price": "10.00",
    "Lineitem sku": "CAP",
}


def write_export(path: Path, *lines: dict[str, str], header: Sequence[str] = HEADER) -> Path:
    """The file, written."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, header, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(lines)
    return path


def load(db, path, pairs: Sequence[str] = (), map_file: Path | None = None, **told) -> OrdersResult:
    """A file loaded for the shop 'harbor'."""
    return ingest_orders(
        db,
        path,
        shop="harbor",
        salt=SALT,
        reading=Reading(**told),
        pairs=pairs,
        map_file=map_file,
    )


def sums(db, kind: str = "order") -> tuple[int, float, float]:
    """Orders, units and revenue of the events of a type."""
    (row,) = db.query(
        "SELECT count(DISTINCT order_id), coalesce(sum(quantity), 0), "
        "round(coalesce(sum(revenue), 0), 4) FROM order_events WHERE type = ?1",
        (kind,),
    ).rows
    return row
