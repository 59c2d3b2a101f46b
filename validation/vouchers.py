"""Voucher tests: false positives and coverage, by simulation.

The customers are drawn, assigned to halves, and compared by the program's own functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from d1lab.analyses.customers.voucher_assignment import FEWEST_PER_STRATUM, STRATA
from d1lab.analyses.customers.voucher_outcome import outcomes
from validation.measured import COVERS, ERRS, Measured, measured

Floats = NDArray[np.float64]
Generator = np.random.Generator

MARGIN, DISCOUNT = 0.4, 0.15  # shares of revenue: profit, and what a voucher takes off
VALUE_SD = 0.7  # of the logarithm of the customers' expected values
SPREAD = 0.3  # true lifts of the share who buy are normal on the log scale
DIFFERENCE = (COVERS[0], 0.985)  # tests of the fewest buyers may cover more
ANYWAY = (COVERS[0], 1.0)  # the share who would have bought anyway is at most 1
_SENT_ON, _LAST_DAY = date(2026, 3, 2), date(2026, 4, 30)


class Voucher(NamedTuple):
    """A voucher test of overdue customers."""

    customers: int  # of both halves
    rate: float  # share of the customers held out who buy
    sd: float = 0.8  # of the logarithm of what a customer spends, beside the expected value

    @property
    def name(self) -> tuple[str, ...]:
        """The cell's parts in the table."""
        return f"{self.customers:,}", f"{self.rate:.0%}", f"{self.sd:g}"


CELLS = tuple(
    Voucher(customers, rate, sd)
    for customers, rate in ((120, 0.5), (300, 0.2), (1_000, 0.1), (1_000, 0.3), (5_000, 0.1))
    for sd in (0.8, 1.5)
)


def vouchers(tests: int, seed: int, cells: tuple[Voucher, ...] = CELLS) -> list[Measured]:
    """Measure the voucher tests."""
    return [
        one
        for place, cell in enumerate(cells)
        for one in _of_cell(cell, tests, np.random.default_rng([seed, place]))
    ]


def _of_cell(cell: Voucher, tests: int, rng: Generator) -> Iterator[Measured]:
    none, _, _ = _compared(cell, np.ones(tests), 0.0, rng)
    known = none["low"].notna()
    wrong = (none["low"] > 0) | (none["high"] < 0)
    yield measured(cell.name, "false positives", wrong, ERRS, known)
    lifts = np.minimum(np.exp(rng.normal(0, SPREAD, tests)), 1 / cell.rate)
    found, truth, anyway = _compared(cell, lifts, DISCOUNT, rng)
    known = found["low"].notna()
    holds = (found["low"] <= truth) & (truth <= found["high"])
    yield measured(cell.name, "difference covered", holds, DIFFERENCE, known)
    holds = (found["anyway_low"] <= anyway) & (anyway <= found["anyway_high"])
    yield measured(cell.name, '"anyway" covered', holds, ANYWAY, known)
    yield measured(cell.name, "answers", known)


def _compared(
    cell: Voucher, lifts: Floats, discount: float, rng: Generator
) -> tuple[Any, Floats, Floats]:
    """Return outcomes, true differences per customer, and true shares who buy anyway."""
    shape = len(lifts), cell.customers
    values = -np.sort(-rng.lognormal(0, VALUE_SD, shape))  # the highest are in the first stratum
    stratum, sent = drawn_halves(*shape, rng)
    bought = rng.random(shape) < cell.rate * np.where(sent, lifts[:, None], 1)
    spent = bought * values * rng.lognormal(-(cell.sd**2) / 2, cell.sd, shape)
    revenue = np.round(spent * np.where(sent, 1 - discount, 1), 2)
    profit = revenue - np.round(spent * (1 - MARGIN), 2)
    found = pd.DataFrame(outcomes(_rows(stratum, sent, revenue, profit), _LAST_DAY))
    kept = lifts * (MARGIN - discount) - MARGIN
    return found, cell.rate * values.mean(axis=1) * kept, np.minimum(1 / lifts, 1)


def drawn_halves(
    tests: int, customers: int, rng: Generator
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return the stratum of each customer, from 0, and who gets the voucher in each test."""
    strata = max(min(STRATA, customers // FEWEST_PER_STRATUM), 1)
    stratum = np.arange(customers) * strata // customers
    sent = np.empty((tests, customers), dtype=bool)
    for one in range(strata):
        place = np.flatnonzero(stratum == one)
        # Of an odd number, every other stratum sends one more.
        half = np.arange(len(place)) < (len(place) + (one + 1) % 2) // 2
        sent[:, place] = rng.permuted(np.tile(half, (tests, 1)), axis=1)
    return stratum, sent


def _rows(stratum: Any, sent: NDArray[np.bool_], revenue: Floats, profit: Floats) -> Any:
    """Return rows of the metric `voucher_outcomes`."""
    parts = [
        _half(stratum == one, sent == is_sent, revenue, profit).assign(
            stratum=one + 1, is_sent=is_sent
        )
        for one in range(stratum[-1] + 1)
        for is_sent in (True, False)
    ]
    return pd.concat(parts, ignore_index=True).assign(
        discount_code="BACK", sent_on=_SENT_ON, last_day=_LAST_DAY,
        pace_sum=0.0, redeemers=0, redemptions=0, savings=0.0,
    )  # fmt: skip


def _half(place: Any, chosen: NDArray[np.bool_], revenue: Floats, profit: Floats) -> Any:
    """Return the sums of a half of a stratum in each test."""
    chosen = chosen[:, place]
    revenue, profit = (np.where(chosen, money[:, place], 0) for money in (revenue, profit))
    buyers = (revenue > 0).sum(axis=1)
    return pd.DataFrame({
        "voucher": [f"{number:05}" for number in range(len(chosen))],
        "customers": chosen.sum(axis=1), "buyers": buyers, "orders": buyers,
        "revenue": revenue.sum(axis=1), "revenue_squares": (revenue**2).sum(axis=1),
        "profit": profit.sum(axis=1), "profit_squares": (profit**2).sum(axis=1),
    })  # fmt: skip
