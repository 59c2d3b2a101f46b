"""Demand forecast for the next 28 days: the best simple method per SKU, by a rolling backtest.

The input is a matrix of weekly units, SKU x week, processed some thousand SKUs at a time, so that
memory hardly grows with their number. For each past week, every method forecasts the next four
weeks from the data up to that week, and the method is chosen by the losses known at that time
(`choice`). The error of the choice and the intervals based on it are therefore out of sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from d1lab.analyses.inventory.choice import (
    Chosen,
    Judges,
    Rated,
    choose,
    judge,
    scaled_error,
)
from d1lab.analyses.inventory.forecasters import (
    HORIZON_WEEKS,
    RIVALS,
    Floats,
    Rival,
    moving_mean,
)
from d1lab.analyses.inventory.new_products import CATEGORY_START, Start, start
from d1lab.analyses.inventory.windows import (
    MIN_WEEKS,
    Past,
    checked,
    in_parts,
    past_of,
    quantiles,
    since_first_sale,
    spread,
)
from d1lab.errors import InputError

HORIZON_DAYS = 7 * HORIZON_WEEKS
MIN_WINDOWS = 4  # backtest windows per SKU, so at least 15 weeks of history
SHORT_WEEKS = MIN_WEEKS + MIN_WINDOWS + HORIZON_WEEKS - 1  # since the first sale

REASONS = {
    "no_demand": "no sale in any week with known demand",
    "short_history": (
        "less than 15 weeks of history, too short for a backtest, and fewer than 5 established "
        "products of its category"
    ),
    "unknown_weeks": "too many weeks without stock data",
    "uncalibrated": (
        "fewer than 100 backtest windows across all products, so no interval, and the reorder "
        "quantity has no safety stock"
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
    pinball: float  # scaled loss at the service level, mean over all windows
    rmsse: float  # mean over all windows
    bias: float | None  # forecast / actual - 1; None without sales
    windows: int
    chosen_for: int  # number of SKUs with this method today


class DemandForecast(NamedTuple):
    """Forecasts of all SKUs, with their backtest."""

    demand: Demand
    rivals: tuple[ForecasterScore, ...]  # the choice first, then the methods that could be tested
    coverage: float | None  # share of SKUs whose sales in the last window lie in their interval


class _Backtest(NamedTuple):
    """Backtest of some SKUs."""

    demand: Demand  # without intervals
    ends: Floats  # SKU x 2: forecast of 28 days, and the unit of its errors
    then: Floats  # SKU x 3: sales of the last window, their forecast, and the unit of its errors
    sums: Floats  # method x 5, the choice first: windows, sales, forecasts, losses, and errors


def forecast(
    weeks: ArrayLike,
    *,
    level: float = 0.8,
    service_level: float = 0.95,
    rivals: Mapping[str, Rival] = RIVALS,
    categories: ArrayLike | None = None,
) -> DemandForecast:
    """Forecast the 28 days after the last week, for every SKU.

    Args:
        weeks: Units, SKU x week, newest last; NaN if unknown, such as before the SKU existed or
            while it was out of stock.
        level: Level of the interval, inside (0, 1).
        service_level: Probability that 28-day demand is at most `service_units`, inside (0, 1).
        rivals: Forecast methods by name; the choice is compared with the first one. A method gets
            some of the SKUs at a time.
        categories: Category of each SKU, None where it has none; from them, products too new for
            a backtest get a forecast (`new_products`). Without it, they have none.

    Returns:
        Forecasts, or reasons for missing ones; the backtest; the coverage of the interval.

    Raises:
        InputError: `weeks` is not a matrix of numbers, or a level is out of range.

    The loss of a choice is that of the service level's quantile (`choice.rated`), each SKU's mean
    shrunk toward that of all SKUs. Errors are root mean squared scaled errors (Hyndman & Koehler
    2006; M5, 2022): the four weekly errors of a window, scaled by the mean squared week-to-week
    change before it. Intervals are quantiles of the choice's past errors over all SKUs (split
    conformal), in units of sqrt(forecast x weekly change), in which errors of large and small
    sellers have a similar distribution.
    """
    whole = checked(weeks)
    for share in (level, service_level):
        if not 0 < share < 1:
            raise InputError(f"invalid level {share}. Use a share between 0 and 1.")
    judges = judge(whole, list(rivals.values()), service_level)
    scaled, parts = np.empty(whole.shape), list[_Backtest]()
    for rows in in_parts(len(whole)):
        parts.append(_backtest(judges, whole[rows], list(rivals), scaled[rows]))
    tails = np.array([(1 - level) / 2, (1 + level) / 2, service_level])
    fields = zip(*(part.demand for part in parts), strict=True)
    demand = Demand(*(np.concatenate(each) for each in fields))
    total, unit = np.concatenate([part.ends for part in parts]).T
    ends = total[:, None] + quantiles(scaled, tails) * unit[:, None]
    ends[demand.reason != None] = np.nan  # noqa: E711 - an array's elements
    low, high, service = np.maximum(ends, 0).T
    demand = demand._replace(forecast_low=low, forecast_high=high, service_units=service)
    coverage = _coverage(np.concatenate([part.then for part in parts]), scaled, tails[:2])
    if categories is not None and len(whole):
        demand = _with_new(demand, start(whole, categories, SHORT_WEEKS, tails))
    sums = np.sum([part.sums for part in parts], axis=0)
    return DemandForecast(demand, tuple(_scores([CHOSEN, *rivals], sums, demand)), coverage)


def _backtest(judges: Judges, weeks: Floats, names: list[str], scaled: Floats) -> _Backtest:
    """Choose a method at each week for some SKUs, and test the choice.

    Args:
        judges: What all SKUs show.
        weeks: Units of the SKUs.
        names: Names of the methods.
        scaled: Is filled with the errors of the choice: SKU x week, NaN without a test.
    """
    units = since_first_sale(weeks)
    past = past_of(units)
    rivals = list(judges.rated(units, past))
    chosen = choose(past, rivals, judges.pooled)
    total = HORIZON_WEEKS * chosen.rated.level
    unit, windows = spread(total, past.scale), np.isfinite(chosen.rated.loss)
    scaled[:] = np.where(windows, (past.sums - total) / unit, np.nan)
    then = max(units.shape[1] - 1 - HORIZON_WEEKS, 0)
    return _Backtest(
        _demand(units, past, chosen, rivals[0].level, names),
        np.stack([total[:, -1], unit[:, -1]], axis=1),
        np.stack([past.sums[:, then], total[:, then], unit[:, then]], axis=1),
        np.array([_summed(past, windows, one) for one in (chosen.rated, *rivals)]),
    )


def _with_new(demand: Demand, begun: Start) -> Demand:
    """Add the forecasts of products too new for a backtest."""
    new = (demand.reason == "short_history") & np.isfinite(begun.forecast_units)
    ends = np.where(new, begun.ends.T, demand[1:4])
    return demand._replace(
        forecast_units=np.where(new, begun.forecast_units, demand.forecast_units),
        forecast_low=ends[0],
        forecast_high=ends[1],
        service_units=ends[2],
        rival=np.where(new, np.array(CATEGORY_START, object), demand.rival),
        reason=np.where(new, np.array(None, object), demand.reason),
    )


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
    whole = checked(weeks)
    scaled, scale = np.empty(whole.shape), np.empty((len(whole), 1))
    for rows in in_parts(len(whole)):
        units = since_first_sale(whole[rows])
        past = past_of(units)
        total = HORIZON_WEEKS * moving_mean(units, max(length, 1))
        known = past.able & np.isfinite(total)
        scaled[rows] = np.where(known, (past.sums - total) / spread(total, past.scale), np.nan)
        scale[rows] = past.scale[:, -1:]
    ends = quantiles(scaled, np.array([(1 - level) / 2, (1 + level) / 2]))
    now = HORIZON_DAYS * np.asarray(velocity, float)[:, None]
    low, high = np.maximum(now + ends * spread(now, scale), 0).T / HORIZON_DAYS
    return low, high


def _demand(
    units: Floats, past: Past, chosen: Chosen, benchmark: Floats, names: list[str]
) -> Demand:
    tested = np.isfinite(chosen.rated.loss)
    windows = tested.sum(axis=1).astype(float)
    reason = _reasons(units, windows, chosen)
    given = reason == None  # noqa: E711 - an array's elements
    sold = _sum(past.sums, tested)
    known = np.array([*names, None], dtype=object)
    unknown = np.full(len(units), np.nan)
    return Demand(
        forecast_units=np.where(given, HORIZON_WEEKS * chosen.rated.level[:, -1], np.nan),
        forecast_low=unknown,
        forecast_high=unknown,
        service_units=unknown,
        rival=known[np.where(given, chosen.rival[:, -1], -1)],
        rmsse=_share(_sum(scaled_error(past, chosen.rated.level), tested), windows),
        benchmark_rmsse=_share(_sum(scaled_error(past, benchmark), tested), windows),
        bias=_share(HORIZON_WEEKS * _sum(chosen.rated.level, tested), sold) - 1,
        windows=windows,
        reason=reason,
    )


def _reasons(units: Floats, windows: Floats, chosen: Chosen) -> NDArray[np.object_]:
    ever = np.isfinite(units).any(axis=1)
    since = np.where(ever, units.shape[1] - np.isfinite(units).argmax(axis=1), 0)
    cases = {
        "no_demand": ~ever,
        "short_history": since < SHORT_WEEKS,
        "unknown_weeks": (windows < MIN_WINDOWS) | (chosen.rival[:, -1] < 0),
    }
    reason = np.full(len(units), None)
    for name, holds in reversed(cases.items()):
        reason[holds] = name
    return reason


def _sum(values: Floats, where: NDArray[np.bool_]) -> Floats:
    return np.where(where, values, 0.0).sum(axis=1)


def _share(top: Floats, bottom: Floats) -> Floats:
    return top / np.where(bottom > 0, bottom, np.nan)


def _coverage(last: Floats, scaled: Floats, tails: Floats) -> float | None:
    """Return the coverage of the intervals of four weeks ago, calibrated on earlier windows.

    Args:
        last: SKU x 3: sales of the window, their forecast, and the unit of its errors.
        scaled: Errors of all windows in such units: SKU x week.
        tails: Shares of the interval's ends.
    """
    then = scaled.shape[1] - 1 - HORIZON_WEEKS
    low, high = quantiles(scaled[:, : max(then - HORIZON_WEEKS + 1, 0)], tails)
    tested = np.isfinite(scaled[:, then]) if then >= 0 else np.zeros(len(scaled), bool)
    if np.isnan(low) or not tested.any():
        return None
    true, middle, unit = last[tested].T
    inside = (true >= np.maximum(middle + low * unit, 0)) & (true <= middle + high * unit)
    return float(inside.mean())


def _summed(past: Past, windows: NDArray[np.bool_], one: Rated) -> list[float]:
    """Return the number of a method's windows with a choice, and the sums of `_Backtest.sums`."""
    where = windows & np.isfinite(one.loss)
    error = scaled_error(past, one.level)[where].sum()
    sums = (past.sums[where].sum(), HORIZON_WEEKS * one.level[where].sum(), one.loss[where].sum())
    return [float(np.count_nonzero(where)), *map(float, sums), float(error)]


def _scores(names: Sequence[str], sums: Floats, demand: Demand) -> Iterator[ForecasterScore]:
    """Score each method over the windows of all SKUs with a choice."""
    for name, (windows, sold, told, loss, error) in zip(names, sums.tolist(), strict=True):
        if not windows:
            continue  # such as last year's weeks, in the first year
        bias = told / sold - 1 if sold > 0 else None
        taken = int((demand.rival == name).sum())
        yield ForecasterScore(name, loss / windows, error / windows, bias, int(windows), taken)
