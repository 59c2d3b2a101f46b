"""Difference of a quantile between two variants, such as the median order value.

The error of a quantile comes from two order statistics around it, without its density: Price &
Bonett (2002), Journal of Statistical Computation and Simulation 72:119-124, for medians; Deng,
Knoblich & Lu (2018), KDD, for any quantile.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from d1lab.stats.means import Means
from d1lab.stats.power import critical_z

MIN_BEYOND = 25
"""Minimum of values on each side of the quantile, per variant."""


MOST_TIED = 0.15
"""Maximum share of one value among those around the quantile. With prices, a quantile jumps from
one to the next, and its error is not that of order statistics: 23% of equal variants differed."""


def is_enough(count: int, share: float) -> bool:
    """Return True if a variant has enough values on both sides of the quantile.

    Args:
        count: Values of the variant.
        share: Share of the values below the quantile, inside (0, 1).
    """
    return count * min(share, 1 - share) > MIN_BEYOND - 1e-6  # 250 * (1 - 0.9) is 24.99...


def quantile_means(a: ArrayLike, b: ArrayLike, share: float = 0.5) -> Means:
    """Return the quantile of each variant with its variance; both need `is_enough` values.

    Args:
        a: Values of the control.
        b: Values of the treatment.
        share: Share of the values below the quantile, inside (0, 1).
    """
    values = [_quantile(np.asarray(column, dtype=np.float64), share) for column in (a, b)]
    (of_a, variance_a), (of_b, variance_b) = values
    columns = (of_a, variance_a, of_b, variance_b, np.inf)
    return Means(*(np.asarray(number, dtype=np.float64) for number in columns))


def tied(values: ArrayLike, share: float) -> float:
    """Return the share of the most frequent value among those around the quantile.

    Args:
        values: Values of one variant, at least one.
        share: Share of the values below the quantile, inside (0, 1).
    """
    column = np.sort(np.asarray(values, dtype=np.float64))
    low, high = _ranks(len(column), share)
    around = column[low - 1 : high]
    return float(np.unique(around, return_counts=True)[1].max() / len(around))


def _ranks(n: int, share: float) -> tuple[int, int]:
    """Return the ranks of the order statistics that hold the quantile in 95%, from 1."""
    reach = critical_z(0.05) * np.sqrt(n * share * (1 - share))
    low = max(int(np.floor(n * share - reach)), 1)
    return low, min(int(np.ceil(n * share + reach)) + 1, n)


def _quantile(values: np.ndarray, share: float) -> tuple[float, float]:
    """Return the quantile and its variance, from the 95% interval of order statistics."""
    from scipy.special import bdtr, ndtri

    n = len(values)
    low, high = _ranks(n, share)
    held = float(
        bdtr(high - 1, n, share) - bdtr(low - 1, n, share)
    )  # P(low <= number below < high)
    middle = float(np.quantile(values, share))
    first, last = np.partition(values, [low - 1, high - 1])[[low - 1, high - 1]]
    width = float(last - first) / (2 * -float(ndtri((1 - held) / 2)))
    return middle, width**2
