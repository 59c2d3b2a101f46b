"""Forecasts compared with plain loops over one SKU, and on simulated demand."""

from __future__ import annotations

from itertools import chain, pairwise
from math import isnan, nan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d1lab.analyses.inventory.demand import (
    MIN_WEEKS,
    POOL_WINDOWS,
    forecast,
    velocity_interval,
)
from d1lab.analyses.inventory.forecasters import RIVALS, moving_mean, seasonal_naive, smoothed, tsb
from d1lab.errors import InputError
from tests.support.examples import examples

UNITS = st.sampled_from([0.0, 0.0, 0.0, 1.0, 2.0, 9.0, -1.0, nan])


def _matrix(skus: int, weeks: int) -> st.SearchStrategy[list[list[float]]]:
    series = st.lists(UNITS, min_size=weeks, max_size=weeks)
    return st.lists(series, min_size=skus, max_size=skus)


def _since_first_sale(series: list[float]) -> list[float]:
    first = next((i for i, units in enumerate(series) if units > 0), len(series))
    return [nan] * first + series[first:]


def _mean(series: list[float], length: int) -> float:
    known = [units for units in series[-length:] if not isnan(units)]
    return sum(known) / len(known) if known else nan


def _smooth(series: list[float], alpha: float) -> float:
    level = nan
    for units in series:
        if not isnan(units):
            level = units if isnan(level) else level + alpha * (units - level)
    return level


def _tsb(series: list[float], size_alpha: float, chance_alpha: float) -> float:
    sold = [units if isnan(units) else float(units > 0) for units in series]
    sizes = [units if units > 0 else nan for units in series]
    return _smooth(sold, chance_alpha) * _smooth(sizes, size_alpha)


def _last_year(series: list[float]) -> float:
    year = [series[len(series) - 52 + step] for step in range(4)] if len(series) >= 52 else [nan]
    return sum(year) / 4


BY_HAND = {
    "4-week mean": lambda s: _mean(s, 4),
    "8-week mean": lambda s: _mean(s, 8),
    "smoothing": lambda s: _smooth(s, 0.3),
    "intermittent": lambda s: _tsb(s, 0.2, 0.3),
    "blend": lambda s: (_mean(s, 8) + _smooth(s, 0.3) + _tsb(s, 0.2, 0.3)) / 3,
    "last year": _last_year,
}


@settings(max_examples=examples(25))
@given(_matrix(2, 60))
def test_rivals_equal_plain_loops(weeks):
    """Each column of a method equals a loop over the weeks up to it, without later weeks."""
    assert set(BY_HAND) == set(RIVALS)
    for name, rival in RIVALS.items():
        levels = rival(np.array(weeks))
        for series, row in zip(weeks, levels, strict=True):
            for week in (0, 3, 7, 20, 51, 52, 59):
                expected = BY_HAND[name](series[: week + 1])
                assert row[week] == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True), name


def test_rivals_by_hand():
    """Small numbers, computed by hand."""
    weeks = np.array([[4.0, 0.0, 2.0, np.nan, 6.0]])
    assert moving_mean(weeks, 3)[0].tolist() == [4, 2, 2, 1, 4]
    assert smoothed(weeks, 0.5)[0].tolist() == [4, 2, 2, 2, 4]
    # chance 1, .5, .75, .75, .875; size 4, 4, 3, 3, 4.5
    assert tsb(weeks, 0.5, 0.5)[0].tolist() == [4, 2, 2.25, 2.25, 3.9375]
    assert seasonal_naive(np.arange(60.0)[None])[0, 51:54].tolist() == [1.5, 2.5, 3.5]


def _errors_by_hand(series: list[float], rival: str) -> dict[int, tuple[float, float]]:
    """Level and scaled error at each week where a forecast can be tried and tested."""
    series, tried = _since_first_sale(series), {}
    for week in range(len(series)):
        known = [units for units in series[: week + 1] if not isnan(units)]
        level = BY_HAND[rival](series[: week + 1])
        if len(known) < MIN_WEEKS or isnan(level):
            continue
        level, later = max(level, 0.0), series[week + 1 : week + 5]
        changes = [b - a for a, b in pairwise(series[: week + 1])]
        changes = [change for change in changes if not isnan(change)]
        scale = (sum(change**2 for change in changes) + 1) / (len(changes) + 1)
        error = sqrt(sum((units - level) ** 2 for units in later) / 4 / scale)
        tried[week] = (level, error if len(later) == 4 else nan)
    return tried


def _choice_by_hand(weeks: list[list[float]], sku: int, week: int) -> tuple[str, float] | None:
    """The rival that erred least by `week`, and its level."""
    scores = {}
    for rival in RIVALS:
        tried = [_errors_by_hand(series, rival) for series in weeks]
        behind = [
            [error for when, (_, error) in one.items() if when <= week - 4 and not isnan(error)]
            for one in tried
        ]
        pool, own = list(chain(*behind)), behind[sku]
        if week in tried[sku] and pool:
            shrunk = sum(own) + POOL_WINDOWS * sum(pool) / len(pool)
            scores[rival] = shrunk / (len(own) + POOL_WINDOWS), tried[sku][week][0]
    if not scores:
        return None
    least = min(error for error, _ in scores.values())
    return next((r, level) for r, (e, level) in scores.items() if e <= least + 1e-12)


