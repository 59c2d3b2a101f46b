"""Tests of three and four variants: false winners, coverage, and power, by simulation.

The calculations are those of `arms.compare_arms`, applied to all tests of a cell at once;
`tests/validation/test_ab_designs.py` compares their decisions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from d1lab.analyses.ab_tests.arms import by_holm
from d1lab.analyses.ab_tests.not_available import MIN_CONVERSIONS, MIN_UNEVEN_BUYERS
from d1lab.stats import means, proportions, sequential
from d1lab.stats.dunnett import dunnett_p
from d1lab.stats.uneven import Uneven, is_uneven
from validation.measured import COVERS, ERRS, NO_LIMIT, Measured, measured
from validation.simulate_ab import BUYING, DAYS, ORDER_LOG_MEAN, ORDER_LOG_SD, WEEK

Floats = NDArray[np.float64]
Generator = np.random.Generator

ALPHA = 0.05
RATE = 0.05
VALID = (0.0, 0.05)  # false winners of always-valid tests
EACH = (COVERS[0], 1.0)  # of an interval that is corrected for the others


class Several(NamedTuple):
    """A test of three or more variants that is read once."""

    metric: str
    visitors: int  # of all variants
    shares: tuple[float, ...] = (1 / 3, 1 / 3, 1 / 3)  # A first
    sd: float = ORDER_LOG_SD  # of the logarithm of order values

    @property
    def name(self) -> tuple[str, ...]:
        """The cell's parts in the table."""
        split = " / ".join(f"{100 * share:.0f}" for share in self.shares)
        spread = f", sd {self.sd:g}" if self.metric == "revenue" else ""
        return f"{self.metric}{spread}", f"{self.visitors:,}", split


class Drawn(NamedTuple):
    """Totals of each variant, tests x variants, A first."""

    visitors: Floats
    conversions: Floats
    revenue: Floats
    revenue_squares: Floats
    rates: Floats  # true


class Compared(NamedTuple):
    """Comparisons with A, tests x other variants."""

    p: Floats  # adjusted for all of them
    better: NDArray[np.bool_]
    covers: NDArray[np.bool_]  # the interval of the difference, at the level of each comparison
    answered: NDArray[np.bool_]
    correction: str


QUARTERS = (0.25,) * 4
CELLS = (
    *(
        Several("conversions", n, shares)
        for n in (6_000, 60_000)
        for shares in ((1 / 3,) * 3, QUARTERS)
    ),
    *(
        Several("revenue", n, shares, sd)
        for n, sd in ((12_000, 0.8), (60_000, 0.8), (60_000, 2.0))
        for shares in ((1 / 3,) * 3, QUARTERS)
    ),
    Several("conversions", 60_000, (0.8, 0.1, 0.1)),
    Several("revenue", 60_000, (0.5, 0.25, 0.25)),
    Several("revenue", 60_000, (0.8, 0.1, 0.1), 2.0),
)
"""Cells of tests read once."""


def several(tests: int, seed: int, cells: tuple[Several, ...] = CELLS) -> list[Measured]:
    """Measure the tests that are read once."""
    return [
        one
        for place, cell in enumerate(cells)
        for one in _of_cell(cell, tests, np.random.default_rng([seed, place]))
    ]


def _of_cell(cell: Several, tests: int, rng: Generator) -> Iterator[Measured]:
    others = len(cell.shares) - 1
    found = compared(cell, draw(cell, np.zeros((tests, others)), rng))
    wrong, known = (found.p < ALPHA).any(axis=1), found.answered.all(axis=1)
    yield measured(cell.name, "false winners or losers", wrong, ERRS, known)
    found = compared(cell, draw(cell, rng.normal(0, 0.15, (tests, others)), rng))
    known, holds = found.answered, found.covers
    every = COVERS if found.correction == "dunnett" else NO_LIMIT
    yield measured(cell.name, "each interval covers", holds.ravel(), EACH, known.ravel())
    yield measured(cell.name, "all cover", holds.all(axis=1), every, known.all(axis=1))
    yield from _power(cell, tests, rng)


