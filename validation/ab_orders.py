"""Quantiles of order values, and counts of orders by customers who come again, by simulation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from d1lab.analyses.ab_tests.effects import Effect, effect
from d1lab.analyses.ab_tests.looks import timeline
from d1lab.analyses.ab_tests.model import AbPlan, Look, Variant
from d1lab.analyses.ab_tests.not_available import MIN_CONVERSIONS
from d1lab.analyses.ab_tests.visitors import VisitorEffect, quantile_effect
from d1lab.stats import sequential
from validation.measured import COVERS, ERRS, Measured, measured
from validation.simulate_ab import DAYS, ORDER_LOG_MEAN, ORDER_LOG_SD

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Generator = np.random.Generator

ALPHA = 0.05
SELDOM = 0.05  # share of tests with an interval below which its coverage is that of odd tests
WIDEST = 0.985  # coverage of the difference of two quantiles with the fewest values
PRICES = np.array([9.99, 14.99, 19.99, 24.99, 29.99, 39.99, 49.99, 59.99, 79.99, 99.99, 149.99])


class Quantile(NamedTuple):
    """A comparison of a quantile of order values."""

    share: float
    counts: tuple[int, int]  # values of A and of B
    sd: float = ORDER_LOG_SD  # of the logarithm of order values
    priced: float = 0.0  # share of the values that are prices of `PRICES`

    @property
    def name(self) -> tuple[str, ...]:
        """The cell's parts in the table."""
        values = f"{self.priced:.0%} prices" if self.priced else f"sd {self.sd:g}"
        return f"{self.share:g}", f"{self.counts[0]:,} and {self.counts[1]:,}", values


QUANTILES = (
    *(
        Quantile(0.5, counts, sd)
        for counts in ((50, 50), (50, 450), (1_000, 1_000))
        for sd in (0.8, 2.0)
    ),
    *(
        Quantile(0.9, counts, sd)
        for counts in ((250, 250), (250, 2_000), (2_000, 2_000))
        for sd in (0.8, 2.0)
    ),
    Quantile(0.25, (100, 100)),
    Quantile(0.99, (2_500, 2_500)),
    *(
        Quantile(share, (count, count), priced=priced)
        for share, count, priced in (
            (0.5, 400, 1.0),
            (0.75, 200, 1.0),
            (0.5, 400, 0.15),
            (0.75, 200, 0.15),
        )
    ),
)


def quantiles(tests: int, seed: int, cells: tuple[Quantile, ...] = QUANTILES) -> list[Measured]:
    """Measure the comparisons of quantiles."""
    return [
        one
        for place, cell in enumerate(cells)
        for one in _of_quantile(cell, tests, np.random.default_rng([seed, place]))
    ]


def _of_quantile(cell: Quantile, tests: int, rng: Generator) -> Iterator[Measured]:
    ratio = np.exp(rng.normal(0, 0.2, tests))
    wrong = [_differ(cell, 1.0, rng) for _ in range(tests)]
    p, known = _column(wrong, "p_value")
    yield measured(cell.name, "false positives", p < ALPHA, ERRS, known)
    if cell.priced:  # the quantile of shifted prices moves in steps, so its truth is not smooth
        covered = [(0.0, one) for one in wrong]
    else:
        center = np.exp(ORDER_LOG_MEAN + cell.sd * float(ndtri(cell.share)))
        covered = [(center * (r - 1), _differ(cell, float(r), rng)) for r in ratio]
    truth = np.array([one for one, _ in covered])
    low, known = _column([one for _, one in covered], "difference_low")
    high, _ = _column([one for _, one in covered], "difference_high")
    limits = (COVERS[0], 1.0 if cell.priced else WIDEST)
    yield measured(cell.name, "interval covers", (low <= truth) & (truth <= high), limits, known)
    yield measured(cell.name, "answers", known)


def _differ(cell: Quantile, ratio: float, rng: Generator) -> VisitorEffect:
    a, b = (rng.lognormal(ORDER_LOG_MEAN, cell.sd, count) for count in cell.counts)
    if cell.priced:
        a, b = (_priced(column, cell.priced, rng) for column in (a, b))
    return quantile_effect("order value", np.round(a, 2), np.round(b * ratio, 2), cell.share, ALPHA)


def _priced(values: Floats, share: float, rng: Generator) -> Floats:
    nearest = PRICES[np.minimum(np.searchsorted(PRICES, values), len(PRICES) - 1)]
    return np.where(rng.random(len(values)) < share, nearest, values)


def _column(found: list[VisitorEffect], name: str) -> tuple[Floats, NDArray[np.bool_]]:
    values = [getattr(one, name) for one in found]
    column = np.array([np.nan if one is None else one for one in values], dtype=float)
    return column, np.isfinite(column)


class Repeats(NamedTuple):
    """A test whose orders are counted, and whose visitors are not."""

    customers: int  # expected, of both variants
    often: str  # how many orders a customer has: a key of `OFTEN`
    share_b: float = 0.5
    sd: float = ORDER_LOG_SD  # of the logarithm of order values

    @property
    def name(self) -> tuple[str, ...]:
        """The cell's parts in the table."""
        return f"{self.customers:,}", self.often, f"{self.share_b:.0%}, sd {self.sd:g}"


def _seldom(count: int, rng: Generator) -> Counts:
    return rng.geometric(0.8, count)


