"""What a voucher changed: the half that got it compared with the half that was held out.

Every customer counts in the half that was drawn (intention to treat), so the difference is caused
by the voucher. Halves are compared within strata of expected value.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from d1lab.stats.means import Means, Sums, difference_interval, stratified
from d1lab.stats.power import critical_z
from d1lab.stats.proportions import Rates, ratio_interval

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

MIN_BUYERS = 25
"""Buyers that each half needs, as a variant of an A/B test does. From there on, 95% intervals hold
93% to 97% with log-normal spend (docs/validation/ab-designs.md)."""

Status = Literal["to come", "running", "too few", "send", "stop", "inconclusive", "revenue only"]


class Half(NamedTuple):
    """Totals of one half of a voucher test within its window."""

    customers: int
    buyers: int  # customers with a purchase
    orders: int
    revenue: float  # after discounts and refunds
    profit: float | None  # None if the cost of a line is not known
    pace: float  # what the customers spent a year when they were drawn
    redeemers: int  # customers who used the code
    redemptions: int  # orders with the code
    savings: float  # discounts given by the code


class VoucherOutcome(NamedTuple):
    """The outcome of one voucher test; what is not available is None, and `reason` says why."""

    voucher: str
    discount_code: str
    sent_on: date
    last_day: date  # last day of the window
    sent: Half
    held_out: Half
    status: Status
    reason: str | None = None  # why there is no difference
    measure: Literal["profit", "revenue"] = "revenue"
    difference: float | None = None  # per customer sent a voucher: sent - held out
    low: float | None = None  # 95% interval
    high: float | None = None
    anyway: float | None = None  # share of the buyers who would have bought without it, at most 1
    anyway_low: float | None = None
    anyway_high: float | None = None

    @property
    def is_running(self) -> bool:
        """Whether its customers still wait for the end of the window."""
        return self.status in ("to come", "running")

    @property
    def window_days(self) -> int:
        """Days in which purchases count."""
        return (self.last_day - self.sent_on).days + 1

    @property
    def cost_per_voucher(self) -> float | None:
        """Discounts given per customer who used the code; None without one."""
        return self.sent.savings / self.sent.redeemers if self.sent.redeemers else None


def outcomes(rows: Frame, until: date) -> list[VoucherOutcome]:
    """Return the outcome of each voucher test of a shop, oldest first.

    Args:
        rows: Rows of the metric `voucher_outcomes`.
        until: Last day included. A test is compared once, after its window.
    """
    return [_outcome(test, until) for _, test in rows.groupby(["sent_on", "voucher"])]


def _outcome(test: Frame, until: date) -> VoucherOutcome:
    first = test.iloc[0]
    known = VoucherOutcome(
        str(first["voucher"]),
        str(first["discount_code"]),
        pd.Timestamp(first["sent_on"]).date(),
        pd.Timestamp(first["last_day"]).date(),
        _half(test[test["is_sent"].astype(bool)]),
        _half(test[~test["is_sent"].astype(bool)]),
        "running",
    )
    early = _too_early(known, until)
    if early:
        return known._replace(status=early[0], reason=early[1])
    return _compared(known, test)


def _half(rows: Frame) -> Half:
    sums = rows.select_dtypes("number").sum()
    return Half(
        customers=int(sums["customers"]),
        buyers=int(sums["buyers"]),
        orders=int(sums["orders"]),
        revenue=_cents(rows["revenue"]),
        profit=None if rows["profit"].isna().any() else _cents(rows["profit"]),
        pace=_cents(rows["pace_sum"]),
        redeemers=int(sums["redeemers"]),
        redemptions=int(sums["redemptions"]),
        savings=_cents(rows["savings"]),
    )


def _cents(amounts: Any) -> float:
    """Return a sum of amounts without the noise of its last digits."""
    return round(float(amounts.sum()), 2)


def _too_early(known: VoucherOutcome, until: date) -> tuple[Status, str] | None:
    """Return the status of a test whose window is not over, or that has too few buyers."""
    if until < known.sent_on:
        return "to come", f"sent on {known.sent_on}"
    if until < known.last_day:
        return "running", f"too early: the window ends on {known.last_day}"
    fewest = min(known.sent.buyers, known.held_out.buyers)
    if fewest < MIN_BUYERS:
        return (
            "too few",
            f"too few to learn: one half has {fewest} buyers, {MIN_BUYERS} are required",
        )
    return None


def _compared(known: VoucherOutcome, test: Frame) -> VoucherOutcome:
    has_profit = known.sent.profit is not None and known.held_out.profit is not None
    measure = "profit" if has_profit else "revenue"
    means = _means(test, measure)
    if not means.error > 0:
        return known._replace(status="too few", reason="too few to learn: all spent the same")
    low, high = (float(end) for end in difference_interval(means, critical_z()))
    status: Status = "send" if low > 0 else "stop" if high < 0 else "inconclusive"
    return known._replace(
        status=status if has_profit else "revenue only",
        reason=None if has_profit else "profit is unknown: unit costs are missing",
        measure=measure,
        difference=float(means.b - means.a),
        low=low,
        high=high,
        **_anyway(known),
    )


def _means(test: Frame, measure: str) -> Means:
    """Return the means per customer, held out (a) and sent (b), over the strata."""
    halves = list(_by_stratum(test, measure))
    if min(half.n.min() for half in halves) < 2:  # forgotten customers are missing
        halves = [Sums.of(*(np.atleast_1d(part.sum()) for part in half)) for half in halves]
    a, b = halves
    return stratified(a, b)


def _by_stratum(test: Frame, measure: str) -> Iterator[Sums]:
    """Yield the sums of the half held out, then of the half sent: arrays over the strata."""
    columns = ["customers", measure, f"{measure}_squares"]
    strata = sorted(test["stratum"].unique())
    for is_sent in (False, True):
        half = test[test["is_sent"].astype(bool) == is_sent].set_index("stratum")
        sums = half[columns].astype(float).reindex(strata, fill_value=0.0)
        yield Sums.of(*(sums[name].to_numpy() for name in columns))


def _anyway(known: VoucherOutcome) -> dict[str, float]:
    """Return the share of the buyers who would have bought without the voucher.

    It is the ratio of the two shares of customers who bought, held out to sent, and at most 1.
    """
    sent, held_out = known.sent, known.held_out
    rates = Rates.of(sent.buyers, sent.customers, held_out.buyers, held_out.customers)
    low, high = ratio_interval(rates, critical_z())
    shares = float(rates.rate_b / rates.rate_a), float(low), float(high)
    names = ("anyway", "anyway_low", "anyway_high")
    return {name: min(share, 1.0) for name, share in zip(names, shares, strict=True)}
