"""What a voucher test can show before it is sent: the customers that a lift needs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from d1lab.analyses.customers.voucher_outcome import MIN_BUYERS
from d1lab.errors import InputError
from d1lab.stats.power import detectable_difference

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

LIFTS = (0.25, 0.5, 1.0)
"""Lifts that are planned for by default."""

FEWEST_CUSTOMERS = 2 * MIN_BUYERS
"""Customers below which a test is not assigned: even if all bought, it would have no answer."""


class UsualWindow(NamedTuple):
    """What overdue customers did in a window without a test."""

    customers: int  # overdue when the window began
    buyers: int  # of them, who bought in it
    mean: float  # revenue per customer
    deviation: float  # standard deviation of a customer's revenue

    @property
    def rate(self) -> float:
        """Share of the customers who bought."""
        return self.buyers / self.customers if self.customers else 0.0


class VoucherPower(NamedTuple):
    """Customers that a test needs for 80% power, by lift of their revenue."""

    lift: float  # relative to the customers held out
    needed: int | None  # customers of both halves; None if it is not known
    available: int
    is_enough: bool
    reason: str | None = None  # why it is not enough, or not known


def usual(overdue: Frame, window: Frame) -> UsualWindow:
    """Return what customers did who were overdue when the last window began.

    Args:
        overdue: Result of `groups.overdue` for the day before the window.
        window: Rows of the metric `purchase_summary` whose later part is the window.
    """
    later = window.set_index("customer_id").reindex(overdue["customer_id"])
    spend = later["later_spend"].astype(float).fillna(0.0)
    bought = int((later["later_purchases"].astype(float) > 0).sum())
    if len(spend) < 2:
        return UsualWindow(len(spend), bought, float(spend.sum()), 0.0)
    return UsualWindow(len(spend), bought, float(spend.mean()), float(spend.std()))


def power(
    past: UsualWindow, available: int, lifts: Iterable[float] = LIFTS, *, wanted: float = 0.8
) -> list[VoucherPower]:
    """Return the customers that each lift needs.

    The variance of a difference of two halves of n customers is 4 s^2 / n, with the standard
    deviation s of a customer's revenue. Strata make it smaller, so these numbers are upper limits.
    Both halves also need `MIN_BUYERS` buyers.

    Args:
        past: Result of `usual`.
        available: Customers that can be drawn.
        lifts: Lifts of revenue per customer, such as 0.5 for 50%; > 0.
        wanted: Probability of an interval that excludes 0, inside (0.05, 1).

    Raises:
        InputError: A number is out of range.
    """
    if not 0.05 < wanted < 1:
        raise InputError(f"power = {wanted:g} must be between 0.05 and 1")
    return [_power(past, available, lift, wanted) for lift in lifts]


def _power(past: UsualWindow, available: int, lift: float, wanted: float) -> VoucherPower:
    if not (lift > 0 and math.isfinite(lift)):
        raise InputError(f"invalid lift {lift:g}: it must be above 0, such as 50%")
    if past.buyers < MIN_BUYERS or past.mean <= 0:
        reason = (
            f"not known: {past.buyers} overdue customers bought in the last window, "
            f"{MIN_BUYERS} are required to know how they vary"
        )
        return VoucherPower(lift, None, available, is_enough=False, reason=reason)
    drift = detectable_difference(1.0, power=wanted)
    sized = 4 * (drift * past.deviation / (lift * past.mean)) ** 2
    needed = math.ceil(max(sized, 2 * MIN_BUYERS / past.rate))
    reason = None if available >= needed else f"too few to learn: {needed:,} customers are needed"
    return VoucherPower(lift, needed, available, available >= needed, reason)


def sentence(powers: Sequence[VoucherPower], window_days: int) -> str:
    """Return what a test of the available customers can show, in words."""
    first = powers[0]
    enough = [one.lift for one in powers if one.is_enough]
    customers = f"{first.available:,} overdue customers"
    if enough:
        return f"{customers} are enough to see a lift of {min(enough):.0%} in {window_days} days."
    if first.needed is None:
        return f"{customers}. What they can show is {first.reason}."
    largest = max(powers, key=lambda one: one.lift)
    return (
        f"{customers} are too few to learn: even a lift of {largest.lift:.0%} in {window_days} "
        f"days needs {largest.needed:,}."
    )
