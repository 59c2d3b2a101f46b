"""Choice of a forecast method at each past week, by what running out and overstocking cost.

A reorder quantity uses the upper end of demand, not its mean. So methods are ranked by the pinball
loss of that quantile at the service level: units short cost the service level, units too many the
rest. A ranking by squared errors would prefer methods that forecast too little.

All SKUs are judged beside each other, but their matrices take gigabytes in large shops. So what all
SKUs tell is added up first, some SKUs at a time, and then each part is judged by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d1lab.analyses.inventory.forecasters import (
    HORIZON_WEEKS,
    Floats,
    Rival,
    added_up,
    for_shop,
)
from d1lab.analyses.inventory.windows import (
    Past,
    by_then,
    in_parts,
    past_of,
    since_first_sale,
    spread,
)

POOL_WINDOWS = 8  # number of own windows with the same weight as the mean of all SKUs
MOST_ERRORS = 200_000  # for the quantile at each past week; of larger shops, every n-th SKU


class Rated(NamedTuple):
    """A method's forecasts at each week, and how they did: SKU x week."""

    level: Floats  # units per week
    loss: Floats  # scaled pinball loss of the sum of the next four weeks


class PooledRating(NamedTuple):
    """How a method did over the windows of all SKUs that are complete by each week."""

    loss: Floats  # mean; infinite for a method without a test
    bias: Floats  # size of the mean scaled error


class Judges(NamedTuple):
    """The methods, and what all SKUs show of each of them."""

    methods: list[Rival]
    quantiles: list[Floats]  # of its errors, one item per week
    pooled: list[PooledRating]
    service_level: float

    def rated(self, units: Floats, past: Past) -> Iterator[Rated]:
        """Rate each method for some SKUs."""
        for one, quantile in zip(self.methods, self.quantiles, strict=True):
            yield rated(past, np.maximum(one(units), 0), quantile, self.service_level)


class Chosen(NamedTuple):
    """Method chosen at each week: SKU x week."""

    rival: NDArray[np.int8]  # index of the method, -1 for none
    rated: Rated


def judge(weeks: Floats, rivals: Sequence[Rival], service_level: float) -> Judges:
    """Try the methods on all SKUs, some at a time.

    Args:
        weeks: Units, SKU x week, newest last; NaN if unknown.
        rivals: The methods; the first one is the benchmark.
        service_level: Share of windows in which stock should last, inside (0, 1).
    """
    parts = in_parts(len(weeks))
    methods = for_shop(rivals, (since_first_sale(weeks[rows]) for rows in parts))
    units = since_first_sale(weeks[enough_skus(*weeks.shape)])
    past = past_of(units)
    levels = (np.maximum(one(units), 0) for one in methods)
    quantiles = [error_quantile(past, level, service_level) for level in levels]
    judges = Judges(methods, quantiles, [], service_level)
    sums = [RatingSums(weeks.shape[1]) for _ in methods]
    for rows in parts:
        units = since_first_sale(weeks[rows])
        past = past_of(units)
        for each, one in zip(sums, judges.rated(units, past), strict=True):
            each.add(past, one)
    return judges._replace(pooled=[each.pooled() for each in sums])


def rated(past: Past, level: Floats, quantile: Floats, service_level: float) -> Rated:
    """Score the forecasts of a method over the windows after each week.

    Args:
        past: The windows.
        level: Forecasts, units per week; >= 0, NaN if unknown.
        quantile: Of the method's scaled errors at the service level, at each week, as from
            `error_quantile`.
        service_level: Share of windows in which stock should last, inside (0, 1).

    The loss is scaled by the past weekly change, as in M5's Uncertainty competition (Makridakis et
    al. 2022).
    """
    total = HORIZON_WEEKS * level
    upper = np.maximum(total + quantile * spread(total, past.scale), 0)
    short = np.where(past.able, past.sums - upper, np.nan)
    loss = np.maximum(service_level * short, (service_level - 1) * short) / np.sqrt(past.scale)
    return Rated(level, loss)


def scaled_error(past: Past, level: Floats) -> Floats:
    """Return the root mean squared scaled error of the next four weeks; NaN if unknown."""
    squares = past.squares - 2 * level * past.sums + HORIZON_WEEKS * level**2
    error = np.sqrt(np.maximum(squares, 0) / HORIZON_WEEKS / past.scale)
    return np.where(past.able, error, np.nan)


