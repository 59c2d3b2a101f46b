"""Unpack orders with all products in one cell (BigCommerce) into one record per product.

A cell reads 'Product ID: 1, Product Qty: 2, Product SKU: A, ...|Product ID: 2, ...'. The names
become columns after those of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

Record = tuple[int, list[str]]

NAMES = (
    "Product ID",
    "Product Qty",
    "Product SKU",
    "Product Name",
    "Product Weight",
    "Product Variation Details",
    "Product Unit Price",
    "Product Total Price",
)
_PART = re.compile(rf"(?:^|,\s*)({'|'.join(NAMES)}):\s*")


def unpacked(
    names: list[str], found: Iterable[Record], column: str
) -> tuple[list[str], Iterator[Record]]:
    """Return the names including product columns, and one record per product of each order.

    >>> names, found = unpacked(["n", "p"], [(2, ["1", "Product Qty: 2, Product SKU: A, b"])], "p")
    >>> next(found)[1][names.index("Product SKU")]
    'A, b'
    """
    own = [name for name in NAMES if name not in names]
    place = names.index(column)

    def products() -> Iterator[Record]:
        for line, cells in found:
            packed = cells[place] if place < len(cells) else ""
            for product in packed.split("|"):
                parts = _parts(product)
                yield line, [*cells, *(parts.get(name, "") for name in own)]

    return [*names, *own], products()


def _parts(product: str) -> dict[str, str]:
    pieces = _PART.split(product.strip())[1:]
    return {name: text.strip() for name, text in zip(pieces[::2], pieces[1::2], strict=True)}
