"""Choice of a forecast method at each past week, by what running out and overstocking cost.

A reorder quantity uses the upper end of demand, not its mean. So methods are ranked by the pinball
loss of that quantile at the service level: units short cost the service level, units too many the
rest. A ranking by squared errors would prefer methods that forecast too little.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d1lab.analyses.inventory.forecasters import HORIZON_WEEKS, TOGETHER, Floats
from d1lab.analyses.inventory.windows import Past, by_then, spread

POOL_WINDOWS = 8  # number of own windows with the same weight as the mean of all SKUs
MOST_ERRORS = 200_000  # for the quantile at each past week; of larger shops, every n-th SKU


class Rated(NamedTuple):
    """A method's forecasts at each week, and how they did: SKU x week."""

    level: Floats  # units per week
    loss: Floats  # scaled pinball loss of the sum of the next four weeks


class Chosen(NamedTuple):
    """Method chosen at each week: SKU x week."""

    rival: NDArray[np.int8]  # index of the method, -1 for none
    rated: Rated


def rated(past: Past, level: Floats, service_level: float) -> Rated:
    """Score the forecasts of a method over the windows after each week.

    Args:
        past: The windows.
        level: Forecasts, units per week; >= 0, NaN if unknown.
        service_level: Share of windows in which stock should last, inside (0, 1).
    """
    return Rated(level, _pinball_loss(past, level, service_level))


def scaled_error(past: Past, level: Floats) -> Floats:
    """Return the root mean squared scaled error of the next four weeks; NaN if unknown."""
    squares = past.squares - 2 * level * past.sums + HORIZON_WEEKS * level**2
    error = np.sqrt(np.maximum(squares, 0) / HORIZON_WEEKS / past.scale)
    return np.where(past.able, error, np.nan)


def _pinball_loss(past: Past, level: Floats, share: float) -> Floats:
    """Return the loss of the quantile that the method's own errors until then suggest.

    Scaled by the past weekly change, as in M5's Uncertainty competition (Makridakis et al. 2022).
    """
    some = _sample(level)
    total = HORIZON_WEEKS * level[some]
    errors = (past.sums[some] - total) / spread(total, past.scale[some])
    quantile = running_quantile(np.where(past.able[some], errors, np.nan), share)
    loss = np.empty(level.shape)
    for rows in _parts(len(level)):
        total = HORIZON_WEEKS * level[rows]
        upper = np.maximum(total + quantile * spread(total, past.scale[rows]), 0)
        short = np.where(past.able[rows], past.sums[rows] - upper, np.nan)
        scale = np.sqrt(past.scale[rows])
        loss[rows] = np.maximum(share * short, (share - 1) * short) / scale
    return loss


def _sample(matrix: Floats) -> slice:
    """Return the SKUs whose errors are enough for a quantile."""
    return slice(None, None, max(matrix.size // MOST_ERRORS, 1))


def _parts(count: int) -> list[slice]:
    """Return the SKUs in parts: each matrix of all SKUs of a large shop takes 40 MB."""
    return [slice(first, first + TOGETHER) for first in range(0, count, TOGETHER)]


def running_quantile(scaled: Floats, share: float) -> Floats:
    """Return the quantile, at each week, of the errors of all windows complete by then.

    The weeks before the first complete window have its quantile: a choice is made only after it.
    """
    some = scaled[_sample(scaled)]
    row, week = np.nonzero(np.isfinite(some))
    order = np.argsort(some[row, week], kind="stable")
    errors: Floats = some[row, week][order]
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


def choose(past: Past, rivals: Iterable[Rated]) -> Chosen:
    """Choose at each week the method with the lowest loss over the windows complete by then.

    Args:
        past: The windows.
        rivals: The methods; the first one is the benchmark. Only one is looked at at a time.
    """
    shape = past.sums.shape
    best, rival = np.full(shape, np.inf), np.full(shape, -1, dtype=np.int8)
    chosen = Rated(*(np.full(shape, np.nan) for _ in Rated._fields))
    usual_bias: Floats | None = None
    for position, one in enumerate(rivals):
        usual_bias = _bias(past, one) if usual_bias is None else usual_bias
        pooled, excess = _pooled(one.loss), np.maximum(_bias(past, one) - usual_bias, 0)
        for rows in _parts(len(best)):
            score = _score(one.loss[rows], pooled) + excess
            better = (score < best[rows]) & past.able[rows] & np.isfinite(one.level[rows])
            best[rows][better], rival[rows][better] = score[better], position
            chosen.level[rows][better] = one.level[rows][better]
            chosen.loss[rows][better] = one.loss[rows][better]
        del one  # before the next method's matrices
    return Chosen(rival, chosen)


def _score(loss: Floats, pooled: Floats) -> Floats:
    """Return the mean loss of the windows complete by each week, shrunk toward all SKUs.

    Quantiles of a method's own errors hide that it forecasts too little, as last year's sales do in
    a growing shop. So `choose` adds a bias over all SKUs beyond that of the benchmark, in the same
    unit.
    """
    known = np.isfinite(loss)
    own, count = by_then(np.where(known, loss, 0.0)), by_then(known)
    return (own + POOL_WINDOWS * pooled) / (count + POOL_WINDOWS)


def _pooled(loss: Floats) -> Floats:
    """Return the mean loss of all SKUs at each week; infinite for a method without a test."""
    known = np.isfinite(loss)
    total, count = np.sum(loss, axis=0, where=known), known.sum(axis=0)
    total, count = by_then(total[None])[0], by_then(count[None])[0]
    return np.where(count > 0, total / np.maximum(count, 1), np.inf)


def _bias(past: Past, one: Rated) -> Floats:
    """Return the size of the mean scaled error of all SKUs, over windows complete by each week."""
    error = HORIZON_WEEKS * one.level
    np.subtract(past.sums, error, out=error)
    error /= np.sqrt(past.scale)
    known = np.isfinite(one.loss) & np.isfinite(error)
    total, count = np.sum(error, axis=0, where=known), known.sum(axis=0)
    return np.abs(by_then(total[None])[0]) / np.maximum(by_then(count[None])[0], 1)
