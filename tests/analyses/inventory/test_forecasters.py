"""Forecast methods compared with plain loops over one SKU, and with published algorithms."""

from __future__ import annotations

from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d1lab.analyses.inventory.demand import forecast
from d1lab.analyses.inventory.forecasters import (
    RIVALS,
    for_shop,
    imapa,
    moving_mean,
    seasonal,
    seasonal_naive,
    smoothed,
    tsb,
)
from tests.support.examples import examples

UNITS = st.sampled_from([0.0, 0.0, 0.0, 1.0, 2.0, 9.0, -1.0, nan])


def matrices(skus: int, weeks: int) -> st.SearchStrategy[list[list[float]]]:
    """Weekly units of several SKUs, some of them unknown or returned."""
    series = st.lists(UNITS, min_size=weeks, max_size=weeks)
    return st.lists(series, min_size=skus, max_size=skus)


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


def _blocks(series: list[float], length: int) -> list[float]:
    """Mean of the known weeks of each block; the first weeks that fill no block are left out."""
    whole = series[len(series) % length :]
    return [_mean(whole[i : i + length], length) for i in range(0, len(whole), length)]


def _block_error(blocks: list[float], alpha: float) -> float:
    level, total = blocks[0], 0.0
    for block in blocks[1:]:
        if not isnan(block):
            total += 0.0 if isnan(level) else (block - level) ** 2
            level = block if isnan(level) else level + alpha * (block - level)
    return total


def _imapa(series: list[float]) -> float:
    first = next((i for i, units in enumerate(series) if not isnan(units)), len(series))
    series = series[first:]
    sold = [i for i, units in enumerate(series) if units > 0]
    if not sold:
        return nan
    known = sum(not isnan(units) for units in series[: sold[-1] + 1])
    levels = []
    for length in range(1, min(round(known / len(sold)), 13) + 1):
        if len(series) >= length:
            blocks = _blocks(series, length)
            alpha = min((0.1, 0.2, 0.3), key=lambda one: round(_block_error(blocks, one), 9))
            levels.append(_smooth(blocks, alpha))
    return float(np.mean([level for level in levels if not isnan(level)]))


BY_HAND = {
    "4-week mean": lambda s: _mean(s, 4),
    "8-week mean": lambda s: _mean(s, 8),
    "smoothing": lambda s: _smooth(s, 0.3),
    "intermittent": lambda s: _tsb(s, 0.2, 0.3),
    "blend": lambda s: (_mean(s, 8) + _smooth(s, 0.3) + _tsb(s, 0.2, 0.3)) / 3,
    "IMAPA": _imapa,
    "last year": _last_year,
    "season": lambda s: nan,  # of all SKUs, and never in the first year: tested on its own
}


@settings(max_examples=examples(25))
@given(matrices(2, 60))
def test_rivals_equal_plain_loops(weeks):
    """Each column of a method equals a loop over the weeks up to it, without later weeks."""
    assert set(BY_HAND) == set(RIVALS)
    for name, rival in RIVALS.items():
        if name == "season":
            continue
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


@pytest.mark.parametrize("weeks", [40, 70])
def test_some_skus_have_the_forecasts_of_all(weeks):
    """What a method takes from the whole shop is prepared for all of its SKUs."""
    units = np.random.default_rng(3).poisson(0.4, (5, weeks)).astype(float)
    prepared = for_shop(RIVALS.values(), [units[:3], units[3:]])
    for whole, some in zip(RIVALS.values(), prepared, strict=True):
        found = np.concatenate([some(units[:2]), some(units[2:]), some(units[:0])])
        np.testing.assert_array_equal(found, whole(units))


def test_imapa_is_that_of_the_published_algorithm():
    """Smoothing constants searched for between .1 and .3, as statsforecast does, change little."""
    minimize = pytest.importorskip("scipy.optimize").minimize_scalar
    rng = np.random.default_rng(1)
    weeks = np.where(rng.random((12, 104)) < 0.35, rng.integers(1, 9, (12, 104)), 0).astype(float)
    weeks[:, 0] = 3
    published = []
    for series in weeks.tolist():
        sold = np.flatnonzero(series) + 1
        levels = []
        for length in range(1, round(float(np.diff(sold, prepend=0).mean())) + 1):
            sums = [length * block for block in _blocks(series, length)]
            found = minimize(
                lambda alpha, sums=sums: _block_error(sums, alpha),
                bounds=(0.1, 0.3),
                method="bounded",
            )
            levels.append(_smooth(sums, float(found.x)) / length)
        published.append(np.mean(levels))
    off = imapa(weeks)[:, -1] / np.array(published) - 1
    assert abs(off).max() < 0.05
    assert abs(off).mean() < 0.015


@pytest.mark.parametrize("sales", [{0: 5, 14: 2, 28: 8, 42: 1, 56: 3}, {0: 4, 30: 9}, {3: 1}])
def test_imapa_of_rare_sales_stops_at_blocks_of_a_quarter(sales):
    """Sales further apart than 13 weeks; the levels after the last sale, too."""
    series = [float(sales.get(week, 0)) for week in range(60)]
    for week in (13, 14, 27, 29, 45, 59):
        expected = _imapa(series[: week + 1])
        assert imapa(np.array([series]))[0, week] == pytest.approx(expected, nan_ok=True)


def test_season_is_the_skus_own_and_the_shops():
    """Two SKUs of the second year, by hand: the shop's change counts like 5 units a week."""
    weeks = np.ones((2, 70))
    weeks[0, :8], weeks[0, 8:12] = 10.0, 30.0  # three times as much in the next four weeks
    weeks[1, :8], weeks[1, 8:12] = 2.0, 2.0
    weeks[:, 52:60] = [[20.0], [4.0]]
    shop = (30 + 2) / (10 + 2)
    wanted = [
        20 * (30 + 5 * shop) / (10 + 5),
        4 * (2 + 5 * shop) / (2 + 5),
    ]
    levels = seasonal(weeks)
    assert levels[:, 59].tolist() == pytest.approx(wanted)
    assert np.isnan(levels[:, :52]).all()
    assert np.isnan(seasonal(weeks[:, :52])).all()


def test_season_is_chosen_where_two_years_are_there():
    """Twice the sales of the year before, and a peak each year."""
    rng = np.random.default_rng(7)
    week = np.arange(118)
    peak = 1 + 2.5 * np.exp(-(((week % 52) - 40) ** 2) / 40)
    rate = rng.gamma(2, 4, size=(120, 1)) * peak * 2.0 ** (week / 52)
    units = rng.poisson(rate).astype(float)
    before, sold = units[:, :88], units[:, 88:92].sum(axis=1)
    seasons = ("season", "last year")
    with_season = forecast(before).demand
    without = forecast(
        before, rivals={name: one for name, one in RIVALS.items() if name not in seasons}
    ).demand
    assert np.isin(with_season.rival.tolist(), seasons).mean() > 0.9
    error, other = (abs(one.forecast_units - sold).mean() for one in (with_season, without))
    assert error < 0.5 * other
