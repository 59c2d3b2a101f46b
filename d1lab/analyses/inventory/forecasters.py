"""Baseline forecast methods for weekly demand, vectorized over SKUs and weeks.

A method takes a matrix of weekly units (SKU x week, NaN if unknown) and returns a matrix of the
same shape. Column t is the expected units per week after week t, computed only from weeks up to t;
NaN without enough data. Loops run over weeks, not SKUs. The forecast of a SKU depends on no other,
so some of a shop's SKUs can be forecast at a time; `for_shop` prepares what does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rival = Callable[[Floats], Floats]

YEAR_WEEKS = 52
HORIZON_WEEKS = 4
LONGEST_BLOCK = 13  # weeks, a quarter; rarer sales change little in longer blocks
BLOCK_ALPHAS = (0.1, 0.2, 0.3)  # the range of statsforecast's search
TOGETHER = 2_000  # SKUs of which many matrices are held at a time: 1.7 MB each for two years
SHOP_WEIGHT = 5.0  # units a week with which the shop's season counts in a SKU's


def moving_mean(weeks: Floats, length: int) -> Floats:
    """Return the mean of the known weeks among the last `length`; 4 is Shopify's rule."""
    known = np.isfinite(weeks)
    sums = _trailing(np.where(known, weeks, 0.0), length)
    counts = _trailing(known.astype(float), length)
    counts[counts == 0] = np.nan
    sums /= counts
    return sums


def _trailing(values: Floats, length: int) -> Floats:
    """Return the sums of the last weeks, in the memory of the values."""
    np.cumsum(values, axis=1, out=values)
    values[:, length:] -= values[:, :-length].copy()
    return values


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


def imapa(weeks: Floats) -> Floats:
    """Forecast intermittent demand as the mean of forecasts at several levels of aggregation.

    IMAPA (Petropoulos & Kourentzes 2015): weeks are summed in blocks of 1, 2, ... weeks, up to the
    mean interval between sales, and each series of blocks is smoothed. Of the constants .1, .2, and
    .3, each SKU and level takes the one with the lowest squared error so far.
    """
    blocks = _mean_interval(weeks)
    total, count = np.zeros(weeks.shape), np.zeros(weeks.shape)
    for length in range(1, LONGEST_BLOCK + 1):
        rows = np.flatnonzero((blocks >= length).any(axis=1))
        level = _smoothed_blocks(weeks[rows], length)
        used = (blocks[rows] >= length) & np.isfinite(level)
        total[rows] += np.where(used, level, 0.0)
        count[rows] += used
    return total / np.where(count > 0, count, np.nan)


def _mean_interval(weeks: Floats) -> Floats:
    """Return the known weeks per week with a sale, up to the last sale, rounded; 0 before it."""
    sold = weeks > 0
    known = np.cumsum(np.isfinite(weeks), axis=1)
    until = np.maximum.accumulate(np.where(sold, known, 0), axis=1)
    count = np.cumsum(sold, axis=1)
    return np.rint(until / np.maximum(count, 1))


def _smoothed_blocks(weeks: Floats, length: int) -> Floats:
    """Return the smoothed mean of blocks of weeks that end at each week."""
    means = moving_mean(weeks, length)
    age = np.cumsum(np.logical_or.accumulate(np.isfinite(weeks), axis=1), axis=1)
    means[age < length] = np.nan  # no whole block yet
    means = np.ascontiguousarray(means.T)  # a week is a row: the loop reads and writes rows
    alphas = np.array(BLOCK_ALPHAS)[:, None]
    level = np.repeat(means[:, None], len(alphas), axis=1)  # week x constant x SKU
    errors = np.zeros(level.shape)
    for week in range(length, len(means)):
        before: Floats = level[week - length]
        change: Floats = means[week] - before
        moved, known = before + alphas * change, np.isfinite(change)
        errors[week] = errors[week - length] + np.where(known, change, 0.0) ** 2
        level[week] = np.where(known, moved, np.where(np.isfinite(before), before, means[week]))
    best = errors.argmin(axis=1)[:, None]  # the first of equal ones
    return np.take_along_axis(level, best, axis=1)[:, 0].T


