"""Tests of the range of usual periods."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

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


def by_hand(past: list[float]) -> tuple[float, float]:
    """The interval of a first-order autoregression by least squares, sum by sum."""
    n, mean = len(past), np.mean(past)
    then, now = past[:-1], past[1:]
    pairs = [(a - np.mean(then), b - np.mean(now)) for a, b in zip(then, now, strict=True)]
    alike = sum(a * b for a, b in pairs) / sum(a * a for a, _ in pairs)
    alike = min(max(alike, 0), 0.95)
    errors = [(b - mean) - alike * (a - mean) for a, b in zip(then, now, strict=True)]
    error = (sum(e * e for e in errors) / (n - 3)) ** 0.5
    leverage = (past[-1] - mean) ** 2 / sum((v - mean) ** 2 for v in past)
    half = stats.t.isf(0.025, n - 3) * error * (1 + 1 / n + leverage) ** 0.5
    center = mean + alike * (past[-1] - mean)
    return center - half, center + half


@pytest.mark.parametrize("n", [12, 52])
@pytest.mark.parametrize("alike", [-0.7, 0.5, 1.0])
def test_usual_range_is_that_of_the_regression(n: int, alike: float):
    """Also where neighbors alternate (counted as 0), or drift (at most 0.95)."""
    rng = np.random.default_rng(n)
    past = [0.0]
    for _ in range(n - 1):
        past.append(alike * past[-1] + float(rng.normal(1, 1)))
    low, high = by_hand(past)
    found = usual([9e9, 9e9, *past, 0.0] if n == 52 else [*past, 0.0])
    assert (found.low, found.high, found.periods) == pytest.approx((low, high, n))
    for value, position in ((low - 1e-6, "low"), (low + 1e-6, "usual"), (high - 1e-6, "usual"),
                            (high + 1e-6, "high")):  # fmt: skip
        assert usual([*past, value]).position == position


def test_usual_needs_known_values():
    """Infinity is none; the judged one has to be known."""
    past: list[float | None] = [5.0, 6.0] * 7
    assert usual([*past, float("inf"), *past[:12], 5.0]).periods == 12
    assert usual([*past, None]).reason == "only 0 periods before, 12 needed"
    assert usual([]).periods == 0
