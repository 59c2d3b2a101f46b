"""Simulated unit costs based on real list prices, because no public data set has costs.

Gross margins on the list price are between 20% and 55%, the range reported by the trade for its
departments: about 25% in dry grocery, 30% in dairy and meat, 40% in deli and produce, and 55% in
bakery. Each of the about 300 product groups has a margin between 25% and 50%, and a product differs
from its group by up to 5 percentage points. The true margins of the groups are unknown, and groups
are not matched to departments. One group in twenty has no costs, as if invoices of a supplier were
missing. Every row has source = 'simulated'.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np

GROUP_MARGINS = (0.25, 0.50)
SPREAD = 0.05
UNKNOWN = 0.05  # share of the groups without a cost

_PRODUCTS = Path(__file__).with_name("costs.sql")
_GROUPS = "SELECT DISTINCT product_category FROM read_parquet($products) ORDER BY 1"
_CENT = Decimal("0.01")


class UnitCost(NamedTuple):
    """A row of `product_costs`."""

    shop: str
    sku: str
    unit_cost: Decimal
    valid_from: date  # the shop's first day
    source: str = "simulated"


def simulate_costs(
    con: duckdb.DuckDBPyConnection, products: Path, shop: str, *, seed: int
) -> list[UnitCost]:
    """Simulate one cost per product of a shop, by SKU; none for fuel, cards, and excluded groups.

    Args:
        con: A connection with the view `order_lines`.
        products: Parquet file with the group (product_category) of each product_id.
        shop: Shop of the products.
        seed: Random seed; the same seed and orders give the same rows. A group has the same margin
            in every shop.
    """
    file = {"products": str(products)}
    groups = [str(name) for (name,) in con.sql(_GROUPS, params=file).fetchall()]
    margins = _margins(groups, seed)
    rows = con.sql(_PRODUCTS.read_text(), params={**file, "shop": shop}).fetchall()
    off = np.random.default_rng([seed, *shop.encode()]).uniform(-SPREAD, SPREAD, len(rows))
    return [
        UnitCost(shop, sku, _in_cents(price * (1 - margins[group] - own)), first_day)
        for (sku, group, price, first_day), own in zip(rows, off.tolist(), strict=True)
        if group in margins
    ]


def _margins(groups: list[str], seed: int) -> dict[str, float]:
    """Return the margin of each group with costs."""
    rng = np.random.default_rng(seed)
    margins = rng.uniform(*GROUP_MARGINS, len(groups)).tolist()
    known = (rng.random(len(groups)) >= UNKNOWN).tolist()
    return {
        group: margin
        for group, margin, is_known in zip(groups, margins, known, strict=True)
        if is_known
    }


def _in_cents(cost: float) -> Decimal:
    return max(Decimal(cost).quantize(_CENT), _CENT)
