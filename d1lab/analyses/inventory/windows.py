"""Past weeks as test windows: what was known at each week, and what sold in the four weeks after.

Matrices are SKU x week, newest week last.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from d1lab.analyses.inventory.forecasters import HORIZON_WEEKS, TOGETHER, Floats
from d1lab.errors import InputError

MIN_WEEKS = 8  # since the first sale, required for a forecast
MIN_CALIBRATION = 100  # windows of all SKUs required for quantiles of their errors


class Past(NamedTuple):
    """Sales after each week: SKU x week, NaN unless all four weeks are known."""

    sums: Floats
    squares: Floats
    scale: Floats  # mean squared weekly change up to each week
    able: NDArray[np.bool_]  # whether there are enough weeks since the first sale for a forecast


def as_matrix(weeks: ArrayLike) -> Floats:
    """Return weekly units as a matrix, NaN before each SKU's first sale.

    Raises:
        InputError: `weeks` is not a matrix of numbers.
    """
    return since_first_sale(checked(weeks))


def checked(weeks: ArrayLike) -> Floats:
    """Return weekly units as a matrix, without a copy if they are one.

    Raises:
        InputError: `weeks` is not a matrix of numbers.
    """
    try:
        units = np.asarray(weeks, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"weekly demand must be a matrix of numbers: {error}") from None
    if units.ndim != 2 or units.shape[1] == 0 or np.isinf(units).any():
        raise InputError(
            f"weekly demand must be a matrix of SKU x week, finite or NaN, not {units.shape}"
        )
    return units


def since_first_sale(weeks: Floats) -> Floats:
    """Return a copy with NaN before each SKU's first sale: it was possibly not for sale then."""
    return np.where(np.logical_or.accumulate(weeks > 0, axis=1), weeks, np.nan)


def in_parts(skus: int) -> list[slice]:
    """Return the SKUs in parts, of which many matrices can be held at a time."""
    return [slice(first, first + TOGETHER) for first in range(0, max(skus, 1), TOGETHER)]


def past_of(units: Floats) -> Past:
    """Return the windows of the result of `as_matrix`."""
    known = np.isfinite(units)
    change = np.diff(units, axis=1, prepend=np.nan)
    changes = np.cumsum(np.isfinite(change), axis=1)
    # Add one change of one unit, so that the scale of a constant SKU is not zero.
    scale = (np.cumsum(np.nan_to_num(change) ** 2, axis=1) + 1) / (changes + 1)
    return Past(
        sums=_following(units),
        squares=_following(units**2),
        scale=scale,
        able=np.cumsum(known, axis=1) >= MIN_WEEKS,
    )


def _following(values: Floats) -> Floats:
    """Return the sum of the four weeks after each week; NaN unless all are known."""
    sums = np.full(values.shape, np.nan)
    if values.shape[1] > HORIZON_WEEKS:
        later = np.lib.stride_tricks.sliding_window_view(values[:, 1:], HORIZON_WEEKS, axis=1)
        sums[:, :-HORIZON_WEEKS] = later.sum(axis=2)
    return sums


def spread(total: Floats, scale: Floats) -> Floats:
    """Return the unit of errors of 28-day demand: sqrt(forecast x weekly change)."""
    unit = np.sqrt(scale)
    unit *= np.maximum(total, 1)
    return np.sqrt(unit, out=unit)


def quantiles(scaled: Floats, shares: Floats) -> Floats:
    """Return quantiles of the scaled errors of all SKUs; NaN if there are too few."""
    known = scaled[np.isfinite(scaled)]
    if len(known) < MIN_CALIBRATION:
        return np.full(len(shares), np.nan)
    return np.quantile(known, shares, overwrite_input=True)  # a copy already


def by_then(values: NDArray[Any]) -> Floats:
    """Return the sums over the windows that are complete by each week."""
    sums = np.zeros(values.shape)
    np.cumsum(values[:, :-HORIZON_WEEKS], axis=1, dtype=np.float64, out=sums[:, HORIZON_WEEKS:])
    return sums
