"""Gross margin return on inventory (GMROI); not available without unit costs.

Turnover in units does not require costs. Margins do, and prices are not used in their place.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from d1lab.errors import InputError

REASONS = {
    "no_unit_cost": "unit cost missing; load it with `d1lab ingest costs FILE`",
    "no_stock_value": "average stock value at cost is zero",
}


class StockProfit(NamedTuple):
    """Profit per SKU: arrays with NaN if there is a reason, or numbers for one SKU."""

    cost_of_goods: Any  # units sold * unit cost
    average_cost: Any  # average units * unit cost: average stock value at cost
    cost_turnover: Any  # cost of goods / average cost
    gross_margin: Any  # revenue - cost of goods
    gmroi: Any  # gross margin / average cost, over the period
    profit_reason: Any  # one of `REASONS`, or None


def stock_profit(
    units_sold: ArrayLike, revenue: ArrayLike, average_units: ArrayLike, unit_cost: ArrayLike
) -> StockProfit:
    """Compute cost turnover and gross margin return on inventory (GMROI) per SKU.

    Args:
        units_sold: Net units of the period.
        revenue: Revenue of these units.
        average_units: Average stock of the period; >= 0.
        unit_cost: Cost per unit; NaN if unknown.

    Raises:
        InputError: Lengths differ, or a value is not a number.

    >>> found = stock_profit([480], [720_000], [80], [1_000])
    >>> found.cost_turnover.tolist(), found.gmroi.tolist()
    ([6.0], [3.0])
    """
    try:
        sold, earned, units, cost = np.broadcast_arrays(
            *(np.asarray(v, float) for v in (units_sold, revenue, average_units, unit_cost))
        )
    except (TypeError, ValueError) as error:
        raise InputError(f"expected numbers or arrays of equal length: {error}") from None
    goods, average = sold * cost, units * cost
    known = average > 0
    reason = np.full(cost.shape, None)
    reason[~known] = "no_stock_value"
    reason[~np.isfinite(cost)] = "no_unit_cost"
    margin = earned - goods
    return StockProfit(
        goods,
        average,
        _ratio(goods, average, known),
        margin,
        _ratio(margin, average, known),
        reason,
    )


def _ratio(top: Any, bottom: Any, where: Any) -> Any:
    return top / np.where(where, bottom, np.nan)
