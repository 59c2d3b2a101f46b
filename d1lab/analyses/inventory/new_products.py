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

from d1lab.analyses.inventory.forecasters import HORIZON_WEEKS, Floats, added_up, moving_mean
from d1lab.analyses.inventory.windows import (
    in_parts,
    past_of,
    quantiles,
    since_first_sale,
    spread,
)

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


class _Categories(NamedTuple):
    """Established products of each category, at each week."""

    mean: Floats  # category x week: units per week; NaN with too few of them
    weight: Floats  # one item per week: K


class _Newcomers(NamedTuple):
    """Forecasts for some of the SKUs that are or were new, and how they did: SKU x week."""

    total: Floats  # units in 28 days
    unit: Floats  # of its errors
    scaled: Floats  # errors; NaN unless the SKU was new
    new: NDArray[np.bool_]


def start(weeks: Floats, categories: ArrayLike, age_weeks: int, shares: ArrayLike) -> Start:
    """Forecast the SKUs that are new: those whose first sale came after the data began.

    Args:
        weeks: Units, SKU x week, newest last; NaN if unknown.
        categories: Category of each SKU; those without one (None) are one category.
        age_weeks: SKUs are new for fewer weeks than this since their first sale; the quantiles
            are those of all such weeks in the past.
        shares: Shares of the quantiles, inside (0, 1).
    """
    codes = _codes(categories)
    known = _categories(weeks, codes)
    forecast_units, unit = np.full((2, len(weeks)), np.nan)
    errors: list[Floats] = []
    for rows in in_parts(len(weeks)):
        units = since_first_sale(weeks[rows])
        new = _new(np.isfinite(units), age_weeks)
        some = np.flatnonzero(new.any(axis=1))
        found = _newcomers(units[some], new[some], known.mean[codes[rows][some]], known.weight)
        errors.append(found.scaled[np.isfinite(found.scaled)])
        now = found.new[:, -1]
        forecast_units[rows][some[now]] = found.total[now, -1]
        unit[rows][some[now]] = found.unit[now, -1]
    tails = quantiles(np.concatenate(errors), np.asarray(shares, float))
    ends = np.maximum(forecast_units[:, None] + tails * unit[:, None], 0)
    return Start(forecast_units, ends, float(known.weight[-1]))


def _newcomers(units: Floats, new: NDArray[np.bool_], mean: Floats, weight: Floats) -> _Newcomers:
    """Forecast some SKUs at each week from their own weeks and their category's mean."""
    known = np.isfinite(units)
    count = np.cumsum(known, axis=1)
    own = np.cumsum(np.where(known, units, 0.0), axis=1)
    total = HORIZON_WEEKS * np.maximum((own + weight * mean) / np.maximum(count + weight, 1), 0)
    # A newcomer has few changes of its own: its category's are the scale. With weeks of variance v,
    # the error of a sum of h is that of the weeks, h v, and of the mean, h^2 v / (n + K).
    share = 1 + HORIZON_WEEKS / np.maximum(count + weight, 1)
    unit = spread(total, np.maximum(mean, 1) ** 2) * np.sqrt(share)
    scaled = np.where(new, (past_of(units).sums - total) / unit, np.nan)
    return _Newcomers(total, unit, scaled, new)


def _new(known: NDArray[np.bool_], age_weeks: int) -> NDArray[np.bool_]:
    """Return the weeks of SKUs since a first sale that is surely their first."""
    started = np.logical_or.accumulate(known, axis=1)
    age = np.cumsum(started, axis=1)
    late = age[:, min(MEAN_WEEKS, age.shape[1] - 1), None] == 0  # not for sale when data begins
    return late & (age > 0) & (age < age_weeks)


def _categories(weeks: Floats, codes: NDArray[np.intp]) -> _Categories:
    """Return the categories by number, from all established products."""
    count = weeks.shape[1]
    sums = np.zeros((codes.max(initial=-1) + 1, count))
    counts, squares, all_of_them = np.zeros_like(sums), np.zeros(count), np.zeros(count)
    for rows in in_parts(len(weeks)):
        units, mean, settled = _established(weeks[rows])
        np.add.at(sums, codes[rows], np.where(settled, mean, 0.0))
        np.add.at(counts, codes[rows], settled)
        variance = moving_mean(units**2, MEAN_WEEKS) - mean**2
        squares = added_up(squares, np.where(settled, variance, 0.0))
        all_of_them += settled.sum(axis=0)
    middle, apart = sums / np.maximum(counts, 1), np.zeros(count)
    for rows in in_parts(len(weeks)):
        _, mean, settled = _established(weeks[rows])
        apart = added_up(apart, np.where(settled, (mean - middle[codes[rows]]) ** 2, 0.0))
    products = np.maximum(all_of_them, 1)
    within = squares / products * MEAN_WEEKS / (MEAN_WEEKS - 1)
    between = apart / products - within / MEAN_WEEKS
    least = np.maximum(within / MAX_WEIGHT, 1e-12)
    weight = np.minimum(within / np.maximum(between, least), MAX_WEIGHT)
    return _Categories(np.where(counts >= MIN_ESTABLISHED, middle, np.nan), weight)


def _established(weeks: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return the units of some SKUs, their mean at each week, and whether they are established."""
    units = since_first_sale(weeks)
    mean = moving_mean(units, MEAN_WEEKS)
    return units, mean, past_of(units).able & np.isfinite(mean)


def _codes(categories: ArrayLike) -> NDArray[np.intp]:
    """Return categories as numbers from 0."""
    names = [name if isinstance(name, str) else "" for name in np.asarray(categories, object)]
    return np.unique(names, return_inverse=True)[1]
