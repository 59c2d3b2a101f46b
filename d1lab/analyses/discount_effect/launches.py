"""Promotions that began in one week for some products: before and after, with matched controls.

A second, independent look beside the regression of `effect`, for discounts that have one start. It
is still an association: the shop chose the products.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from d1lab.analyses.discount_effect.exposure import (
    OFF,
    ON,
    SURELY_USED,
    Floats,
    Ints,
    OfferedWeeks,
)
from d1lab.analyses.discount_effect.history import SalesHistory
from d1lab.stats.before_after import REASONS as ESTIMATES
from d1lab.stats.before_after import BeforeAfter, before_after

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

LONGEST_BEFORE, LONGEST_AFTER = 26, 8  # weeks
SAME_WEEK = 0.5  # share of a discount's products that must begin in the same week

REASONS = {
    **ESTIMATES,
    "no_start": "its products began in different weeks, or before the history",
}
"""Reasons for a missing effect, in words."""


class Launch(NamedTuple):
    """Start of one discount, in columns of `SalesHistory.sales`."""

    rows: Ints  # its products, but for those that were surely off meanwhile
    before: int  # first week of the past
    gap: int  # first week in which it may have begun; those from it to `start` are left out
    start: int  # first whole week on offer
    end: int  # first week that does not count any more


def launches(found: SalesHistory, price: Floats) -> Frame:
    """Return one row per discount: its start and what changed, or the reason why that is unknown.

    Args:
        found: Result of `history.history`.
        price: Product x week: log of price on offer / list price; 0 where nothing is on offer.

    Returns:
        The discounts of `found.discounts`, with weeks_ago (0 is the last week), treated and
        control products, did_lift, did_lift_low, and did_lift_high as shares of the units, and
        did_why.
    """
    chosen = np.flatnonzero(found.discounts["level"].to_numpy() == "discount")
    rows = [_row(found, price, found.offers[place]) for place in chosen]
    columns = (
        "weeks_ago",
        "treated",
        "controls",
        "did_lift",
        "did_lift_low",
        "did_lift_high",
        "did_why",
    )
    named = dict(zip(columns, zip(*rows, strict=True), strict=True)) if rows else {}
    frame = found.discounts.iloc[chosen].reset_index(drop=True)
    values = {name: named.get(name, ()) for name in columns}
    return frame.assign(**{name: list(column) for name, column in values.items()})


def _row(found: SalesHistory, price: Floats, offer: OfferedWeeks) -> tuple[Any, ...]:
    launch = launch_of(offer)
    if launch is None:
        return None, 0, 0, None, None, None, REASONS["no_start"]
    effect = effect_of(found, price, launch)
    why = REASONS[effect.reason] if effect.reason else None
    week = price.shape[1] - 1 - launch.start
    return week, effect.treated, effect.controls, effect.lift, effect.low, effect.high, why


def launch_of(offer: OfferedWeeks) -> Launch | None:
    """Return the start of a discount; None if its products have none in common."""
    on = offer.state == ON
    if not on.any():
        return None
    first = np.where(on.any(axis=1), on.argmax(axis=1), -1)
    start = int(np.bincount(first[first >= 0]).argmax())
    begun = first == start
    if start == 0 or begun.sum() < SAME_WEEK * len(offer.skus):
        return None
    still = np.logical_and.accumulate(on[begun, start:], axis=1).sum(axis=1)
    end = start + int(min(np.median(still), LONGEST_AFTER))
    # Which products show the offer in all weeks depends on what they sold: those that do not show
    # it count, too, unless a sale at the full price says otherwise.
    fit = ~(offer.state[:, start:end] == OFF).any(axis=1)
    unsure = (offer.state[fit] != OFF).mean(axis=0) > 0.5
    gap = start
    while gap > 0 and unsure[gap - 1]:
        gap -= 1
    return Launch(offer.skus[fit], max(gap - LONGEST_BEFORE, 0), gap, start, end)


def effect_of(found: SalesHistory, price: Floats, launch: Launch) -> BeforeAfter:
    """Estimate what changed for the products of a launch, against products without any offer.

    Only products that sold so much before that a launch without any use is unlikely: a slow seller
    is known to be part of it only if it sold.
    """
    past, since = slice(launch.before, launch.gap), slice(launch.start, launch.end)
    weeks = np.r_[past, since]
    treated = np.zeros(len(price), dtype=bool)
    treated[launch.rows] = True
    units = found.sales.units
    usual = np.nan_to_num(units[:, past]).mean(axis=1) if launch.gap > launch.before else 0.0
    fit = usual * (launch.end - launch.start) >= SURELY_USED
    fit &= treated | (price[:, weeks] == 0).all(axis=1)
    return before_after(units[fit][:, weeks], treated[fit], launch.gap - launch.before)