def _power(cell: Several, tests: int, rng: Generator) -> Iterator[Measured]:
    """Measure how often the last variant wins, which alone is better, and by 20%."""
    lifts = np.zeros((tests, len(cell.shares) - 1))
    lifts[:, -1] = np.log(1.2)
    drawn = draw(cell, lifts, rng)
    found = compared(cell, drawn)
    won = (found.p < ALPHA) & found.better
    leading = np.argmax(np.where(won, _each(cell, drawn)[:, 1:], -np.inf), axis=1)
    best = won[:, -1] & (leading == won.shape[1] - 1)
    yield measured(cell.name, "the best wins", best)
    yield measured(cell.name, "another wins", won.any(axis=1) & ~best, ERRS)


def _each(cell: Several, drawn: Drawn) -> Floats:
    """Return the metric per visitor."""
    totals = drawn.conversions if cell.metric == "conversions" else drawn.revenue
    return totals / drawn.visitors


def draw(cell: Several, log_lifts: Floats, rng: Generator) -> Drawn:
    """Draw the totals of tests whose variants differ from A by lifts on the log scale."""
    tests = len(log_lifts)
    visitors = rng.multinomial(cell.visitors, cell.shares, tests)
    rates = RATE * np.exp(np.column_stack([np.zeros(tests), log_lifts]))
    bought = rng.binomial(visitors, rates)
    money = np.zeros((2, *bought.shape))
    if cell.metric == "revenue":
        money = _money(bought, cell.sd, rng)
    return Drawn(visitors.astype(float), bought.astype(float), money[0], money[1], rates)


