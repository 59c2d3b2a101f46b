"""Robust trends: a few odd days change nothing, and intervals cover."""

from __future__ import annotations

import numpy as np
import pytest

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
    assert found.reason == "13 of 14 days that a forecast needs are known"


def test_missing_days_do_not_bend_the_line():
    """Each second day of a line, then two more, crosses on the same day as the whole line."""
    known = [*range(0, 40, 2), 39]
    line = [100.0 + 10 * day for day in known]
    assert crossing(line, 590, 90, known)[:3] == (10, 10, 10)
    assert trend(line, known).slope == pytest.approx(10)
    assert crossing(line, 590, 90).expected != 10  # as if the days had no gaps
