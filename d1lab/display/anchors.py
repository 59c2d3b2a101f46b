"""Anchors of rows: what a link to one row of a page's tables ends with."""

from __future__ import annotations

import re
from typing import Any

from d1lab.display.table import TableColumn
from d1lab.files import digest

ANCHORED = ("test", "product", "sku", "name", "discount", "discount_code", "code", "customer_id")
"""First columns whose rows can be linked to."""
NAME_AND_KEY = re.compile(r"(.*\S)\s*\(([^()]+)\)", re.DOTALL)
"""Such as 'Dark roast beans (8090537)': the name of a product, and its SKU."""


def row_anchor(column: TableColumn, cell: Any) -> str:
    """Return the name of a row by its first column; '' if its rows have no anchors."""
    if column.name not in ANCHORED or cell is None:
        return ""
    return f"{column.name.replace('_', '-')}-{slug(row_key(cell)) or digest(str(cell))[:8]}"


def row_key(cell: Any) -> str:
    """Return the key in the first cell of a row.

    >>> row_key("Dark roast beans (8090537)"), row_key("WELCOME10")
    ('8090537', 'WELCOME10')
    """
    named = NAME_AND_KEY.fullmatch(str(cell))
    return named[2] if named else str(cell)


def slug(text: str) -> str:
    """Return a text as part of an anchor: lowercase letters, digits, and hyphens.

    >>> slug("WELCOME 10 %")
    'welcome-10'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60]