def seasonal(weeks: Floats, shop: Floats | None = None) -> Floats:
    """Return the 8-week mean times how sales changed from such weeks to the next four, last year.

    Of the SKU, with the weight of its sales, and of the shop, with that of `SHOP_WEIGHT` units a
    week. NaN in the first year, and in the first weeks of the second.

    Args:
        weeks: As for all methods.
        shop: How the shop's sales changed, as from `season_of`; None for that of these SKUs.
    """
    levels = moving_mean(weeks, 8)
    if weeks.shape[1] > YEAR_WEEKS:
        shop = season_of([weeks]) if shop is None else shop
        before, after = _last_year(levels, weeks)
        levels[:, YEAR_WEEKS:] *= (after + SHOP_WEIGHT * shop) / (before + SHOP_WEIGHT)
    levels[:, :YEAR_WEEKS] = np.nan
    return levels


def season_of(parts: Iterable[Floats]) -> Floats:
    """Return how a shop's sales changed from eight weeks to the next four, a year before each week.

    Args:
        parts: The units of its SKUs, some at a time; at least one part.
    """
    sums = np.zeros((2, 0))
    for weeks in parts:
        sides = _last_year(moving_mean(weeks, 8), weeks)
        sums = sums if sums.size else np.zeros((2, sides[0].shape[1]))
        sums = np.array([added_up(*each) for each in zip(sums, sides, strict=True)])
    return sums[1] / np.where(sums[0] > 0, sums[0], np.nan)


def _last_year(levels: Floats, weeks: Floats) -> tuple[Floats, Floats]:
    """Return units a week up to a year before, and in the four weeks after; 0 if one is unknown."""
    before, after = levels[:, :-YEAR_WEEKS], seasonal_naive(weeks)[:, YEAR_WEEKS:]
    known = np.isfinite(before) & np.isfinite(after)
    return np.where(known, before, 0.0), np.where(known, after, 0.0)


def added_up(total: Floats, values: Floats) -> Floats:
    """Return the sum of each week over SKUs, added to that of the SKUs before.

    In the order of the SKUs, however many are taken at a time. The values are changed.
    """
    if len(values):
        values[0] += total
        total = values.sum(axis=0)
    return total


def blend(weeks: Floats) -> Floats:
    """Return the mean of a long moving mean, smoothing, and TSB (Bates & Granger 1969).

    NaN if one of the three is NaN.
    """
    levels = moving_mean(weeks, 8)
    levels += smoothed(weeks, 0.3)
    levels += tsb(weeks, 0.2, 0.3)
    levels /= 3
    return levels


BENCHMARK = "4-week mean"
"""Name of Shopify's rule."""

RIVALS: dict[str, Rival] = {
    BENCHMARK: partial(moving_mean, length=4),
    "8-week mean": partial(moving_mean, length=8),
    "smoothing": partial(smoothed, alpha=0.3),
    "intermittent": partial(tsb, alpha_size=0.2, alpha_chance=0.3),
    "blend": blend,
    "IMAPA": imapa,
    "last year": seasonal_naive,
    "season": seasonal,
}
"""Forecast methods by name; the first one is the benchmark, and is chosen in a tie."""


def for_shop(rivals: Iterable[Rival], parts: Iterable[Floats]) -> list[Rival]:
    """Return the methods with what they take from all SKUs of a shop.

    Args:
        rivals: The methods.
        parts: The units of all SKUs, some at a time; at least one part.
    """
    rivals = list(rivals)
    if seasonal not in rivals:
        return rivals
    prepared = partial(seasonal, shop=season_of(parts))
    return [prepared if one is seasonal else one for one in rivals]
