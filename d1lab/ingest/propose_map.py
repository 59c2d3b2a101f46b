"""Propose a column map for an unknown file from its column names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from d1lab.ingest.lines import header
from d1lab.ingest.map_files import find_map
from d1lab.ingest.table_file import same_name

_WORDS = {
    "order_id": (
        "order id|order number|order no|order|id|invoice|invoice no|invoiceno|invoice number"
        "|transaction id|receipt|receipt number|bestellnummer|commande"
    ),
    "sku": "sku|item sku|product sku|stock code|stockcode|article|article number|item number"
    "|product code|product id|item|product|artikelnummer",
    "quantity": "quantity|qty|units|count|menge|item quantity|product qty",
    "list_price": "unit price|unitprice|price|item price|unit cost|item cost|preis|einzelpreis",
    "revenue": "line total|total|amount|revenue|net sales|net amount|item total|subtotal|betrag",
    "discount_amount": "discount|discount amount|discounts|rabatt",
    "discount_code": "discount code|coupon|coupon code|voucher|voucher code|promotion code",
    "occurred_at": "order date|date|created at|created|time|timestamp|invoice date|invoicedate"
    "|purchase date|ordered at|sale date|datum|bestelldatum",
    "email": "email|e mail|customer email|buyer email|billing email|email address",
    "phone": "phone|customer phone|billing phone|telephone|mobile|telefon",
    "customer_id": "customer id|customerid|customer|buyer|client|client id|kundennummer",
    "product_title": "product title|title|product name|item name|description|name|bezeichnung",
    "currency": "currency|currency code|order currency|währung",
    "country": "country|country code|billing country|ship country",
    "status": "status|order status|state|financial status|payment status",
}
"""Common column names of each field, the most reliable first."""

NEEDED = ("order_id", "sku", "quantity", "occurred_at")


def proposed_map(path: Path) -> str:
    """Return a column map as TOML, to review and save.

    Args:
        path: The orders file.

    Raises:
        InputError: The file cannot be read.
    """
    names = header(path)
    if known := find_map(names):
        title = known["title"]
        return f"# {path.name} is an export of {title}: d1lab reads it without a map.\n"
    columns = guessed_columns(names)
    lines = [f"# Proposed for {path.name}: check each line, then pass it with --map-file", ""]
    lines += ["[columns]", *(f"{field} = {_quoted(name)}" for field, name in columns.items())]
    missing = [field for field in NEEDED if field not in columns]
    if not {"list_price", "revenue"} & columns.keys():
        missing.append("list_price (or revenue)")
    lines += [f"# missing: {field}" for field in missing]
    unused = [name for name in names if name not in columns.values()]
    lines += ["", f"# not used: {', '.join(unused)}"] if unused else []
    return "\n".join(lines) + "\n"


def guessed_columns(names: Sequence[str]) -> dict[str, str]:
    """Guess the column of each field from the names; each column is used once.

    >>> guessed_columns(["InvoiceNo", "StockCode", "Quantity"])
    {'order_id': 'InvoiceNo', 'sku': 'StockCode', 'quantity': 'Quantity'}
    """
    free = {same_name(name): name for name in reversed(names)}
    ranked = sorted(
        (rank, field, word)
        for field, words in _WORDS.items()
        for rank, word in enumerate(words.split("|"))
        if word in free
    )
    found: dict[str, str] = {}
    for _, field, word in ranked:
        if field not in found and word in free:
            found[field] = free.pop(word)
    return {field: found[field] for field in _WORDS if field in found}


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
