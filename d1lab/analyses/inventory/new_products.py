"""Forecast of products too new for a backtest: from their category's velocity and their own weeks.

A product's mean is drawn toward that of its category's established products, which count as K weeks
of its own. K is the credibility constant of Bühlmann (1967): the variance of a product's weeks,
divided by the variance of products' true means within a category. Intervals come from how far the
four-week sales of earlier newcomers strayed from such forecasts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from d1lab.analyses.inventory.forecasters import HORIZON_WEEKS, Floats, moving_mean
from d1lab.analyses.inventory.windows import Past, quantiles, spread

CATEGORY_START = "category start"
"""Name of this forecast beside those of `forecasters.RIVALS`."""

MIN_ESTABLISHED = 5  # established products of a category, to speak for a newcomer
MEAN_WEEKS = 8  # of the velocity of established products
MAX_WEIGHT = 52.0  # weeks; a category cannot outweigh a year of a product's own sales


class Start(NamedTuple):
    """Forecast of each new SKU; NaN for others, and where its category cannot speak for it."""

    forecast_units: Floats  # expected units in 28 days
    ends: Floats  # SKU x quantile: of 28-day demand; NaN with too few earlier newcomers
    weight: float  # weeks with which a category counts today; NaN without a category


class _Category(NamedTuple):
    """Established products of the category of each new SKU, at each week: SKU x week."""

    mean: Floats  # units per week; NaN with too few of them
    weight: Floats  # one item per week: K


def start(
    units: Floats, past: Past, categories: ArrayLike, age_weeks: int, shares: ArrayLike
) -> Start:
    """Forecast the SKUs that are new: those whose first sale came after the data began.

    Args:
        units: Result of `windows.as_matrix`.
        past: Result of `windows.past_of`.
        categories: Category of each SKU; those without one (None) are one category.
        age_weeks: SKUs are new for fewer weeks than this since their first sale; the quantiles
            are those of all such weeks in the past.
        shares: Shares of the quantiles, inside (0, 1).
    """
    known = np.isfinite(units)
    new = _new(known, age_weeks)
    rows = np.flatnonzero(new.any(axis=1))
    category = _categories(units, past, categories, rows)
    known, new, sums = known[rows], new[rows], past.sums[rows]
    count = np.cumsum(known, axis=1)
    own = np.cumsum(np.where(known, units[rows], 0.0), axis=1)
    drawn = own + category.weight * category.mean
    level = np.maximum(drawn / np.maximum(count + category.weight, 1), 0)
    total = HORIZON_WEEKS * level
    # A newcomer has few changes of its own: its category's are the scale. With weeks of variance v,
    # the error of a sum of h is that of the weeks, h v, and of the mean, h^2 v / (n + K).
    share = 1 + HORIZON_WEEKS / np.maximum(count + category.weight, 1)
    unit = spread(total, np.maximum(category.mean, 1) ** 2) * np.sqrt(share)
    scaled = np.where(new, (sums - total) / unit, np.nan)
    tails = quantiles(scaled, np.asarray(shares, float))
    now = new[:, -1]
    forecast_units, ends = np.full(len(units), np.nan), np.full((len(units), len(tails)), np.nan)
    forecast_units[rows[now]] = total[now, -1]
    ends[rows[now]] = np.maximum(total[now, -1:] + tails * unit[now, -1:], 0)
    return Start(forecast_units, ends, float(category.weight[-1]))


def _new(known: NDArray[np.bool_], age_weeks: int) -> NDArray[np.bool_]:
    """Return the weeks of SKUs since a first sale that is surely their first."""
    started = np.logical_or.accumulate(known, axis=1)
    age = np.cumsum(started, axis=1)
    late = age[:, min(MEAN_WEEKS, age.shape[1] - 1), None] == 0  # not for sale when data begins
    return late & (age > 0) & (age < age_weeks)


def _categories(
    units: Floats, past: Past, categories: ArrayLike, rows: NDArray[np.intp]
) -> _Category:
    """Return the categories of some SKUs, from all established products."""
    codes = _codes(categories)
    mean = moving_mean(units, MEAN_WEEKS)
    settled = past.able & np.isfinite(mean)
    middle, enough = _means(np.where(settled, mean, 0.0), settled, codes)
    squares = moving_mean(units**2, MEAN_WEEKS) - mean**2
    within = _average(squares, settled) * MEAN_WEEKS / (MEAN_WEEKS - 1)
    between = _average((mean - middle[codes]) ** 2, settled) - within / MEAN_WEEKS
    least = np.maximum(within / MAX_WEIGHT, 1e-12)
    weight = np.minimum(within / np.maximum(between, least), MAX_WEIGHT)
    return _Category(np.where(enough, middle, np.nan)[codes[rows]], weight)


def _codes(categories: ArrayLike) -> NDArray[np.intp]:
    """Return categories as numbers from 0."""
    names = [name if isinstance(name, str) else "" for name in np.asarray(categories, object)]
    return np.unique(names, return_inverse=True)[1]


def _means(
    values: Floats, known: NDArray[np.bool_], codes: NDArray[np.intp]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the mean of each category at each week, and whether it has enough products."""
    sums = np.zeros((codes.max(initial=-1) + 1, values.shape[1]))
    counts = np.zeros_like(sums)
    np.add.at(sums, codes, values)
    np.add.at(counts, codes, known)
    return sums / np.maximum(counts, 1), counts >= MIN_ESTABLISHED


def _average(values: Floats, where: NDArray[np.bool_]) -> Floats:
    """Return the mean over SKUs at each week; 0 without any."""
    return np.where(where, values, 0.0).sum(axis=0) / np.maximum(where.sum(axis=0), 1)