def _money(orders: NDArray[np.int64], sd: float, rng: Generator) -> Floats:
    """Return the sum and the sum of squares of the values of each number of orders."""
    blocks = np.array_split(orders, max(len(orders) // 200, 1))
    return np.concatenate([_sums_of_values(block, sd, rng) for block in blocks], axis=1)


def _sums_of_values(orders: NDArray[np.int64], sd: float, rng: Generator) -> Floats:
    ends = np.cumsum(orders.ravel())
    values = rng.lognormal(ORDER_LOG_MEAN, sd, ends[-1])
    parts = [np.concatenate([[0.0], np.cumsum(power)])[ends] for power in (values, values**2)]
    return np.array([np.diff(part, prepend=0.0).reshape(orders.shape) for part in parts])


def truth(cell: Several, drawn: Drawn) -> Floats:
    """Return the true differences to A, in money or conversions per visitor."""
    worth = np.exp(ORDER_LOG_MEAN + cell.sd**2 / 2) if cell.metric == "revenue" else 1.0
    return worth * (drawn.rates[:, 1:] - drawn.rates[:, :1])


def compared(cell: Several, drawn: Drawn) -> Compared:
    """Compare every variant with A, at one error rate for all."""
    if cell.metric == "conversions":
        return _by_rates(drawn, truth(cell, drawn))
    columns = (drawn.visitors, drawn.revenue, drawn.revenue_squares)
    a, b = (means.Sums.of(*(c[:, side] for c in columns)) for side in (slice(0, 1), slice(1, None)))
    a = means.Sums.of(*(np.broadcast_to(column, b.n.shape) for column in a))
    if is_uneven(float(a.n[0, 0]), float(b.n[0, 0])):
        return _by_pooled(drawn, a, b, truth(cell, drawn))
    return _by_dunnett(means.welch(a, b), truth(cell, drawn))


def _by_rates(drawn: Drawn, true: Floats) -> Compared:
    x, n = drawn.conversions, drawn.visitors
    rates = proportions.Rates.of(x[:, :1], n[:, :1], x[:, 1:], n[:, 1:])
    adjusted, levels = _holm(proportions.score_p(rates))
    low, high = proportions.difference_interval(rates, -ndtri(levels / 2))
    covers = (low <= true) & (true <= high)
    everywhere = np.ones(true.shape, dtype=bool)
    return Compared(adjusted, rates.rate_b > rates.rate_a, covers, everywhere, "holm")


def _by_dunnett(both: means.Means, true: Floats) -> Compared:
    """Compare by Dunnett; an interval covers what its test does not reject."""
    moved = both._replace(b=both.b - true)
    p, p_of_true = (_dunnett(one) for one in (both, moved))
    everywhere = np.ones(p.shape, dtype=bool)
    return Compared(p, both.b > both.a, p_of_true >= ALPHA, everywhere, "dunnett")


def _dunnett(both: means.Means) -> Floats:
    """Return p-values that are on Dunnett's side of alpha.

    He is between no correction and Bonferroni, so he is asked only where these two differ.
    """
    single, loads = means.p_value(both), np.sqrt(both.variance_a) / both.error
    count = single.shape[1]
    found = np.where(single < ALPHA, np.minimum(count * single, 1.0), single)
    t = means.t_statistic(both)
    for test in np.flatnonzero(((single < ALPHA) & (count * single >= ALPHA)).any(axis=1)):
        found[test] = dunnett_p(t[test], both.freedom[test], loads[test])
    return found


def _by_pooled(drawn: Drawn, a: means.Sums, b: means.Sums, true: Floats) -> Compared:
    x = drawn.conversions
    split = Uneven(a, b, np.broadcast_to(x[:, :1], b.n.shape), x[:, 1:])
    enough = np.minimum(x[:, :1], x[:, 1:]) >= MIN_UNEVEN_BUYERS
    adjusted, levels = _holm(np.where(enough, means.p_value(split.means), 1.0))
    low, high = split.difference_interval(-ndtri(levels / 2))
    covers = (low <= true) & (true <= high)
    return Compared(adjusted, split.means.b > split.means.a, covers, enough, "holm")


def _holm(p: Floats) -> tuple[Floats, Floats]:
    adjusted, levels = zip(*(by_holm(row, ALPHA) for row in p.tolist()), strict=True)
    return np.array(adjusted, dtype=float), np.array(levels)


class Watched(NamedTuple):
    """A test of several variants that is looked at every day, by an always-valid method."""

    metric: str
    per_day: int  # visitors of each variant
    arms: int

    @property
    def name(self) -> tuple[str, ...]:
        """The cell's parts in the table."""
        return self.metric, f"{self.per_day:,}", str(self.arms)


WATCHED = tuple(
    Watched(metric, per_day, arms)
    for metric in ("conversions", "revenue")
    for per_day in (100, 500)
    for arms in (3, 4)
)


def watched(tests: int, seed: int, cells: tuple[Watched, ...] = WATCHED) -> list[Measured]:
    """Measure always-valid tests with a look on each of 28 days."""
    found = []
    for place, cell in enumerate(cells):
        for lift in (0.0, 0.2):
            rng = np.random.default_rng([seed, place, int(lift > 0)])
            won = decided(cell, watch(cell, tests, lift, rng))
            if lift:
                found.append(measured(cell.name, "the best is found", won[:, -1]))
            else:
                found.append(measured(cell.name, "false winners or losers", won.any(axis=1), VALID))
    return found


def watch(cell: Watched, tests: int, lift: float, rng: Generator) -> Drawn:
    """Draw cumulative totals: tests x variants x days; the last variant has the lift."""
    shape = (tests, cell.arms, DAYS)
    visitors = np.broadcast_to(np.rint(cell.per_day * np.resize(WEEK, DAYS)).astype(int), shape)
    rates = np.broadcast_to(RATE * np.resize(BUYING, DAYS), shape).copy()
    rates[:, -1] *= 1 + lift
    bought = rng.binomial(visitors, rates)
    money = _money(bought, ORDER_LOG_SD, rng) if cell.metric == "revenue" else np.zeros((2, *shape))
    return Drawn(
        *(np.cumsum(part, axis=2, dtype=float) for part in (visitors, bought, *money)), rates
    )


def decided(cell: Watched, drawn: Drawn) -> NDArray[np.bool_]:
    """Return whether each variant was decided on some day, with alpha shared equally."""
    alpha = ALPHA / (cell.arms - 1)
    x = drawn.conversions
    if cell.metric == "conversions":
        factor = sequential.log_bayes_factor(x[:, :1], x[:, 1:], 0.5)
        return (factor >= -np.log(alpha)).any(axis=2)
    columns = (drawn.visitors, drawn.revenue, drawn.revenue_squares)
    a, b = (means.Sums.of(*(c[:, side] for c in columns)) for side in (slice(0, 1), slice(1, None)))
    begun = np.minimum(x[:, :1], x[:, 1:]) >= MIN_CONVERSIONS
    scale = sequential.mixture_scale(alpha)
    line = sequential.sequence_critical(a.n + b.n, scale, alpha)
    z = np.abs(np.nan_to_num(means.t_statistic(means.welch(a, b))))
    return ((z >= line) & begun).any(axis=2)
