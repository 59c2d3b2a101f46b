"""What the columns of an orders file mean: Shopify's export by its header, others by a map.

A map is a small TOML file, or `--map order_id=InvoiceNo` for each column:

    timezone = "Europe/London"        # of times without an offset; UTC without it
    time_format = "%m/%d/%Y %H:%M"    # where times are not ISO 8601
    discount_skus = ["D"]             # lines that are money given back, not an article

    [columns]
    order_id = "InvoiceNo"
    quantity = "Quantity"
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from d1lab.errors import InputError, UnknownName

SHOPIFY = {
    "order_name": "name",
    "order_number": "id",
    "email": "email",
    "financial_status": "financial status",
    "currency": "currency",
    "subtotal": "subtotal",
    "shipping": "shipping",
    "taxes": "taxes",
    "total": "total",
    "discount_codes": "discount code",
    "discount_amount": "discount amount",
    "created_at": "created at",
    "cancelled_at": "cancelled at",
    "refunded_amount": "refunded amount",
    "quantity": "lineitem quantity",
    "product_title": "lineitem name",
    "price": "lineitem price",
    "compare_at_price": "lineitem compare at price",
    "sku": "lineitem sku",
    "line_discount": "lineitem discount",
}
"""Our names of the columns of Shopify's order export, whose headers vary in case and hyphens."""

_SHOPIFY_NEEDED = ("order_name", "created_at", "quantity", "product_title", "price")
_SPELLINGS = {"canceled at": "cancelled at"}

PLAIN = (
    "event_id",
    "order_id",
    "customer_id",
    "email",
    "sku",
    "product_title",
    "quantity",
    "list_price",
    "discount_amount",
    "discount_id",
    "discount_code",
    "discount_type",
    "revenue",
    "currency",
    "occurred_at",
)
"""The fields that a column map may name."""

_PLAIN_NEEDED = ("order_id", "sku", "quantity", "occurred_at")
_OPTIONS = ("timezone", "time_format", "discount_skus")


class ColumnMap(NamedTuple):
    """Fields and the columns that hold them."""

    layout: str  # 'shopify' or 'plain': <layout>_orders.sql reads it
    fields: tuple[str, ...]  # all that the layout knows
    columns: Mapping[str, str]  # the file's column by field; a field without one is empty
    timezone: str = "UTC"
    time_format: str | None = None
    discount_skus: tuple[str, ...] = ()


def column_map(header: Sequence[str], path: Path | None, pairs: Iterable[str]) -> ColumnMap:
    """How to read a file with this header.

    Args:
        header: The file's columns.
        path: A map in TOML, if any.
        pairs: "field=column" each; they add to the map and win over it.

    Raises:
        UnknownName: A field, option or column does not exist.
        InputError: There is no map and the file is not Shopify's export; a needed field lacks.
    """
    given = _read(path) if path else {}
    columns = {**given.pop("columns", {}), **dict(map(_pair, pairs))}
    if not (columns or given):
        return _shopify(header)
    return _plain(header, columns, given)


def _shopify(header: Sequence[str]) -> ColumnMap:
    named = {_normal(column): column for column in reversed(header)}  # the first of a name counts
    columns = {field: named[name] for field, name in SHOPIFY.items() if name in named}
    if missing := [SHOPIFY[field] for field in _SHOPIFY_NEEDED if field not in columns]:
        raise InputError(
            "not a Shopify order export: columns missing: "
            f"{', '.join(map(repr, missing))}. For other files, map the columns, for "
            f"example --map order_id={header[0]}"
        )
    return ColumnMap("shopify", tuple(SHOPIFY), columns)


def _normal(name: str) -> str:
    plain = " ".join(name.lower().replace("-", " ").split())
    return _SPELLINGS.get(plain, plain)


def _plain(
    header: Sequence[str], columns: Mapping[str, str], options: Mapping[str, object]
) -> ColumnMap:
    for field, column in columns.items():
        if field not in PLAIN:
            raise UnknownName("field", field, PLAIN, "the column map")
        if column not in header:
            raise UnknownName("column", str(column), header, "the file")
    if missing := [field for field in _PLAIN_NEEDED if field not in columns]:
        raise InputError(f"column map incomplete: add {', '.join(missing)}")
    if not {"list_price", "revenue"} & set(columns):
        raise InputError("column map incomplete: add list_price or revenue")
    return ColumnMap("plain", PLAIN, columns, **_options(options))


def _options(options: Mapping[str, object]) -> dict[str, Any]:
    for name in options:
        if name not in _OPTIONS:
            raise UnknownName("option", name, ("columns", *_OPTIONS), "the column map")
    zone, skus = options.get("timezone", "UTC"), options.get("discount_skus", [])
    try:
        ZoneInfo(str(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError(f"timezone {zone!r}: give a name such as 'Europe/London'") from None
    if not isinstance(skus, list) or not all(isinstance(sku, str) for sku in skus):
        raise InputError('discount_skus: give a list of texts, such as ["D"]')
    time_format = options.get("time_format")
    if time_format is not None and not isinstance(time_format, str):
        raise InputError("time_format: give a text such as '%m/%d/%Y %H:%M'")
    return {"timezone": str(zone), "time_format": time_format, "discount_skus": tuple(skus)}


def _read(path: Path) -> dict[str, dict[str, str]]:
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"file {path} does not exist") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid TOML: {error}") from None
    if not isinstance(given.get("columns", {}), dict):
        raise InputError(f'{path}: [columns] holds field = "column" lines')
    return given


def _pair(text: str) -> tuple[str, str]:
    field, sign, column = text.partition("=")
    if not sign:
        raise InputError(f"--map {text} is invalid. Use field=column, such as order_id=InvoiceNo.")
    return field.strip(), column.strip()
