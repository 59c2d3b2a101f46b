"""Values drawn toward their group's mean, with errors that hold."""

from __future__ import annotations

import itertools

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


def by_hand(items: np.ndarray, groups: list[int], count: int) -> dict[str, np.ndarray]:
    """The posterior means and errors, summed over widths, shapes, and group means one by one."""
    means = np.arange(-4, 4.05, 0.1)
    parts = []
    for shape, width in itertools.product((0, 1), 0.1 * 2 ** (np.arange(11) / 2)):
        apart = ((GRID[:, None] - means) / width) ** 2
        kernel = (1 + apart / 3) ** -2 if shape else np.exp(-apart / 2)
        kernel = kernel / kernel.sum(axis=0)
        given = np.maximum(items @ kernel, 1e-300)
        log = np.array([sum((np.log(given[i]) for i, of in enumerate(groups) if of == g),
                            np.zeros(len(means))) for g in range(count)])  # fmt: skip
        known = [g for g in range(count) if g in groups]
        before, between, center = 0.0, np.inf, 0.0
        for step in range(51):
            prior = np.exp(-(((means - center) / between) ** 2) / 2)
            joint = np.exp(log - log.max(axis=1, keepdims=True)) * prior / prior.sum()
            chance = joint / joint.sum(axis=1, keepdims=True)
            fit = float((log.max(axis=1) + np.log(joint.sum(axis=1))).sum())
            if len(known) < 2 or (step and abs(between - before) < 1e-3):
                break
            m = chance[known] @ means
            v = [(chance[g] * (means - a) ** 2).sum() + 0.01 / 12
                 for g, a in zip(known, m, strict=True)]  # fmt: skip
            before, center = between, float(m.mean())
            between = float((((m - center) ** 2).sum() + sum(v)) / (len(known) - 1)) ** 0.5
        own = np.array([
            (row * (kernel @ (chance[g] / given[i]))) for i, (row, g) in
            enumerate(zip(items, groups, strict=True))
        ])  # fmt: skip
        own /= own.sum(axis=1, keepdims=True)
        mean = own @ GRID
        error = ((own * (GRID - mean[:, None]) ** 2).sum(axis=1) + 0.01 / 12) ** 0.5
        at = (items * GRID) @ kernel / given
        weight = chance[groups]
        middle = (weight * at).sum(axis=1)
        shared = ((weight * (at - middle[:, None]) ** 2).sum(axis=1) + 0.01 / 12) ** 0.5
        group = chance @ means
        wide = ((chance * (means - group[:, None]) ** 2).sum(axis=1) + 0.01 / 12) ** 0.5
        spread = float(kernel[:, 40] @ GRID**2) ** 0.5
        parts.append((fit, mean, error, shared, group, np.hypot(spread, wide), wide, spread,
                      between, np.log(width)))  # fmt: skip
    fits = np.exp(np.array([part[0] for part in parts]) - max(part[0] for part in parts))
    fits[fits < 0.01 * fits.sum()] = 0
    w = fits / fits.sum()
    w = w / w.sum()
    kept = [part for part, one in zip(parts, w, strict=True) if one]
    w = w[w > 0]
    columns = [np.array(column) for column in zip(*kept, strict=True)]
    _, mean, error, shared, group, group_error, wide, spread, between, log_width = columns
    away = log_width - w @ log_width
    away = away / max(float(w @ away**2) ** 0.5, 1e-9)
    mixed, of_groups = w @ mean, w @ group
    return {
        "mean": mixed, "error": (w @ (error**2 + (mean - mixed) ** 2)) ** 0.5,
        "shared": (w @ shared**2) ** 0.5, "by_width": (w * away) @ mean,
        "group_mean": of_groups,
        "group_error": (w @ (group_error**2 + (group - of_groups) ** 2)) ** 0.5,
        "group_shared": (w @ wide**2) ** 0.5, "group_by_width": (w * away) @ group,
        "spread": w @ spread, "between": w @ between,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("groups", "count"), [([0, 0, 0, 0, 0, 0], 1), ([0, 0, 0, 1, 1, 1], 3), ([1, 0, 2, 1, 0, 2], 3)]
)
def test_the_method_by_hand(groups, count):
    """Six items in one group, in two of three, and in three."""
    found = [-2.0, 0.1, 0.4, 0.9, 1.2, 3.0]
    items = likelihood(found, [0.3, 0.5, 0.2, 0.8, 0.4, 0.3])
    got = shrink(items, np.array(groups, dtype=np.intp), count)
    for name, expected in by_hand(items, groups, count).items():
        assert getattr(got, name) == pytest.approx(expected, rel=1e-8, abs=1e-12), name
