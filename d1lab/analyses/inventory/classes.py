"""Product classes by revenue (ABC), variation of sales (XYZ), and demand pattern.

The cutoffs are conventions of the field, not estimates.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from d1lab.analyses.inventory.windows import in_parts, since_first_sale
from d1lab.errors import InputError

A_SHARE, B_SHARE = 0.80, 0.95  # of revenue
X_VARIATION, Y_VARIATION = 0.5, 1.0  # weekly coefficient of variation
LONG_INTERVAL, LUMPY_SQUARE = 1.32, 0.49  # Syntetos, Boylan & Croston (2005)
MIN_WEEKS = 8  # known weeks required for a class

Floats = NDArray[np.float64]
Texts = NDArray[np.object_]


def abc(revenue: ArrayLike) -> Texts:
    """Classify products by their share of revenue, highest first.

    Args:
        revenue: Revenue per product over a period; missing values count as 0.

    Returns:
        'A' for the products with the first 80% of revenue, 'B' up to 95%, then 'C'. A product that
        crosses a limit gets the higher class; one without revenue is C. Ties keep their order.

    >>> abc([10, 50, 0, 35, 5]).tolist()
    ['B', 'A', 'C', 'A', 'C']
    """
    earned = np.nan_to_num(np.asarray(revenue, dtype=np.float64))
    earned = np.maximum(earned, 0)
    order = np.argsort(-earned, kind="stable")
    before = np.cumsum(earned[order]) - earned[order]
    total = earned.sum()
    classes = np.full(len(earned), "C", dtype=object)
    # Sums are floats; a product that starts exactly at a limit is beyond it.
    classes[order[before < B_SHARE * total * (1 - 1e-12)]] = "B"
    classes[order[before < A_SHARE * total * (1 - 1e-12)]] = "A"
    classes[earned == 0] = "C"
    return classes


class Variation(NamedTuple):
    """Variation of demand; arrays with one item per SKU, NaN or None if unknown."""

    variation: Floats  # coefficient of variation of weekly units
    xyz: Texts  # X up to 0.5, Y up to 1, Z above
    interval: Floats  # average demand interval (ADI): weeks per week with a sale
    size_variation: Floats  # squared coefficient of variation of units in weeks with a sale
    demand: Texts  # smooth, erratic, intermittent, or lumpy


def variation(weeks: ArrayLike) -> Variation:
    """Compute the XYZ and demand class of each SKU from its weeks since the first sale.

    Args:
        weeks: Units, SKU x week, NaN if unknown, as for `demand.forecast`.

    Returns:
        Classes; None with fewer than 8 known weeks or without sales.

    Raises:
        InputError: `weeks` is not a matrix.

    Demand classes by Syntetos, Boylan & Croston (2005): interval 1.32, squared variation 0.49.
    """
    units = np.asarray(weeks, dtype=np.float64)
    if units.ndim != 2:
        raise InputError(f"weekly demand must be a matrix of SKU x week, not {units.shape}")
    parts = [_variation(since_first_sale(units[rows])) for rows in in_parts(len(units))]
    return Variation(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def _variation(units: Floats) -> Variation:
    known, sold = np.isfinite(units), units > 0
    count, sales = known.sum(axis=1), sold.sum(axis=1)
    enough = count >= MIN_WEEKS
    spread = np.sqrt(_squared_variation(units, known))
    sizes = _squared_variation(units, sold)
    interval = count / np.where(sales > 0, sales, np.nan)
    for column in (spread, sizes, interval):
        column[~enough] = np.nan
    return Variation(spread, _xyz(spread), interval, sizes, _demand_class(interval, sizes))


def _squared_variation(units: Floats, where: NDArray[np.bool_]) -> Floats:
    count = where.sum(axis=1)
    mean = np.where(where, units, 0).sum(axis=1) / np.where(count > 0, count, np.nan)
    squares = np.where(where, (units - mean[:, None]) ** 2, 0).sum(axis=1)
    return squares / (count * np.where(mean > 0, mean, np.nan) ** 2)


def _xyz(spread: Floats) -> Texts:
    classes = np.full(len(spread), None)
    for name, limit in (("Z", np.inf), ("Y", Y_VARIATION), ("X", X_VARIATION)):
        classes[spread <= limit] = name
    return classes


def _demand_class(interval: Floats, sizes: Floats) -> Texts:
    often, even = interval < LONG_INTERVAL, sizes < LUMPY_SQUARE
    known = np.isfinite(interval) & np.isfinite(sizes)
    classes = np.full(len(interval), None)
    classes[known & often & even] = "smooth"
    classes[known & often & ~even] = "erratic"
    classes[known & ~often & even] = "intermittent"
    classes[known & ~often & ~even] = "lumpy"
    return classes
