"""Baseline forecast methods for weekly demand, vectorized over SKUs and weeks.

A method takes a matrix of weekly units (SKU x week, NaN if unknown) and returns a matrix of the
same shape. Column t is the expected units per week after week t, computed only from weeks up to t;
NaN without enough data. Loops run over weeks, not SKUs.
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
    """Return the mean of the known weeks among the last `length`; 4 is Shopify's rule."""
    known = np.isfinite(weeks)
    sums = _trailing(np.where(known, weeks, 0.0), length)
    counts = _trailing(known.astype(float), length)
    return np.divide(sums, counts, out=np.full(weeks.shape, np.nan), where=counts > 0)


def _trailing(values: Floats, length: int) -> Floats:
    total = np.cumsum(values, axis=1)
    total[:, length:] -= total[:, :-length].copy()
    return total


def smoothed(weeks: Floats, alpha: float) -> Floats:
    """Forecast by simple exponential smoothing (Brown 1956), starting at the first known week."""
    levels = np.empty_like(weeks)
    level = np.full(len(weeks), np.nan)
    for week in range(weeks.shape[1]):
        level = _updated(level, weeks[:, week], alpha)
        levels[:, week] = level
    return levels


def tsb(weeks: Floats, alpha_size: float, alpha_chance: float) -> Floats:
    """Forecast intermittent demand as probability of a sale times its size, each smoothed.

    Teunter, Syntetos & Babai (2011). Unlike Croston's method, it decreases in weeks without sales.
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
    """Return the level smoothed toward a value; the first value sets it, NaN leaves it."""
    moved = np.where(np.isfinite(level), level + alpha * (value - level), value)
    return np.where(np.isfinite(value), moved, level)


def seasonal_naive(weeks: Floats) -> Floats:
    """Return the mean of the same four weeks of the previous year; NaN in the first year."""
    levels = np.full(weeks.shape, np.nan)
    count = weeks.shape[1] - YEAR_WEEKS + 1
    if count > 0:
        year_ago = np.lib.stride_tricks.sliding_window_view(weeks, HORIZON_WEEKS, axis=1)
        # Column t uses the weeks t + 1 - 52 to t + 4 - 52.
        levels[:, YEAR_WEEKS - 1 :] = year_ago[:, :count].mean(axis=2)
    return levels


def blend(weeks: Floats) -> Floats:
    """Return the mean of a long moving mean, smoothing, and TSB (Bates & Granger 1969).

    NaN if one of the three is NaN.
    """
    return (moving_mean(weeks, 8) + smoothed(weeks, 0.3) + tsb(weeks, 0.2, 0.3)) / 3


BENCHMARK = "4-week mean"
"""Name of Shopify's rule."""

RIVALS: dict[str, Rival] = {
    BENCHMARK: partial(moving_mean, length=4),
    "8-week mean": partial(moving_mean, length=8),
    "smoothing": partial(smoothed, alpha=0.3),
    "intermittent": partial(tsb, alpha_size=0.2, alpha_chance=0.3),
    "blend": blend,
    "last year": seasonal_naive,
}
"""Forecast methods by name; the first one is the benchmark, and is chosen in a tie."""
