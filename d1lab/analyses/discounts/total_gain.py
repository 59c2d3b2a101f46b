"""Expected gain of all recommended discounts together, with its interval."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

ENDS = (0.05, 0.95)
DRAWS = 2_000
_SEED = 28
_COLUMNS = (
    "unit_price unit_cost regular_units slope slope_error error_shared error_by_width drift depth"
)


class TotalGain(NamedTuple):
    """Profit with the recommended discounts minus profit at the regular prices."""

    value: float
    low: float  # 90% interval
    high: float


def total_gain(discounts: Frame) -> TotalGain:
    """Add up expected gains, and compute the interval of their sum.

    Args:
        discounts: Rows of `recommendations.advise` with the decision 'discount'; at least one.
    """
    value = float(discounts["gain"].astype(float).sum())
    low, high = (float(end) for end in np.quantile(drawn(discounts), ENDS))
    return TotalGain(value, min(low, value), max(high, value))


def drawn(discounts: Frame) -> NDArray[np.float64]:
    """Draw the sum of the gains from what is known about slopes.

    Products that are drawn toward the same mean err together by `error_shared`, and all of them by
    `error_by_width`. The rest of their errors is their own: it evens out over many products.
    """
    rows = discounts.sort_values("sku")
    price, cost, units, slope, error, shared, by_width, drift, depth = (
        rows[name].to_numpy(dtype=np.float64) for name in _COLUMNS.split()
    )
    random = np.random.default_rng(_SEED)
    log = np.log(1 - depth)
    names, groups = np.unique(rows["drawn_with"].to_numpy(dtype=np.intp), return_inverse=True)
    own = np.sqrt(np.maximum(error**2 - shared**2 - by_width**2, 0))
    slopes = slope - drift**2 * log / 2  # drift leaves the mean, as in `recommendation_rule.gains`
    slopes = slopes + by_width * random.normal(size=(DRAWS, 1))
    slopes += shared * random.normal(size=(DRAWS, len(names)))[:, groups]
    slopes += own * random.normal(size=(DRAWS, len(rows)))
    keep = price * (1 - depth) - cost
    return (units * (np.exp(slopes * log) * keep - (price - cost))).sum(axis=1)