def enough_skus(skus: int, weeks: int) -> slice:
    """Return the SKUs whose errors are enough for a quantile."""
    return slice(None, None, max(skus * weeks // MOST_ERRORS, 1))


def error_quantile(past: Past, level: Floats, share: float) -> Floats:
    """Return the quantile, at each week, of a method's scaled errors by then.

    Args:
        past: The windows of `enough_skus`.
        level: The method's forecasts for them.
        share: Inside (0, 1).
    """
    total = HORIZON_WEEKS * level
    errors = (past.sums - total) / spread(total, past.scale)
    return running_quantile(np.where(past.able, errors, np.nan), share)


def running_quantile(scaled: Floats, share: float) -> Floats:
    """Return the quantile, at each week, of the errors of all windows complete by then.

    The weeks before the first complete window have its quantile: a choice is made only after it.
    """
    row, week = np.nonzero(np.isfinite(scaled))
    order = np.argsort(scaled[row, week], kind="stable")
    errors: Floats = scaled[row, week][order]
    known_at = week[order] + HORIZON_WEEKS
    found = np.full(scaled.shape[1], np.nan)
    for now in range(known_at.min() if len(order) else len(found), len(found)):
        found[now] = _of_sorted(errors[known_at <= now], share)
        if np.isnan(found[0]):
            found[:now] = found[now]
    return found


def _of_sorted(values: Floats, share: float) -> float:
    place = share * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return float(values[low] + (place - low) * (values[high] - values[low]))


class RatingSums:
    """Losses and errors of a method at each week, added up over the SKUs.

    Args:
        weeks: Number of weeks.
    """

    def __init__(self, weeks: int) -> None:
        self._loss, self._losses, self._error, self._errors = np.zeros((4, weeks))

    def add(self, past: Past, one: Rated) -> None:
        """Add some SKUs; all parts in the order of the SKUs."""
        known = np.isfinite(one.loss)
        self._loss = added_up(self._loss, np.where(known, one.loss, 0.0))
        self._losses += known.sum(axis=0)
        error = (past.sums - HORIZON_WEEKS * one.level) / np.sqrt(past.scale)
        known &= np.isfinite(error)
        self._error = added_up(self._error, np.where(known, error, 0.0))
        self._errors += known.sum(axis=0)

    def pooled(self) -> PooledRating:
        """Return what the SKUs so far tell at each week."""
        sums = (self._loss, self._losses, self._error, self._errors)
        loss, losses, error, errors = (by_then(each[None])[0] for each in sums)
        mean = np.where(losses > 0, loss / np.maximum(losses, 1), np.inf)
        return PooledRating(mean, np.abs(error) / np.maximum(errors, 1))


def choose(past: Past, rivals: Sequence[Rated], pooled: Sequence[PooledRating]) -> Chosen:
    """Choose at each week the method with the lowest loss over the windows complete by then.

    Args:
        past: The windows of some SKUs.
        rivals: The methods, rated for them; the first one is the benchmark.
        pooled: How each of them did for all SKUs.

    Quantiles of a method's own errors hide that it forecasts too little, as last year's sales do in
    a growing shop. So a bias over all SKUs beyond that of the benchmark counts, too, in the same
    unit.
    """
    shape = past.sums.shape
    best, rival = np.full(shape, np.inf), np.full(shape, -1, dtype=np.int8)
    chosen = Rated(*(np.full(shape, np.nan) for _ in Rated._fields))
    for position, (one, whole) in enumerate(zip(rivals, pooled, strict=True)):
        score = _score(one.loss, whole.loss) + np.maximum(whole.bias - pooled[0].bias, 0)
        better = (score < best) & past.able & np.isfinite(one.level)
        best[better], rival[better] = score[better], position
        chosen.level[better], chosen.loss[better] = one.level[better], one.loss[better]
    return Chosen(rival, chosen)


def _score(loss: Floats, pooled: Floats) -> Floats:
    """Return the mean loss of the windows complete by each week, shrunk toward all SKUs."""
    known = np.isfinite(loss)
    own, count = by_then(np.where(known, loss, 0.0)), by_then(known)
    return (own + POOL_WINDOWS * pooled) / (count + POOL_WINDOWS)
