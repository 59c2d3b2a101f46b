"""Shopify's bulk export: JSON lines of orders and their items, as rows of the CSV export's columns.

An item's line names its order in `__parentId`. Money may stand in `shopMoney` or plainly. What the
query did not ask for is empty, as in an older CSV export.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from d1lab.errors import InputError

_ORDER = {
    "Name": ("name",),
    "Id": ("legacyResourceId", "id"),
    "Email": ("email", "customer.email"),
    "Phone": ("phone", "customer.phone", "shippingAddress.phone", "billingAddress.phone"),
    "Customer Id": ("customer.legacyResourceId", "customer.id"),
    "Shipping Country": ("shippingAddress.countryCodeV2", "billingAddress.countryCodeV2"),
    "Financial Status": ("displayFinancialStatus", "financialStatus"),
    "Currency": ("currencyCode", "totalPriceSet.shopMoney.currencyCode"),
    "Subtotal": ("subtotalPriceSet", "subtotalPrice"),
    "Shipping": ("totalShippingPriceSet", "totalShippingPrice"),
    "Taxes": ("totalTaxSet", "totalTax"),
    "Total": ("totalPriceSet", "totalPrice"),
    "Duties": ("currentTotalDutiesSet", "originalTotalDutiesSet"),
    "Discount Code": ("discountCodes", "discountCode"),
    "Discount Amount": ("totalDiscountsSet", "totalDiscounts"),
    "Refunded Amount": ("totalRefundedSet", "totalRefunded"),
    "Created at": ("processedAt", "createdAt"),
    "Updated at": ("updatedAt",),
    "Cancelled at": ("cancelledAt",),
    "Payment Method": ("paymentGatewayNames",),
    "Test": ("test",),
}
_ITEM = {
    "Lineitem quantity": ("quantity",),
    "Lineitem name": ("name", "title"),
    "Lineitem price": ("originalUnitPriceSet", "originalUnitPrice"),
    "Lineitem sku": ("sku", "variant.sku"),
    "Lineitem discount": ("totalDiscountSet", "totalDiscount"),
    "Lineitem requires shipping": ("requiresShipping",),
    "Lineitem gift card": ("isGiftCard", "product.isGiftCard"),
}
COLUMNS = (*_ORDER, *_ITEM)


def bulk_records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The columns' names, then a record for each item, with the line it stands in.

    Raises:
        InputError: A line is not JSON, or is no order nor part of one.
    """
    yield 1, list(COLUMNS)
    orders: dict[str, list[str]] = {}
    for number, item in _objects(path):
        parent = item.get("__parentId")
        if parent is None:
            orders[_own_id(path, number, item)] = [_found(item, _ORDER[name]) for name in _ORDER]
            for line in _nested(item):
                yield number, [*orders[str(item["id"])], *_of_item(line)]
        elif "quantity" in item and str(parent) in orders and "LineItem/" in str(item.get("id")):
            yield number, [*orders[str(parent)], *_of_item(item)]


def _objects(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                found = orjson.loads(line.removeprefix(b"\xef\xbb\xbf"))
            except orjson.JSONDecodeError as error:
                raise InputError(f"{path}, line {number} is not JSON: {error}") from None
            if not isinstance(found, dict):
                raise InputError(f"{path}, line {number} is not a JSON object")
            yield number, found


def _own_id(path: Path, number: int, item: Mapping[str, Any]) -> str:
    if "Order/" not in str(item.get("id")):
        raise InputError(
            f"{path}, line {number} is not an order of a Shopify bulk export. For order events, "
            "run: d1lab track FILE"
        )
    return str(item["id"])


def _nested(order: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Items within the order, as a query that is no bulk operation gives them."""
    items = order.get("lineItems") or []
    if isinstance(items, Mapping):
        items = items.get("nodes") or [edge["node"] for edge in items.get("edges", [])]
    return list(items)


def _of_item(item: Mapping[str, Any]) -> list[str]:
    return [_found(item, paths) for paths in _ITEM.values()]


def _found(item: Mapping[str, Any], paths: tuple[str, ...]) -> str:
    """The text at the first of the paths that is there."""
    for path in paths:
        value: Any = item
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        if value not in (None, "", []):
            return _plain(value)
    return ""


def _plain(value: Any) -> str:
    """Money by its amount, a list by its parts, an identifier by its number."""
    if isinstance(value, Mapping):
        return _plain(value.get("shopMoney", value.get("amount", "")))
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    return text.rpartition("/")[2] if text.startswith("gid://shopify/") else text
