"""Demand forecast for the next 28 days: the best simple method per SKU, by a rolling backtest.

The input is a matrix of weekly units, SKU x week, processed without a loop over SKUs. For each past
week, every method forecasts the next four weeks from the data up to that week, and the method is
chosen by the errors known at that time. The error of the choice and the intervals based on it are
therefore out of sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from d1lab.analyses.inventory.forecasters import (
    HORIZON_WEEKS,
    RIVALS,
    Floats,
    Rival,
    moving_mean,
)
from d1lab.errors import InputError

HORIZON_DAYS = 7 * HORIZON_WEEKS
MIN_WEEKS = 8  # since the first sale, required for a forecast
MIN_WINDOWS = 4  # backtest windows per SKU, so at least 15 weeks of history
POOL_WINDOWS = 8  # number of own windows with the same weight as the mean of all SKUs
MIN_CALIBRATION = 100  # windows of all SKUs required for quantiles of their errors

REASONS = {
    "no_demand": "no sale in any week with known demand",
    "short_history": "less than 15 weeks of history, too short for a backtest",
    "unknown_weeks": "too many weeks without stock data",
    "uncalibrated": (
        "fewer than 100 backtest windows across all products, so no interval and no "
        "reorder quantity"
    ),
}
"""Reasons for a missing forecast or interval, in words; the first one that applies is used."""

CHOSEN = "chosen per SKU"


class Demand(NamedTuple):
    """Forecast for the next 28 days; arrays with one item per SKU, NaN if there is a reason."""

    forecast_units: Floats  # expected units in 28 days; >= 0
    forecast_low: Floats  # ends of the calibrated interval
    forecast_high: Floats
    service_units: Floats  # quantile of 28-day demand at the service level
    rival: NDArray[np.object_]  # chosen forecast method; None if there is a reason
    rmsse: Floats  # of the chosen method, out of sample
    benchmark_rmsse: Floats  # of the first method, Shopify's 4-week mean, over the same windows
    bias: Floats  # forecast / actual - 1 over these windows
    windows: Floats  # number of these windows
    reason: NDArray[np.object_]  # one of `REASONS`, or None


class ForecasterScore(NamedTuple):
    """Score of one forecast method, over the windows of all SKUs with a choice."""

    rival: str  # name of a method, or `CHOSEN`
    rmsse: float  # mean over all windows
    bias: float | None  # forecast / actual - 1; None without sales
    windows: int
    chosen_for: int  # number of SKUs with this method today


class DemandForecast(NamedTuple):
    """Forecasts of all SKUs, with their backtest."""

    demand: Demand
    rivals: tuple[ForecasterScore, ...]  # the choice first, then the methods that could be tested
    coverage: float | None  # share of SKUs whose sales in the last window lie in their interval


class _Past(NamedTuple):
    """Sales after each week: SKU x week, NaN unless all four weeks are known."""

    sums: Floats
    squares: Floats
    scale: Floats  # mean squared weekly change up to each week
    able: NDArray[np.bool_]  # whether there are enough weeks since the first sale for a forecast


class _Chosen(NamedTuple):
    """Method chosen at each week: SKU x week."""

    rival: NDArray[np.int_]  # index of the method, -1 for none
    level: Floats  # units per week
    rmsse: Floats  # over the next four weeks


def forecast(
    weeks: ArrayLike,
    *,
    level: float = 0.8,
    service_level: float = 0.95,
    rivals: Mapping[str, Rival] = RIVALS,
) -> DemandForecast:
    """Forecast the 28 days after the last week, for every SKU.

    Args:
        weeks: Units, SKU x week, newest last; NaN if unknown, such as before the SKU existed or
            while it was out of stock.
        level: Level of the interval, inside (0, 1).
        service_level: Probability that 28-day demand is at most `service_units`, inside (0, 1).
        rivals: Forecast methods by name; the choice is compared with the first one.

    Returns:
        Forecasts, or reasons for missing ones; the backtest; the coverage of the interval.

    Raises:
        InputError: `weeks` is not a matrix of numbers, or a level is out of range.

    Errors are root mean squared scaled errors (Hyndman & Koehler 2006; M5, 2022): the four weekly
    errors of a window, scaled by the mean squared week-to-week change before it. For the choice,
    each SKU's mean error is shrunk toward that of all SKUs. Intervals are quantiles of the
    choice's past errors over all SKUs (split conformal), in units of sqrt(forecast x weekly
    change), in which errors of large and small sellers have a similar distribution.
    """
    units = _matrix(weeks)
    for share in (level, service_level):
        if not 0 < share < 1:
            raise InputError(f"invalid level {share}. Use a share between 0 and 1.")
    past = _past(units)
    levels = [np.maximum(rival(units), 0) for rival in rivals.values()]
    errors = [_errors(past, each) for each in levels]
    chosen = _choose(past, levels, errors)
    demand = _demand(units, past, chosen, errors[0], list(rivals))
    total = HORIZON_WEEKS * chosen.level
    spread = _spread(total, past.scale)
    tails = np.array([(1 - level) / 2, (1 + level) / 2, service_level])
    scaled = np.where(np.isfinite(chosen.rmsse), (past.sums - total) / spread, np.nan)
    ends = total[:, -1:] + _quantiles(scaled, tails) * spread[:, -1:]
    ends[demand.reason != None] = np.nan  # noqa: E711 - an array's elements
    low, high, service = np.maximum(ends, 0).T
    demand = demand._replace(forecast_low=low, forecast_high=high, service_units=service)
    coverage = _coverage(past.sums, total, spread, scaled, tails[:2])
    tested = [(CHOSEN, chosen.level, chosen.rmsse), *zip(rivals, levels, errors, strict=True)]
    return DemandForecast(demand, tuple(_scores(past, tested, demand)), coverage)


def velocity_interval(
    weeks: ArrayLike, velocity: ArrayLike, *, length: int, level: float = 0.9
) -> tuple[Floats, Floats]:
    """Return the interval of each SKU's daily units over the next 28 days.

    Args:
        weeks: As for `forecast`.
        velocity: Units per in-stock day over the last `length` weeks, one item per SKU; the
            interval's middle. NaN if unknown.
        length: Weeks that the velocity counts; >= 1.
        level: Level of the interval, inside (0, 1).

    Returns:
        Its ends, >= 0; NaN if the velocity is unknown, or too few windows show how far sales
        stray from such a mean.

    Raises:
        InputError: `weeks` is not a matrix of numbers.

    Sales of single days are no guide: customers buy several units at once, and demand drifts. So
    the errors are those that means over `length` weeks had in the past, as for `forecast`.
    """
    units = _matrix(weeks)
    past = _past(units)
    total = HORIZON_WEEKS * moving_mean(units, max(length, 1))
    known = past.able & np.isfinite(total)
    scaled = np.where(known, (past.sums - total) / _spread(total, past.scale), np.nan)
    ends = _quantiles(scaled, np.array([(1 - level) / 2, (1 + level) / 2]))
    now = HORIZON_DAYS * np.asarray(velocity, float)[:, None]
    low, high = np.maximum(now + ends * _spread(now, past.scale[:, -1:]), 0).T / HORIZON_DAYS
    return low, high


def _spread(total: Floats, scale: Floats) -> Floats:
    """Return the unit of errors of 28-day demand: sqrt(forecast x weekly change)."""
    return np.sqrt(np.maximum(total, 1) * np.sqrt(scale))


def _matrix(weeks: ArrayLike) -> Floats:
    try:
        units = np.array(weeks, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"weekly demand must be a matrix of numbers: {error}") from None
    if units.ndim != 2 or units.shape[1] == 0 or np.isinf(units).any():
        raise InputError(
            f"weekly demand must be a matrix of SKU x week, finite or NaN, not {units.shape}"
        )
    started = np.logical_or.accumulate(units > 0, axis=1)
    units[~started] = np.nan  # a SKU was possibly not for sale before its first sale
    return units


def _past(units: Floats) -> _Past:
    known = np.isfinite(units)
    change = np.diff(units, axis=1, prepend=np.nan)
    changes = np.cumsum(np.isfinite(change), axis=1)
    # Add one change of one unit, so that the scale of a constant SKU is not zero.
    scale = (np.cumsum(np.nan_to_num(change) ** 2, axis=1) + 1) / (changes + 1)
    return _Past(
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


def _errors(past: _Past, level: Floats) -> Floats:
    """Return the scaled error of the forecast `level` for each of the next four weeks."""
    squares = past.squares - 2 * level * past.sums + HORIZON_WEEKS * level**2
    error = np.sqrt(np.maximum(squares, 0) / HORIZON_WEEKS / past.scale)
    return np.where(past.able, error, np.nan)


def _choose(past: _Past, levels: list[Floats], errors: list[Floats]) -> _Chosen:
    """Choose at each week the method with the lowest error over the windows complete by then."""
    best = np.full(past.sums.shape, np.inf)
    rival = np.full(best.shape, -1)
    chosen, error = np.full(best.shape, np.nan), np.full(best.shape, np.nan)
    for position, (level, scaled) in enumerate(zip(levels, errors, strict=True)):
        score = np.where(past.able & np.isfinite(level), _score(scaled), np.inf)
        better = score < best
        best[better], rival[better] = score[better], position
        chosen[better], error[better] = level[better], scaled[better]
    return _Chosen(rival, chosen, error)


def _score(errors: Floats) -> Floats:
    """Return the mean error of the windows complete by each week, shrunk toward all SKUs."""
    known = np.isfinite(errors)
    total = _by_then(np.where(known, errors, 0.0))
    count = _by_then(known.astype(float))
    pooled = np.full(errors.shape[1], np.inf)  # a method without a test is never chosen
    np.divide(total.sum(axis=0), count.sum(axis=0), out=pooled, where=count.sum(axis=0) > 0)
    return (total + POOL_WINDOWS * pooled) / (count + POOL_WINDOWS)


def _by_then(values: Floats) -> Floats:
    """Return the sums over the windows that are complete by each week."""
    sums = np.zeros(values.shape)
    sums[:, HORIZON_WEEKS:] = np.cumsum(values, axis=1)[:, :-HORIZON_WEEKS]
    return sums


def _demand(
    units: Floats, past: _Past, chosen: _Chosen, benchmark: Floats, names: list[str]
) -> Demand:
    tested = np.isfinite(chosen.rmsse)
    windows = tested.sum(axis=1).astype(float)
    reason = _reasons(units, windows, chosen)
    given = reason == None  # noqa: E711 - an array's elements
    sold = _sum(past.sums, tested)
    known = np.array([*names, None], dtype=object)
    unknown = np.full(len(units), np.nan)
    return Demand(
        forecast_units=np.where(given, HORIZON_WEEKS * chosen.level[:, -1], np.nan),
        forecast_low=unknown,
        forecast_high=unknown,
        service_units=unknown,
        rival=known[np.where(given, chosen.rival[:, -1], -1)],
        rmsse=_share(_sum(chosen.rmsse, tested), windows),
        benchmark_rmsse=_share(_sum(benchmark, tested), windows),
        bias=_share(HORIZON_WEEKS * _sum(chosen.level, tested), sold) - 1,
        windows=windows,
        reason=reason,
    )


def _reasons(units: Floats, windows: Floats, chosen: _Chosen) -> NDArray[np.object_]:
    ever = np.isfinite(units).any(axis=1)
    since = np.where(ever, units.shape[1] - np.isfinite(units).argmax(axis=1), 0)
    cases = {
        "no_demand": ~ever,
        "short_history": since < MIN_WEEKS + MIN_WINDOWS + HORIZON_WEEKS - 1,
        "unknown_weeks": (windows < MIN_WINDOWS) | (chosen.rival[:, -1] < 0),
    }
    reason = np.full(len(units), None, dtype=object)
    for name, holds in reversed(cases.items()):
        reason[holds] = name
    return reason


def _sum(values: Floats, where: NDArray[np.bool_]) -> Floats:
    return np.where(where, values, 0.0).sum(axis=1)


def _share(top: Floats, bottom: Floats) -> Floats:
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)


def _quantiles(scaled: Floats, tails: Floats) -> Floats:
    """Return quantiles of the scaled errors of all SKUs; NaN if there are too few."""
    known = scaled[np.isfinite(scaled)]
    if len(known) < MIN_CALIBRATION:
        return np.full(len(tails), np.nan)
    return np.quantile(known, tails)


def _coverage(
    sold: Floats, total: Floats, spread: Floats, scaled: Floats, tails: Floats
) -> float | None:
    """Return the coverage of the intervals of four weeks ago, calibrated on earlier windows."""
    then = sold.shape[1] - 1 - HORIZON_WEEKS
    low, high = _quantiles(scaled[:, : max(then - HORIZON_WEEKS + 1, 0)], tails)
    tested = np.isfinite(scaled[:, then]) if then >= 0 else np.zeros(len(sold), bool)
    if np.isnan(low) or not tested.any():
        return None
    middle, unit, true = total[tested, then], spread[tested, then], sold[tested, then]
    inside = (true >= np.maximum(middle + low * unit, 0)) & (true <= middle + high * unit)
    return float(inside.mean())


def _scores(
    past: _Past, tested: list[tuple[str, Floats, Floats]], demand: Demand
) -> Iterator[ForecasterScore]:
    """Score each method over the windows with a choice."""
    windows = np.isfinite(tested[0][2])
    for name, level, error in tested:
        where = windows & np.isfinite(error)
        if not where.any():
            continue  # such as last year's weeks, in the first year
        sold = past.sums[where].sum()
        bias = float(HORIZON_WEEKS * level[where].sum() / sold - 1) if sold > 0 else None
        taken = int((demand.rival == name).sum())
        yield ForecasterScore(name, float(error[where].mean()), bias, int(where.sum()), taken)
