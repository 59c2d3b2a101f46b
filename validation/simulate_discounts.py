"""Simulated shops in which it is known when a discount was on offer, and what it sells.

    frame(units, taken)    the rows that the metric `discount_weeks` would give

Units per product and week are gamma-Poisson (variance above the mean), with levels that differ
between products and weeks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Frame = Any

PRICE = 10.0
COLUMNS = "level discount_id discount_code sku week units orders listed given first_week category"


def half_window(skus: int, weeks: int, start: int, end: int) -> Any:
    """Return an offer for the first half of the products, from one week to another."""
    on = np.zeros((skus, weeks), dtype=bool)
    on[: skus // 2, start:end] = True
    return on


def runs(skus: int, weeks: int, mean_on: float, mean_off: float, random: Any) -> Any:
    """Return offers that come and go by product, with geometric lengths of at least one week."""
    on = np.zeros((skus, weeks), dtype=bool)
    for row in on:
        at, state = 0, random.random() < mean_on / (mean_on + mean_off)
        while at < weeks:
            length = random.geometric(1 / (mean_on if state else mean_off))
            row[at : at + length] = state
            at, state = at + length, not state
    return on


def demand(on: Any, rate: float, lift: Any, random: Any, *, level: Any = None) -> Any:
    """Return units per product and week; `lift` for all products, or one per product.

    `level` is the mean of each product, as a multiple of `rate`; drawn where it is None.
    """
    skus, weeks = on.shape
    own = np.exp(random.normal(0, 0.5, skus)) if level is None else np.asarray(level)
    level = rate * own[:, None] * np.exp(random.normal(0, 0.2, (1, weeks)))
    raised = np.where(on, 1 + np.broadcast_to(lift, skus)[:, None], 1)
    return random.poisson(level * raised * random.gamma(5, 0.2, on.shape))


def frame(units: Any, taken: Any, depth: Any = 0.25, name: str = "promo") -> Frame:
    """Return rows of the metric `discount_weeks` for one discount.

    Args:
        units: Units sold, product x week.
        taken: Units sold with the discount.
        depth: Discount / list price, for all products or one per product.
        name: The discount's ID.
    """
    import pandas as pd

    depths = np.broadcast_to(depth, len(units))
    parts = []
    for level, sold in (("sku", units), ("discount", taken)):
        sku, week = np.nonzero(sold)
        number = sold[sku, week].astype(float)
        given = taken[sku, week] * PRICE * depths[sku]
        columns = {
            "level": level,
            "discount_id": name if level == "discount" else None,
            "discount_code": None,
            "sku": [f"s{one:05}" for one in sku],
            "week": week - units.shape[1] + 1,
            "units": number,
            "orders": number,
            "listed": number * PRICE,
            "given": given,
            "first_week": -units.shape[1] - 4,
            "category": None,
        }
        parts.append(pd.DataFrame(columns, columns=pd.Index(COLUMNS.split())))
    return pd.concat([part for part in parts if len(part)], ignore_index=True)