def _regularly(count: int, rng: Generator) -> Counts:
    return rng.geometric(0.5, count)


def _resellers(count: int, rng: Generator) -> Counts:
    """One customer in twenty orders 5 to 20 times."""
    return np.where(rng.random(count) < 0.05, rng.integers(5, 21, count), 1)


OFTEN = {
    "1.25 on average": _seldom,
    "2 on average": _regularly,
    "1, and 5% of customers 5 to 20": _resellers,
}

REPEATS = (
    *(Repeats(200, often, share) for often in OFTEN for share in (0.5, 0.2)),
    *(Repeats(3_000, often, share) for often in OFTEN for share in (0.5, 0.1)),
    *(Repeats(3_000, "1.25 on average", share, 2.0) for share in (0.5, 0.1, 0.9)),
)


def repeats(tests: int, seed: int, cells: tuple[Repeats, ...] = REPEATS) -> list[Measured]:
    """Measure the tests by orders."""
    return [
        one
        for place, cell in enumerate(cells)
        for one in _of_repeats(cell, tests, np.random.default_rng([seed, place]))
    ]


def _of_repeats(cell: Repeats, tests: int, rng: Generator) -> Iterator[Measured]:
    none = [by_orders(cell, 1.0, rng) for _ in range(tests)]
    for metric, place in (("orders", 0), ("revenue", 1)):
        p = np.array([one[place].p_value or 1.0 for one in none])
        known = [one[place].p_value is not None for one in none]
        yield measured(cell.name, f"false positives, {metric}", p < ALPHA, ERRS, known)
    ratios = np.exp(rng.normal(0, 0.2, tests))
    lifted = [by_orders(cell, float(ratio), rng) for ratio in ratios]
    for metric, place in (("orders", 0), ("revenue", 1)):
        ends = [(one[place].ratio_low, one[place].ratio_high) for one in lifted]
        low, high = np.array([[np.nan if end is None else end for end in pair] for pair in ends]).T
        known, holds = np.isfinite(low), (low <= ratios) & (ratios <= high)
        known &= known.mean() >= SELDOM
        # Counts have exact intervals, which cover more.
        limits = COVERS if metric == "revenue" else (COVERS[0], 1.0)
        yield measured(cell.name, f"ratio covered, {metric}", holds, limits, known)
    yield measured(cell.name, "false winners, daily looks", _watched(cell, tests, rng), (0.0, 0.05))


def by_orders(cell: Repeats, ratio: float, rng: Generator) -> tuple[Effect, Effect]:
    """Draw customers with their orders, and return the effects on orders and on revenue."""
    drawn = [
        _customers(rng.poisson(cell.customers * share), cell, rng)
        for share in (1 - cell.share_b, cell.share_b * ratio)
    ]
    orders = np.concatenate([one[0] for one in drawn])
    spent, squares = (np.concatenate([one[i] for one in drawn]) for i in (1, 2))
    plan = AbPlan(
        share_b=cell.share_b,
        share_declared=True,
        count_inflation=float((orders**2).sum() / orders.sum()),  # as metric `ab_tests` has it
        money_inflation=float((spent**2).sum() / squares.sum()),
    )
    a, b = (Variant(None, int(n.sum()), float(y.sum()), float(yy.sum())) for n, y, yy in drawn)
    line = timeline([Look(a, b)], plan)
    assert line is not None  # None only before a planned look, and this plan has none
    return effect("conversions", line, plan), effect("revenue", line, plan)


def _customers(count: int, cell: Repeats, rng: Generator) -> tuple[Counts, Floats, Floats]:
    """Return the orders of each customer, what they cost, and the sum of their squares."""
    orders = OFTEN[cell.often](count, rng)
    values = rng.lognormal(ORDER_LOG_MEAN, cell.sd, int(orders.sum()))
    who = np.repeat(np.arange(count), orders)
    return orders, np.bincount(who, values, count), np.bincount(who, values**2, count)


def _watched(cell: Repeats, tests: int, rng: Generator) -> NDArray[np.bool_]:
    """Return whether the e-process of orders decided on one of 28 days, without a difference."""
    per_day = [np.zeros((tests, DAYS)) for _ in "ab"]
    squares = np.zeros((tests, DAYS))
    for counts, share in zip(per_day, (1 - cell.share_b, cell.share_b), strict=True):
        for test in range(tests):
            orders = OFTEN[cell.often](rng.poisson(cell.customers * share), rng)
            first = rng.integers(0, DAYS, len(orders))
            who = np.repeat(np.arange(len(orders)), orders)
            day = np.minimum(first[who] + rng.integers(0, 14, len(who)), DAYS - 1)
            np.add.at(counts[test], day, 1)
            seen = np.zeros((len(orders), DAYS))
            np.add.at(seen, (who, day), 1)
            squares[test] += (np.cumsum(seen, axis=1) ** 2).sum(axis=0)
    a, b = (np.cumsum(counts, axis=1) for counts in per_day)
    inflation = np.maximum(squares / np.maximum(a + b, 1), 1)
    a, b = a / inflation, b / inflation
    factor = sequential.log_bayes_factor(a, b, cell.share_b)
    begun = np.minimum(a, b) >= MIN_CONVERSIONS
    return ((factor >= -np.log(ALPHA)) & begun).any(axis=1)
