"""Robust trends: a few odd days change nothing, and intervals cover."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from d1lab.stats.trend import LEAST_DAYS, crossing, trend


def test_a_line_is_found_exactly_and_odd_days_do_not_move_it():
    """Theil and Sen: up to 29% of the days can be anything."""
    line = [10 + 2.5 * day for day in range(30)]
    found = trend(line)
    assert (found.slope, found.level) == (2.5, pytest.approx(10 + 2.5 * 14.5))
    spoiled = [*line]
    spoiled[3] = spoiled[11] = spoiled[25] = 1e9
    assert trend(spoiled).slope == pytest.approx(2.5, rel=0.1)


def test_sens_interval_covers_the_slope_as_often_as_it_says():
    """400 noisy lines."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        found = trend(3.0 * np.arange(20) + rng.normal(0, 5, 20), confidence=0.8)
        covered += found.slope_low <= 3.0 <= found.slope_high
    assert 0.86 <= covered / 400 <= 0.95  # half of the error of 20% is the slope's: 90%


def test_a_limit_is_reached_between_its_bounds():
    """The lower bound of a single day gets there last, and with noise they differ."""
    rng = np.random.default_rng(2)
    noisy = 100 * np.arange(40) + rng.normal(0, 200, 40)
    found = crossing(list(noisy), 6_000, 90)
    expected, earliest, latest = (day or -1 for day in found[:3])
    assert 0 < earliest < expected < latest
    assert 18 <= expected <= 24
    assert crossing([5.0] * 40, 6, 90) == (None, None, None, "", 0.0)
    assert crossing([7.0] * 40, 6, 90)[:3] == (1, 1, 1)


def test_a_short_series_has_no_forecast():
    """A reason instead of a number."""
    found = crossing([1.0] * (LEAST_DAYS - 1), 5, 90)
    assert found[:3] == (None, None, None)
    assert found.per_day is None
    assert found.reason == "13 of 14 days that a forecast needs are known"


def test_missing_days_do_not_bend_the_line():
    """Each second day of a line, then two more, crosses on the same day as the whole line."""
    known = [*range(0, 40, 2), 39]
    line = [100.0 + 10 * day for day in known]
    assert crossing(line, 590, 90, known)[:3] == (10, 10, 10)
    assert trend(line, known).slope == pytest.approx(10)
    assert crossing(line, 590, 90).expected != 10  # as if the days had no gaps


def by_hand(y: list[float], x: list[float], confidence: float) -> tuple[float, ...]:
    """The formulas of Theil, Sen, and Kendall, pair by pair."""
    n = len(y)
    slopes = sorted((y[j] - y[i]) / (x[j] - x[i]) for i, j in itertools.combinations(range(n), 2))
    error = (1 - confidence) / 2  # of the slope, and of the days around the line
    reach = stats.norm.isf(error / 2) * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low = max(math.floor((len(slopes) - reach) / 2), 0)
    high = min(math.ceil((len(slopes) + reach) / 2), len(slopes) - 1)
    slope, middle = float(np.median(slopes)), float(np.median(x))
    level = float(np.median([b - slope * (a - middle) for a, b in zip(x, y, strict=True)]))
    rest = [b - level - slope * (a - middle) for a, b in zip(x, y, strict=True)]
    around = np.quantile(rest, [error / 2, 1 - error / 2])
    return (level, slope, slopes[low], slopes[high], middle, min(around[0], 0), max(around[1], 0))


@pytest.mark.parametrize("confidence", [0.9, 0.5])
@pytest.mark.parametrize("n", [2, 3, 14, 31])
def test_a_trend_is_that_of_all_pairs(n: int, confidence: float):
    """Days without gaps begin with 0; others have their own."""
    rng = np.random.default_rng(n)
    y = [float(v) for v in np.arange(n) * 2 + rng.normal(0, 9, n)]
    days = sorted(rng.choice(200, n, replace=False).tolist())
    assert trend(y, confidence=confidence) == pytest.approx(by_hand(y, list(range(n)), confidence))
    assert trend(y, days, confidence=confidence) == pytest.approx(by_hand(y, days, confidence))
    assert trend(y) == pytest.approx(by_hand(y, list(range(n)), 0.9))


def test_a_crossing_is_the_first_day_at_the_limit():
    """After the last day, of the line, the upper, and the lower bound."""
    rng = np.random.default_rng(8)
    days = [3, 4, *range(8, 30)]
    values = [float(v) for v in 5 * np.array(days) + rng.normal(0, 8, len(days))]
    for confidence in (0.9, 0.6):
        level, slope, low, high, middle, below, above = by_hand(values, days, confidence)
        found = crossing(values, 200, 90, days, confidence=confidence)
        told = [
            next((n for n in range(1, 91) if level + rise * (29 + n - middle) + add >= 200), None)
            for rise, add in ((slope, 0), (high, above), (low, below))
        ]
        assert found == (*told, "", pytest.approx(slope))
        assert 0 < told[1] < told[0] < told[2]
    short = crossing(values, 200, told[0] or 0, days)
    assert (short.expected, short.latest) == (told[0], None)
    assert crossing(values[:14], 0, 5, days[:14])[:3] == (1, 1, 1)
