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


def is_enough(count: int, share: float) -> bool:
    """Return True if a variant has enough values on both sides of the quantile.

    Args:
        count: Values of the variant.
        share: Share of the values below the quantile, inside (0, 1).
    """
    return count * min(share, 1 - share) >= MIN_BEYOND


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


def _quantile(values: np.ndarray, share: float) -> tuple[float, float]:
    """Return the quantile and its variance, from the 95% interval of order statistics."""
    from scipy.special import bdtr, ndtri

    n = len(values)
    reach = critical_z(0.05) * np.sqrt(n * share * (1 - share))
    low = max(int(np.floor(n * share - reach)), 1)
    high = min(int(np.ceil(n * share + reach)) + 1, n)
    held = float(
        bdtr(high - 1, n, share) - bdtr(low - 1, n, share)
    )  # P(low <= number below < high)
    middle = float(np.quantile(values, share))
    first, last = np.partition(values, [low - 1, high - 1])[[low - 1, high - 1]]
    width = float(last - first) / (2 * -float(ndtri((1 - held) / 2)))
    return middle, width**2
