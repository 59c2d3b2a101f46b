"""Values of many items, drawn toward their group's mean, and that toward the mean of all.

Empirical Bayes on likelihoods, without a normal approximation of them. How far items of a group
differ is learned from all items: values differ from their group's mean by a normal or a Student t
distribution with 3 degrees of freedom (so that a few items that stand out stay where their data
shows them), of any width. What is unknown about the width, the shape, and the means of groups is
integrated over, so it is part of the errors (Gelman et al. 2013, Bayesian Data Analysis, 5.4).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

STEP, REACH, SHIFTS = 0.1, 8.0, 4.0  # of the grid of values, and how far group means can be
WIDTHS: Floats = 0.1 * 2 ** (np.arange(11) / 2)  # up to 3.2, equally likely a priori
TAILS = 3.0  # degrees of freedom of the wider of the two shapes
LEARNED_FROM = 2_000  # items, evenly spaced, by which widths and shapes are weighed
NEGLIGIBLE = 0.01  # probability of a width and shape below which it is left out
_ROUNDS = 50

GRID: Floats = np.arange(-REACH, REACH + STEP / 2, STEP, dtype=np.float64)
"""Values at which likelihoods are given."""
_MEANS: Floats = np.arange(-SHIFTS, SHIFTS + STEP / 2, STEP, dtype=np.float64)


class Shrunk(NamedTuple):
    """Posterior means and standard deviations, per item and per group."""

    mean: Floats
    error: Floats
    shared: Floats  # part of `error` that the items of a group have in common
    by_width: Floats  # part that all have in common, signed: by the width of the distribution
    group_mean: Floats
    group_error: Floats  # of a further item of the group: how far items differ is part of it
    group_shared: Floats  # part of it that is the mean's
    group_by_width: Floats
    spread: float  # standard deviation of values within groups
    between: float  # of group means; infinite for one group, whose mean nothing else tells


class _Given(NamedTuple):
    """Results given width and shape."""

    items: tuple[Floats, Floats, Floats]  # mean, error, and shared error
    groups: tuple[Floats, Floats, Floats]
    spread: float
    between: float


class _Means(NamedTuple):
    """What is known about the means of groups, given width and shape."""

    chance: Floats  # group x mean: probability
    between: float
    center: float
    fit: float  # log marginal likelihood


def shrink(likelihood: Floats, groups: Ints, count: int) -> Shrunk:
    """Draw the values of items toward their group's mean.

    Args:
        likelihood: Item x `GRID`: likelihood of each value, of any scale; at least one item.
        groups: Group of each item, from 0.
        count: Number of groups; those without an item get the mean of all.
    """
    kernels = _kernels()
    some = np.arange(0, len(groups), -(-len(groups) // LEARNED_FROM))
    fits = np.array([_means(likelihood[some] @ one, groups[some], count).fit for one in kernels])
    chance = np.exp(fits - fits.max())
    chance[chance < NEGLIGIBLE * chance.sum()] = 0
    kept = np.flatnonzero(chance)
    weights = chance[kept] / chance.sum()
    parts = [_given(likelihood, groups, count, kernels[place]) for place in kept]
    items, of_groups = [part.items for part in parts], [part.groups for part in parts]
    spread, between = weights @ np.array([(part.spread, part.between) for part in parts])
    away = _standardized(np.log(WIDTHS)[kept % len(WIDTHS)], weights)
    return Shrunk(
        *_mixed(items, weights, away),
        *_mixed(of_groups, weights, away),
        float(spread),
        float(between),
    )


def _kernels() -> Floats:
    """Return the probability of each value given a group's mean: width and shape x value x mean."""
    square = ((GRID[:, None] - _MEANS) / WIDTHS[:, None, None]) ** 2
    tails = (1 + square / TAILS) ** (-(TAILS + 1) / 2)
    density = np.concatenate([np.exp(-square / 2), tails])
    return density / density.sum(axis=1, keepdims=True)


def _given(likelihood: Floats, groups: Ints, count: int, kernel: Floats) -> _Given:
    """Return the results given the probability of values by the group's mean."""
    given_mean = np.maximum(likelihood @ kernel, 1e-300)
    known = _means(given_mean, groups, count)
    rest = known.chance[groups] / given_mean  # of the group's mean, without the item
    mean, error = _moments(likelihood * (rest @ kernel.T), GRID)
    at_mean = likelihood @ (kernel * GRID[:, None]) / given_mean
    _, shared = _spread_of(known.chance[groups], at_mean)
    group_mean, group_shared = _moments(known.chance, _MEANS)
    spread = float(np.sqrt(kernel[:, len(_MEANS) // 2] @ GRID**2))
    of_groups = group_mean, np.hypot(spread, group_shared), group_shared
    return _Given((mean, error, shared), of_groups, spread, known.between)


def _standardized(values: Floats, weights: Floats) -> Floats:
    """Return values as standard deviations from their mean; 0 if there is one only."""
    away = values - weights @ values
    return away / max(float(np.sqrt(weights @ away**2)), 1e-9)


def _mixed(
    parts: list[tuple[Floats, Floats, Floats]], weights: Floats, away: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return mean, error, shared error, and that by width, over widths and shapes."""
    means, errors, shared = (np.stack(column) for column in zip(*parts, strict=True))
    mean = weights @ means
    error = np.sqrt(weights @ (errors**2 + (means - mean) ** 2))
    return mean, error, np.sqrt(weights @ shared**2), (weights * away) @ means


def _means(given_mean: Floats, groups: Ints, count: int) -> _Means:
    """Return what items' likelihoods given their group's mean tell about these means.

    Center and spread of groups with items are the most likely ones (EM algorithm), with C - 1 of C
    groups counted, as the center is estimated.
    """
    log = _summed(np.log(np.maximum(given_mean, 1e-300)), groups, count)
    some = np.bincount(groups, minlength=count) > 0
    found = _updated(log, np.inf, 0.0)
    for _ in range(_ROUNDS if some.sum() > 1 else 0):
        mean, error = _moments(found.chance[some], _MEANS)
        center = float(mean.mean())
        between = np.sqrt(((mean - center) ** 2 + error**2).sum() / (some.sum() - 1))
        still = abs(between - found.between) < 1e-3
        found = _updated(log, float(between), center)
        if still:
            break
    return found


def _summed(log: Floats, groups: Ints, count: int) -> Floats:
    from scipy.sparse import csr_array

    items = np.arange(len(groups))
    member = csr_array((np.ones(len(items)), (groups, items)), shape=(count, len(items)))
    return np.asarray(member @ log, dtype=np.float64)


def _updated(log: Floats, between: float, center: float) -> _Means:
    """Return the probability of each mean of each group, and the marginal likelihood."""
    prior = np.exp(-(((_MEANS - center) / between) ** 2) / 2)
    most = log.max(axis=1, keepdims=True)
    joint = np.exp(log - most) * (prior / prior.sum())
    whole = joint.sum(axis=1, keepdims=True)
    return _Means(joint / whole, between, center, float((most + np.log(whole)).sum()))


def _moments(weights: Floats, at: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of values with these weights, one row per item."""
    return _spread_of(weights / weights.sum(axis=1, keepdims=True), at[None, :])


def _spread_of(weights: Floats, at: Floats) -> tuple[Floats, Floats]:
    mean = (weights * at).sum(axis=1)
    variance = (weights * (at - mean[:, None]) ** 2).sum(axis=1)
    return mean, np.sqrt(variance + STEP**2 / 12)  # the second: of values between two of the grid
