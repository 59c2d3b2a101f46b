"""Tests by store, city, or day: false positives and coverage, by simulation.

The calculations are those of `visitors.effects` and `clusters.effect_by_unit`, applied to all tests
of a cell at once; `tests/validation/test_ab_designs.py` compares them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from d1lab.analyses.ab_tests.clusters import NOT_AT_RANDOM, cluster_means
from d1lab.stats import means
from d1lab.stats.random_order import by_weekday_p, few_changes_p
from validation.measured import COVERS, ERRS, NO_LIMIT, Measured, measured
from validation.simulate_ab import BUYING, WEEK

Floats = NDArray[np.float64]
Generator = np.random.Generator

ALPHA, CRITICAL = 0.05, -float(ndtri(0.025))
RATE = 0.05
SELDOM = 0.05  # share of tests with a ratio below which its coverage is that of odd tests
SPREAD = 0.3  # true lifts are normal on the log scale


class Clusters(NamedTuple):
    """A test by store or city."""

    counts: tuple[int, int]  # clusters of A and of B
    correlation: float  # of two visitors of a cluster
    sizes: float = 0.8  # sd of the logarithm of a cluster's visitors, whose median is 200
    errs: tuple[float, float] = ERRS
    covers: tuple[float, float] = COVERS

    @property
    def name(self) -> tuple[str, ...]:
        """The cell's parts in the table."""
        counts = f"{self.counts[0]} and {self.counts[1]}"
        return counts, f"{self.correlation:g}", f"{self.sizes:g}"


class Switchback(NamedTuple):
    """A test by day."""

    days: int
    order: str  # how the variant of each day was chosen: a key of `ORDERS`
    correlation: float  # of the rates of two days in a row
    sd: float = 0.25  # of the logarithm of a day's rate
    errs: tuple[float, float] = ERRS
    covers: tuple[float, float] = COVERS

    @property
    def name(self) -> tuple[str, ...]:
        """The cell's parts in the table."""
        return self.order, str(self.days), f"{self.correlation:g}"


CLUSTERS = tuple(
    Clusters(counts, correlation, sizes)
    for counts in ((8, 8), (12, 12), (20, 20), (60, 60), (8, 12), (8, 40), (40, 8), (20, 60))
    for correlation in (0.05, 0.2)
    for sizes in (0.2, 1.0)
)
_ALTERNATING = (COVERS[0], 1.0)  # with A and B in turn, intervals are wider than needed
DAYS = (
    *(
        Switchback(days, "at random", correlation)
        for days in (16, 28, 56)
        for correlation in (0.0, 0.5, 0.8)
    ),
    *(
        Switchback(days, "every other day", correlation, covers=_ALTERNATING)
        for days in (28, 56)
        for correlation in (0.0, 0.8)
    ),
    *(
        Switchback(28, "at random for two days", correlation, errs=NO_LIMIT, covers=NO_LIMIT)
        for correlation in (0.0, 0.8)
    ),
    *(Switchback(28, order, 0.8) for order in ("a week each", "B on weekends")),
)


def clusters(tests: int, seed: int, cells: tuple[Clusters, ...] = CLUSTERS) -> list[Measured]:
    """Measure the tests by cluster."""
    return [
        one
        for place, cell in enumerate(cells)
        for one in _of_cell(cell, tests, np.random.default_rng([seed, place]))
    ]


def switchbacks(tests: int, seed: int, cells: tuple[Switchback, ...] = DAYS) -> list[Measured]:
    """Measure the tests by day."""
    return [
        one
        for place, cell in enumerate(cells)
        for one in _of_days(cell, tests, np.random.default_rng([seed, place]))
    ]


def _of_cell(cell: Clusters, tests: int, rng: Generator) -> Iterator[Measured]:
    for true in (np.zeros(tests), rng.normal(0, SPREAD, tests)):
        rates = [_cluster_means(cell, side, log, rng) for side, log in enumerate((0 * true, true))]
        yield from _measured(cell, sums(rates[0]), sums(rates[1]), true)


def _cluster_means(cell: Clusters, side: int, log_lift: Floats, rng: Generator) -> Floats:
    """Draw the conversion rate of each cluster, tests x clusters: beta-binomial counts."""
    shape = (len(log_lift), cell.counts[side])
    weight = 1 / cell.correlation - 1
    rates = rng.beta(RATE * weight, (1 - RATE) * weight, shape)
    sizes = np.maximum(np.rint(200 * np.exp(rng.normal(0, cell.sizes, shape))), 5).astype(int)
    return rng.binomial(sizes, np.minimum(rates * np.exp(log_lift)[:, None], 1)) / sizes


