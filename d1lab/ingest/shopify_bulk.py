"""Read Shopify's bulk export (JSON lines of orders and items) as rows of the CSV export.

An item's line has its order in `__parentId`. Money is either in `shopMoney` or a plain value.
Fields that the query did not request are empty, as in older CSV exports.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

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
    """Yield the column names, then a record for each item with its line number.

    Raises:
        InputError: A line is not JSON, or is neither an order nor part of one.
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
    """Return items nested in the order, as in the result of an ordinary (non-bulk) query."""
    items: Any = order.get("lineItems") or []
    if isinstance(items, Mapping):
        items = cast("Mapping[str, Any]", items)
        items = items.get("nodes") or [edge["node"] for edge in items.get("edges", [])]
    return list(items)


def _of_item(item: Mapping[str, Any]) -> list[str]:
    return [_found(item, paths) for paths in _ITEM.values()]


def _found(item: Mapping[str, Any], paths: tuple[str, ...]) -> str:
    """Return the text at the first path that exists."""
    for path in paths:
        value: Any = item
        for name in path.split("."):
            value = cast("Any", value).get(name) if isinstance(value, Mapping) else None
        if value not in (None, "", []):
            return _plain(value)
    return ""


def _plain(value: Any) -> str:
    """Convert a value to text: money to its amount, a list to its items, an ID to its number."""
    if isinstance(value, Mapping):
        money = cast("Mapping[str, Any]", value)
        return _plain(money.get("shopMoney", money.get("amount", "")))
    if isinstance(value, list):
        return ", ".join(map(_plain, cast("list[Any]", value)))
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    return text.rpartition("/")[2] if text.startswith("gid://shopify/") else text
