"""Simulated stock levels for real demand, because no public data set has stock.

Units sold are the shop's own. Each SKU is restocked by reorder point and lot size. Deliveries take
days and some are late, so that stockouts occur. A few units are lost or returned, and some days are
not recorded. `d1lab_sources` marks the rows as simulated.
"""

# pyright: standard

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
import pyarrow as pa

COLUMNS = (
    "shop",
    "sku",
    "date",
    "starting_inventory",
    "units_sold_with_discount",
    "units_sold_regular_price",
    "ending_inventory",
)
DAYS = 180

_DEMAND = Path(__file__).with_name("stock.sql")


class Stock(NamedTuple):
    """Units of each SKU (rows) at the start and the end of each day (columns)."""

    starting: np.ndarray
    ending: np.ndarray


def simulate_stock(
    con: duckdb.DuckDBPyConnection, shop: str, *, skus: int, dead: int, seed: int
) -> pa.Table:
    """Simulate rows of `inventory_impact`: the last 180 days of a shop's SKUs.

    Args:
        con: A connection with the view `order_lines`.
        shop: Shop of the demand.
        skus: Number of SKUs, those with the most units.
        dead: Number of these SKUs without a sale for 90 days.
        seed: Random seed; the same seed and demand give the same rows.
    """
    parameters = {"shop": shop, "days": DAYS, "skus": skus, "dead": dead}
    demand = con.sql(_DEMAND.read_text(), params=parameters).to_arrow_table()
    rng = np.random.default_rng([seed, *shop.encode()])
    sold = _grid(demand, "with_discount") + _grid(demand, "regular")
    stock = restock(sold, rng)
    table = pa.table(
        {
            "shop": pa.repeat(shop, demand.num_rows),
            "sku": demand["sku"],
            "date": demand["day"],
            "starting_inventory": stock.starting.ravel(),
            "units_sold_with_discount": demand["with_discount"],
            "units_sold_regular_price": demand["regular"],
            "ending_inventory": stock.ending.ravel(),
        }
    )
    return table.filter(pa.array(_recorded(sold.shape, rng).ravel()))


def restock(sold: np.ndarray, rng: np.random.Generator) -> Stock:
    """Simulate stock for given sales: (R, Q) policy with one open delivery at a time.

    Sales are given. If the stock is too low for them, an open delivery usually arrives on that day;
    otherwise the stock becomes negative (oversold).

    Args:
        sold: Units sold, SKUs x days.
        rng: Random number generator.
    """
    skus, days = sold.shape
    # plan by the first half if it had more sales, so that SKUs that stop selling keep stock
    rate = np.maximum(sold.mean(axis=1), sold[:, : days // 2].mean(axis=1))
    lead_days = rng.integers(3, 15, skus)
    reorder_point = np.ceil(rate * lead_days + 0.5 * np.sqrt(rate * lead_days)).astype(np.int64)
    lot = np.maximum(6, np.ceil(rate * rng.integers(14, 46, skus))).astype(np.int64)
    on_hand = reorder_point + (lot * rng.random(skus)).astype(np.int64)
    on_hand = np.where(rate > 0, on_hand, rng.integers(12, 60, skus))
    ordered, arrival = np.zeros(skus, np.int64), np.zeros(skus, np.int64)
    starting, ending = np.empty_like(sold), np.empty_like(sold)
    for day in range(days):
        on_hand = on_hand + _recount(on_hand, rng)
        starting[:, day] = on_hand
        hurried = (on_hand < sold[:, day]) & (rng.random(skus) < 0.9)
        arrives = (ordered > 0) & ((arrival <= day) | hurried)
        on_hand = on_hand + np.where(arrives, ordered, 0) - sold[:, day] + _drift(sold[:, day], rng)
        ending[:, day] = on_hand
        ordered = np.where(arrives, 0, ordered)
        orders = (ordered == 0) & (on_hand <= reorder_point) & (rate > 0)
        ordered = np.where(orders, lot + np.maximum(-on_hand, 0), ordered)
        arrival = np.where(orders, day + lead_days + _delay(skus, rng), arrival)
    return Stock(starting, ending)


def _recount(on_hand: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Simulate stock counts that find one unit less in the morning than in the evening."""
    return -((rng.random(on_hand.size) < 0.002) & (on_hand > 0)).astype(np.int64)


def _drift(sold: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Simulate returns (1 unit in 50 selling days) and losses (1 unit in 250 days)."""
    back = (sold > 0) & (rng.random(sold.size) < 0.02)
    return back.astype(np.int64) - (rng.random(sold.size) < 0.004)


def _delay(skus: int, rng: np.random.Generator) -> np.ndarray:
    """Simulate delays: one delivery in five is up to ten days late."""
    return np.where(rng.random(skus) < 0.2, rng.integers(1, 11, skus), 0)


def _recorded(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Simulate recorded days: 99 in 100, for the third SKU only 60."""
    share = np.full((shape[0], 1), 0.99)
    share[2:3] = 0.6
    return rng.random(shape) < share


def _grid(demand: pa.Table, column: str) -> np.ndarray:
    """Reshape a column to SKUs x days; rows must be sorted by both, without gaps."""
    return demand[column].to_numpy().reshape(-1, DAYS)