def _of_days(cell: Switchback, tests: int, rng: Generator) -> Iterator[Measured]:
    in_b = ORDERS[cell.order](tests, cell.days, rng)
    answered = np.array([is_random(row) for row in in_b.tolist()])
    for true in (np.zeros(tests), rng.normal(0, SPREAD, tests)):
        rates = day_rates(cell, in_b, true, rng)
        yield from _measured(cell, sums(rates, ~in_b), sums(rates, in_b), true, answered)
    yield measured(cell.name, "answers", answered)


def is_random(in_b: list[bool]) -> bool:
    """Return whether a test by day with this order has an answer."""
    return min(few_changes_p(in_b), by_weekday_p(in_b)) >= NOT_AT_RANDOM


def day_rates(
    cell: Switchback, in_b: NDArray[np.bool_], log_lift: Floats, rng: Generator
) -> Floats:
    """Draw the conversion rate of each day: autocorrelated, with a weekly cycle."""
    shape = in_b.shape
    state = rng.normal(0, cell.sd, shape)
    for day in range(1, cell.days):
        fresh = (1 - cell.correlation**2) ** 0.5 * state[:, day]
        state[:, day] = cell.correlation * state[:, day - 1] + fresh
    rates = RATE * np.resize(BUYING, cell.days) * np.exp(state - cell.sd**2 / 2)
    visitors = rng.poisson(400 * np.resize(WEEK, cell.days), shape) + 1
    return (
        rng.binomial(visitors, np.minimum(rates * np.exp(log_lift[:, None] * in_b), 1)) / visitors
    )


def _at_random(tests: int, days: int, rng: Generator) -> NDArray[np.bool_]:
    return rng.permuted(np.tile(np.arange(days) % 2 == 1, (tests, 1)), axis=1)


def _alternating(tests: int, days: int, rng: Generator) -> NDArray[np.bool_]:
    return (np.arange(days) + rng.integers(0, 2, (tests, 1))) % 2 == 1


def _two_days(tests: int, days: int, rng: Generator) -> NDArray[np.bool_]:
    return np.repeat(_at_random(tests, -(-days // 2), rng), 2, axis=1)[:, :days]


def _by_week(tests: int, days: int, rng: Generator) -> NDArray[np.bool_]:
    return (np.arange(days) // 7 + rng.integers(0, 2, (tests, 1))) % 2 == 1


def _weekends(tests: int, days: int, rng: Generator) -> NDArray[np.bool_]:
    return np.tile(np.arange(days) % 7 >= 5, (tests, 1))


ORDERS = {
    "at random": _at_random,
    "every other day": _alternating,
    "at random for two days": _two_days,
    "a week each": _by_week,
    "B on weekends": _weekends,
}
"""How the variant of each day is chosen."""


def sums(values: Floats, counted: NDArray[np.bool_] | None = None) -> means.Sums:
    """Return the sums over the clusters of each test that count."""
    kept = np.ones(values.shape) if counted is None else counted.astype(np.float64)
    held = values * kept
    return means.Sums.of(kept.sum(axis=1), held.sum(axis=1), (held * values).sum(axis=1))


def _measured(
    cell: Clusters | Switchback,
    a: means.Sums,
    b: means.Sums,
    log_lift: Floats,
    answered: NDArray[np.bool_] | bool = True,
) -> Iterator[Measured]:
    """Return the false positives of tests without a lift, or the coverage of those with one."""
    both = cluster_means(a, b)
    known = (both.error > 0) & answered
    if not log_lift.any():
        p = means.p_value(both)
        yield measured(cell.name, "false positives", p < ALPHA, cell.errs, known)
        return
    low, high = means.difference_interval(both, CRITICAL)
    truth = RATE * np.expm1(log_lift)
    holds = (low <= truth) & (truth <= high)
    yield measured(cell.name, "difference covered", holds, cell.covers, known)
    low, high = means.ratio_interval(both, CRITICAL)
    holds = (low <= np.exp(log_lift)) & (np.exp(log_lift) <= high)
    bounded = known & np.isfinite(low + high)
    if bounded.mean() >= SELDOM or not known.any():
        yield measured(cell.name, "ratio covered", holds, cell.covers, bounded)
    if isinstance(cell, Clusters):
        yield measured(cell.name, "ratio known", bounded)
