"""Tests of the range of usual periods."""

from __future__ import annotations

import numpy as np
import pytest

from d1lab.stats.usual import LEAST_PERIODS, usual


def _coverage(n: int, alike: float, draw, seed: int, shops: int = 1_500) -> float:
    """Return how often the period after `n` others is in its usual range, over simulated shops."""
    rng = np.random.default_rng(seed)
    noise = draw(rng, (shops, n + 61))
    series = np.zeros_like(noise)
    for week in range(1, noise.shape[1]):
        series[:, week] = alike * series[:, week - 1] + noise[:, week]
    return float(np.mean([usual(list(row[-n - 1 :])).position == "usual" for row in series]))


def _normal(rng, size):
    return rng.standard_normal(size)


def _skewed(rng, size):
    """Counts with a mean of 30, as the orders of a small shop."""
    return rng.poisson(30, size) - 30.0


@pytest.mark.parametrize("alike", [0.0, 0.4, 0.8])
@pytest.mark.parametrize("n", [LEAST_PERIODS, 26, 51])
@pytest.mark.parametrize("draw", [_normal, _skewed])
def test_usual_covers_93_to_97_percent_under_autocorrelation(n, alike, draw):
    assert 0.93 <= _coverage(n, alike, draw, seed=n) <= 0.97


def test_usual_spread_alone_would_be_too_narrow_under_autocorrelation():
    """The reason for the method: the range of independent periods misses far more often."""
    rng = np.random.default_rng(5)
    noise = rng.standard_normal((4_000, 80))
    series = np.zeros_like(noise)
    for week in range(1, 80):
        series[:, week] = 0.8 * series[:, week - 1] + noise[:, week]
    past, now = series[:, -13:-1], series[:, -1]
    half = 2.2 * past.std(axis=1, ddof=1) * np.sqrt(1 + 1 / 12)
    assert np.mean(abs(now - past.mean(axis=1)) <= half) < 0.93


@pytest.mark.parametrize(("value", "position"), [(150, "high"), (50, "low"), (101, "usual")])
def test_usual_position(value, position):
    past = [100 + (week * 37 % 11) - 5 for week in range(20)]
    found = usual([*past, value])
    assert (found.position, found.reason, found.periods) == (position, "", 20)
    assert found.low < 100 < found.high


def test_usual_abstains_with_few_periods():
    found = usual([1.0] * LEAST_PERIODS)
    assert found.position is None
    assert found.reason == "only 11 periods before, 12 needed"
    assert usual([1.0, 2.0]).reason == "only 1 period before, 12 needed"


def test_usual_counts_only_known_periods_in_a_row():
    past = [5.0, 6.0] * 8
    assert usual([*past, None, 5.0, 6.0]).periods == 1
    assert usual([None, *past, 5.0]).periods == 16


def test_usual_series_that_never_moved():
    assert usual([3.0] * 20).position == "usual"
    assert usual([*[3.0] * 20, 4.0]).position == "high"


def test_usual_uses_the_last_52_periods():
    assert usual([9_000.0] * 30 + [10.0, 11.0] * 26 + [10.5]).position == "usual"


def test_equal_values_have_a_range_without_width_whatever_their_mean_is_rounded_to():
    """Nineteen thirds have another mean than twenty: their spread is rounding, not movement."""
    third = usual([1 / 3] * 20)
    assert third.position == "usual"
    assert third.low == pytest.approx(1 / 3)
    assert third.high == pytest.approx(1 / 3)
