"""Values drawn toward their group's mean, with errors that hold."""

from __future__ import annotations

import numpy as np
import pytest

from d1lab.stats.shrinkage import GRID, shrink


def likelihood(found, error):
    """Return normal likelihoods on the grid."""
    away = (GRID - np.asarray(found)[:, None]) / np.asarray(error)[:, None]
    return np.exp(-(away**2) / 2)


def test_shrunk_values_cover_the_truth():
    """Normal values of sd 0.5: as close as if mean and sd were known, and 90% intervals hold."""
    random = np.random.default_rng(1)
    true = random.normal(0.7, 0.5, 600)
    error = random.uniform(0.3, 1.2, 600)
    found = true + random.normal(size=600) * error
    got = shrink(likelihood(found, error), np.zeros(600, dtype=np.intp), 1)
    weight = 0.25 / (0.25 + error**2)
    best = 0.7 + weight * (found - 0.7)
    assert np.mean((got.mean - true) ** 2) < 1.05 * np.mean((best - true) ** 2)
    assert np.mean(np.abs(got.mean - true) < 1.645 * got.error) == pytest.approx(0.9, abs=0.03)
    assert got.spread == pytest.approx(0.5, abs=0.1)
    assert got.group_mean[0] == pytest.approx(0.7, abs=3 * got.group_shared[0])


def test_one_that_stands_out_stays_and_alike_ones_are_drawn_together():
    """Twenty of 300 are 5 away, surely: they stay; the others get nearly the same value."""
    random = np.random.default_rng(2)
    true = np.concatenate([np.zeros(280), np.full(20, -5.0)])
    error = np.full(300, 0.5)
    found = true + random.normal(size=300) * error
    got = shrink(likelihood(found, error), np.zeros(300, dtype=np.intp), 1)
    assert got.mean[280:].mean() == pytest.approx(-5, abs=0.4)
    assert got.mean[:280].std() < 0.5 * found[:280].std()


def test_groups_differ_as_far_as_their_items_say():
    """Means of -1, 0 and 1; a group without an item gets the mean of all, with a wider error."""
    random = np.random.default_rng(3)
    groups = np.arange(300) % 3
    true = groups - 1.0 + random.normal(0, 0.3, 300)
    got = shrink(likelihood(true, np.full(300, 0.4)), groups, 4)
    assert got.group_mean[:3] == pytest.approx([-1, 0, 1], abs=0.2)
    assert got.group_mean[3] == pytest.approx(0, abs=0.2)
    assert got.group_error[3] > 2 * got.group_error[0]
    assert got.between == pytest.approx(1, abs=0.3)
    assert (got.shared <= got.error).all()
