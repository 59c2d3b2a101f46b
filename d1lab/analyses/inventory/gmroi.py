"""What the money in stock earns; it abstains without the unit's cost.

Turnover in units needs no cost. Margins do, and a price is no cost.
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
    """Per SKU, arrays with NaN where there is a reason; or for one, numbers."""

    cost_of_goods: Any  # units sold * unit cost
    average_cost: Any  # average units * unit cost: the money in stock
    cost_turnover: Any  # cost of goods / average cost
    gross_margin: Any  # revenue - cost of goods
    gmroi: Any  # gross margin / average cost, over the period
    profit_reason: Any  # one of `REASONS`, or None


def stock_profit(
    units_sold: ArrayLike, revenue: ArrayLike, average_units: ArrayLike, unit_cost: ArrayLike
) -> StockProfit:
    """Cost turnover and gross margin return on inventory (GMROI), per SKU.

    Args:
        units_sold: Net units of the period.
        revenue: What they brought in.
        average_units: The period's average stock; >= 0.
        unit_cost: What a unit costs; NaN where unknown.

    Raises:
        InputError: Lengths differ, or a value is no number.

    >>> found = stock_profit([480], [720_000], [80], [1_000])
    >>> found.cost_turnover.tolist(), found.gmroi.tolist()
    ([6.0], [3.0])
    """
    try:
        sold, earned, units, cost = np.broadcast_arrays(
            *(np.asarray(v, float) for v in (units_sold, revenue, average_units, unit_cost))
        )
    except (TypeError, ValueError) as error:
        raise InputError(f"numbers, or arrays of one length, are expected: {error}") from None
    goods, average = sold * cost, units * cost
    known = np.isfinite(average) & (average > 0)
    reason = np.full(cost.shape, None, dtype=object)
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
    return np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=where)
