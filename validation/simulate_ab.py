"""Simulated A/B tests as columns, for `validation.ab_certificate`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DAYS = 28
BASE_RATE = 0.02
WEEK = np.array([1.05, 1.0, 0.95, 0.95, 1.05, 1.25, 0.75])  # traffic by weekday, mean 1
BUYING = np.array([1.0, 1.0, 0.95, 1.05, 1.1, 0.85, 1.05])  # rate by weekday, mean 1
ORDER_LOG_MEAN, ORDER_LOG_SD = 3.8, 0.8  # order values: median 45, mean 62


class Cell(NamedTuple):
    """One setting of the simulation."""

    visitors: int  # per day and variant at an even split; twice that for both variants
    share_b: float = 0.5
    lift: float = 0.0  # true: rate of B / rate of A - 1
    order_sd: float = ORDER_LOG_SD  # of the logarithm of order values


class Tests(NamedTuple):
    """Cumulative sums per test (rows) and day (columns), of variants a and b."""

    visitors: tuple[Floats, Floats]
    conversions: tuple[Floats, Floats]
    revenue: tuple[Floats, Floats]
    revenue_squares: tuple[Floats, Floats]
    times: Floats  # share of the planned visitors at each day


def simulate(cell: Cell, tests: int, rng: np.random.Generator, days: int = DAYS) -> Tests:
    """Simulate tests with weekly seasonality in traffic and buying, and a random split.

    Order values are log-normal; every buyer has one order.
    """
    week = np.resize(WEEK, days)
    traffic = np.rint(2 * cell.visitors * week).astype(np.int64)
    in_b = rng.binomial(traffic, cell.share_b, (tests, days))
    visitors = (traffic - in_b, in_b)
    rates = BASE_RATE * np.resize(BUYING, days)
    bought = [
        rng.binomial(seen, rate)
        for seen, rate in zip(visitors, (rates, rates * (1 + cell.lift)), strict=True)
    ]
    money = [_order_sums(orders, cell.order_sd, rng) for orders in bought]
    return Tests(
        (_running(visitors[0]), _running(visitors[1])),
        (_running(bought[0]), _running(bought[1])),
        (_running(money[0][0]), _running(money[1][0])),
        (_running(money[0][1]), _running(money[1][1])),
        np.cumsum(traffic) / traffic.sum(),
    )


def _order_sums(
    orders: NDArray[np.int64], sd: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return the sum and sum of squares of the values of each number of orders."""
    sums, squares = np.zeros(orders.shape), np.zeros(orders.shape)
    for test in range(len(orders)):
        counts = orders[test]
        values = rng.lognormal(ORDER_LOG_MEAN, sd, counts.sum())
        day = np.repeat(np.arange(orders.shape[1]), counts)
        sums[test] = np.bincount(day, values, orders.shape[1])
        squares[test] = np.bincount(day, values**2, orders.shape[1])
    return sums, squares


def _running(counts: NDArray[np.int64] | Floats) -> Floats:
    return np.cumsum(counts, axis=1, dtype=np.float64)
