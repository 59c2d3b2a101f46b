"""Baseline forecast methods for weekly demand, vectorized over SKUs and weeks.

A rival takes a matrix of weekly units (SKU x week, NaN where a week is unknown) and gives back a
matrix of the same shape: in column t the units per week that it expects of the weeks after t,
knowing nothing later than t. NaN where it has nothing to go by. The loops run over weeks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rival = Callable[[Floats], Floats]

YEAR_WEEKS = 52
HORIZON_WEEKS = 4


def moving_mean(weeks: Floats, length: int) -> Floats:
    """The mean of the last `length` weeks, of those known; 4 is Shopify's own rule."""
    known = np.isfinite(weeks)
    sums = _trailing(np.where(known, weeks, 0.0), length)
    counts = _trailing(known.astype(float), length)
    return np.divide(sums, counts, out=np.full(weeks.shape, np.nan), where=counts > 0)


def _trailing(values: Floats, length: int) -> Floats:
    total = np.cumsum(values, axis=1)
    total[:, length:] -= total[:, :-length].copy()
    return total


def smoothed(weeks: Floats, alpha: float) -> Floats:
    """Simple exponential smoothing (Brown 1956), begun with the first known week."""
    levels = np.empty_like(weeks)
    level = np.full(len(weeks), np.nan)
    for week in range(weeks.shape[1]):
        level = _updated(level, weeks[:, week], alpha)
        levels[:, week] = level
    return levels


def tsb(weeks: Floats, alpha_size: float, alpha_chance: float) -> Floats:
    """Chance of a sale times its size, each smoothed: for intermittent demand.

    Teunter, Syntetos & Babai (2011). Unlike Croston's, it falls while nothing is sold.
    """
    levels = np.empty_like(weeks)
    size = np.full(len(weeks), np.nan)
    chance = np.full(len(weeks), np.nan)
    for week in range(weeks.shape[1]):
        units = weeks[:, week]
        sold = np.where(np.isfinite(units), (units > 0).astype(float), np.nan)
        size = _updated(size, np.where(units > 0, units, np.nan), alpha_size)
        chance = _updated(chance, sold, alpha_chance)
        levels[:, week] = chance * size
    return levels


def _updated(level: Floats, value: Floats, alpha: float) -> Floats:
    """The level moved toward a value; begun by the first one, left as it is by an unknown one."""
    moved = np.where(np.isfinite(level), level + alpha * (value - level), value)
    return np.where(np.isfinite(value), moved, level)


def seasonal_naive(weeks: Floats) -> Floats:
    """The mean of the same four weeks a year ago; NaN in the first year."""
    levels = np.full(weeks.shape, np.nan)
    count = weeks.shape[1] - YEAR_WEEKS + 1
    if count > 0:
        year_ago = np.lib.stride_tricks.sliding_window_view(weeks, HORIZON_WEEKS, axis=1)
        # Column t looks at the weeks t + 1 - 52 to t + 4 - 52.
        levels[:, YEAR_WEEKS - 1 :] = year_ago[:, :count].mean(axis=2)
    return levels


def blend(weeks: Floats) -> Floats:
    """The mean of a slow mean, smoothing and TSB: combinations rarely lose (Bates & Granger 1969).

    NaN where one of the three is.
    """
    return (moving_mean(weeks, 8) + smoothed(weeks, 0.3) + tsb(weeks, 0.2, 0.3)) / 3


BENCHMARK = "4-week mean"
"""Shopify's own rule."""

RIVALS: dict[str, Rival] = {
    BENCHMARK: partial(moving_mean, length=4),
    "8-week mean": partial(moving_mean, length=8),
    "smoothing": partial(smoothed, alpha=0.3),
    "intermittent": partial(tsb, alpha_size=0.2, alpha_chance=0.3),
    "blend": blend,
    "last year": seasonal_naive,
}
"""The rivals by name: the first is what choices are measured against, and taken where all tie."""