@settings(max_examples=examples(15))
@given(_matrix(3, 24))
def test_forecast_equals_plain_choice(weeks):
    """The chosen method and its forecast equal those of loops over SKUs and weeks."""
    demand = forecast(weeks).demand
    for sku in range(len(weeks)):
        expected = _choice_by_hand(weeks, sku, 23)
        if demand.reason[sku] is None:
            assert expected is not None
            assert demand.rival[sku] == expected[0] or demand.forecast_units[sku] == pytest.approx(
                4 * expected[1]
            )
            assert demand.forecast_units[sku] == pytest.approx(4 * expected[1], abs=1e-9)
        else:
            assert demand.rival[sku] is None
            assert np.isnan(demand.forecast_units[sku])


def test_forecast_gives_its_reason():
    """Never sold, too short, too many unknown weeks; the other SKU has a forecast."""
    weeks = np.full((4, 30), 3.0)
    weeks[0] = 0
    weeks[1, :20] = 0
    weeks[2, 1::2] = np.nan
    demand = forecast(weeks).demand
    assert demand.reason.tolist() == ["no_demand", "short_history", "unknown_weeks", None]
    assert demand.forecast_units[3] == 12
    assert np.isnan(demand.forecast_units[:3]).all()


def test_forecast_has_no_interval_without_enough_windows():
    """Nineteen windows of one SKU are too few for quantiles: a forecast without interval."""
    found = forecast(np.full((1, 30), 3.0))
    assert found.demand.forecast_units.tolist() == [12]
    assert np.isnan(found.demand.forecast_low).all()
    assert np.isnan(found.demand.service_units).all()
    assert found.coverage is None


def test_forecast_follows_what_stops():
    """The forecast of a SKU that stopped selling decreases, and is never negative."""
    weeks = np.tile([2.0, 0.0, 5.0], (50, 14))
    weeks[0, 22:] = 0
    weeks[1, 36:] = -1  # returns alone
    demand = forecast(weeks).demand
    assert demand.forecast_units[0] < 0.5 < demand.forecast_units[2]
    assert (demand.forecast_low >= 0).all()
    assert (demand.forecast_units >= 0).all()


@pytest.mark.parametrize("rate", [0.3, 3.0, 40.0])
def test_forecast_intervals_cover_known_chance(rate):
    """Poisson demand of many SKUs: 80% of later totals are inside, and 95% below."""
    rng = np.random.default_rng(6)
    units = rng.poisson(rate * rng.gamma(2, 0.5, size=(3_000, 1)), size=(3_000, 44)).astype(float)
    found = forecast(units[:, :40])
    demand, sold = found.demand, units[:, 40:].sum(axis=1)
    given_one = np.isfinite(demand.forecast_low)
    inside = (demand.forecast_low <= sold) & (sold <= demand.forecast_high)
    assert 0.75 <= inside[given_one].mean() <= 0.88  # whole units cannot hold a share exactly
    assert 0.93 <= (sold <= demand.service_units)[given_one].mean() <= 0.98
    assert found.coverage == pytest.approx(0.8, abs=0.08)


def test_forecast_learns_a_season():
    """If the same month has high sales every year, last year is chosen and accurate."""
    rng = np.random.default_rng(7)
    year = np.where(np.arange(52) < 26, 2.0, 30.0)
    weeks = rng.poisson(np.tile(year, 3)[:154], size=(60, 154)).astype(float)
    demand = forecast(weeks[:, :130]).demand
    assert (demand.rival == "last year").mean() > 0.9
    assert np.median(demand.forecast_units) == pytest.approx(120, rel=0.15)


@pytest.mark.parametrize(
    "weeks", [[1.0, 2.0], [["a"]], [[float("inf")] * 20], np.empty((2, 0)), [[1.0], [1.0, 2.0]]]
)
def test_forecast_refuses_what_is_no_matrix(weeks):
    """A vector, strings, infinity, no weeks, and rows of different lengths are rejected."""
    with pytest.raises(InputError):
        forecast(weeks)


def test_forecast_takes_no_sku():
    """A shop without stock gives empty arrays."""
    found = forecast(np.empty((0, 30)))
    assert len(found.demand.forecast_units) == 0
    assert found.rivals == ()


def test_velocity_interval_holds_where_customers_buy_several_units():
    """Batches of 1 to 40 units: 90% of the next four weeks are inside, and around the velocity."""
    rng = np.random.default_rng(26)
    orders = rng.poisson(rng.gamma(2, 1.5, size=(400, 1)), size=(400, 56))
    weeks = np.where(orders > 0, orders * rng.integers(1, 40, size=orders.shape), 0).astype(float)
    past, next_days = weeks[:, :52], weeks[:, 52:].sum(axis=1) / 28
    velocity = past[:, -12:].mean(axis=1) / 7
    low, high = velocity_interval(past, velocity, length=12)
    assert ((low <= velocity) & (velocity <= high)).all()
    assert 0.87 <= ((low <= next_days) & (next_days <= high)).mean() <= 0.93
    narrow, wide = velocity_interval(past, velocity, length=12, level=0.5)
    assert ((low <= narrow) & (wide <= high)).all()


def test_velocity_interval_abstains_without_a_past():
    """Too few windows over all SKUs, or an unknown velocity, give no interval."""
    rng = np.random.default_rng(27)
    weeks = rng.poisson(3, size=(20, 52)).astype(float)
    low, high = velocity_interval(weeks[:3, :20], [1, 2, 3], length=12)
    assert np.isnan([low, high]).all()
    low, high = velocity_interval(weeks, [nan] * 19 + [0.4], length=12)
    assert np.isnan([low[:19], high[:19]]).all()
    assert low[19] < 0.4 < high[19]


def test_coverage_knows_nothing_of_its_own_window():
    """Sales ten times as high as ever before are outside: only earlier windows calibrate."""
    rng = np.random.default_rng(8)
    units = rng.poisson(10, size=(300, 24)).astype(float)
    units[:, -4:] *= 10
    assert forecast(units).coverage == 0
