"""The lift of single products: each one's weeks with a discount against its regular weeks."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from d1lab.stats.fixed_effects import Codes, Floats, student
from d1lab.stats.observed_lift import LEVEL, REGULAR, Weeks, comparable
from d1lab.stats.sales_model import sales, truncated

MIN_WEEKS = 4  # of either kind
MIN_SECOND_ORDERS = 3  # of either kind: from these the rate is known

REASON = "fewer than four weeks, or too few orders, with or without a discount"
"""Why a product has no lift of its own, in words."""

_STEPS = 60


class OwnLifts(NamedTuple):
    """Each SKU's lift; NaN where it sold too little of either kind."""

    sku: Any
    lift: Floats
    low: Floats  # 95 % interval
    high: Floats
    depth: Floats  # mean of its weeks with a discount
    weeks: Codes  # of these


class _Kind(NamedTuple):
    """One kind of weeks, one item per SKU."""

    level: Floats  # log of units in a week of average demand
    variance: Floats  # of the level
    weeks: Floats
    known: Any


def own_lifts(weeks: Weeks) -> OwnLifts:
    """The lift of each SKU with both kinds of weeks.

    Args:
        weeks: Of all SKUs, regular or with some discount, then as 0.

    Raises:
        InputError: A week has no order, or fewer units than orders.

    The weeks' effects are those of `sales_model.sales` with one lift in common. The interval is
    Welch's (1947), Biometrika 34; it takes the weeks of a SKU to be independent of one another.
    """
    weeks = comparable(weeks)
    names = np.unique(weeks.sku)
    discounted = weeks.discount != REGULAR
    if not discounted.any():
        empty = np.zeros(0)
        return OwnLifts(names[:0], empty, empty, empty, empty, np.zeros(0, dtype=np.intp))
    sku, week = weeks.codes()
    found = sales(weeks.units, weeks.orders, sku, week, discounted[:, None].astype(np.float64))
    effects = _Effects(found.orders.coefficients[week], found.per_order.coefficients[week])
    with_it = _kind(weeks, sku, effects, discounted)
    regular = _kind(weeks, sku, effects, ~discounted)
    difference = with_it.level - regular.level
    difference[~(with_it.known & regular.known)] = np.nan
    half = _half(with_it, regular)
    depth = np.bincount(sku[discounted], weeks.depth[discounted], len(names)) / with_it.weeks
    lift, low, high = (np.expm1(difference + side * half) for side in (0, -1, 1))
    return OwnLifts(names, lift, low, high, depth, with_it.weeks.astype(np.intp))


class _Effects(NamedTuple):
    """What the item's week adds to the logarithms."""

    orders: Floats
    per_order: Floats


def _kind(weeks: Weeks, sku: Codes, effects: _Effects, kept: Any) -> _Kind:
    """Each SKU's level over its weeks of one kind, the weeks' effects taken as known."""
    skus, own = sku.max() + 1, sku[kept]
    orders, units = weeks.orders[kept], weeks.units[kept]

    def total(values: Floats) -> Floats:
        return np.bincount(own, values, skus).astype(np.float64)

    rate = np.zeros(skus)
    for _ in range(_STEPS):
        mean, variance = truncated(rate[own] + effects.orders[kept])
        rate += np.clip(total(orders - mean) / np.maximum(total(variance), 1e-9), -1, 1)
    mean, variance = truncated(rate[own] + effects.orders[kept])
    exposed = orders * np.exp(effects.per_order[kept])
    each = total(units) / np.maximum(total(exposed), 1e-9)
    moved = (orders - mean) / np.maximum(total(variance), 1e-9)[own]
    moved += (units - each[own] * exposed) / total(units)[own]
    count = total(np.ones(len(own)))
    known = (count >= MIN_WEEKS) & (total(orders - 1) >= MIN_SECOND_ORDERS)
    level = rate + np.log(np.maximum(each, 1e-9))
    spread = total(moved**2) * np.maximum(count, 2) / (np.maximum(count, 2) - 1)
    return _Kind(level, spread, np.maximum(count, 1), known)


def _half(a: _Kind, b: _Kind) -> Floats:
    """Half of the interval of a difference."""
    both = a.variance + b.variance
    parts = a.variance**2 / np.maximum(a.weeks - 1, 1) + b.variance**2 / np.maximum(b.weeks - 1, 1)
    freedom = np.divide(both**2, parts, out=np.ones_like(both), where=parts > 0)
    return student((1 + LEVEL) / 2, freedom) * np.sqrt(both)
