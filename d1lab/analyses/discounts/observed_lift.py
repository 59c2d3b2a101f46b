"""Observed lift: units in discounted weeks relative to the same product's regular-price weeks.

The weeks of all products stand beside, so that what moved the whole shop in a week is taken out.
An association, unless chance decided what was discounted when.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from d1lab.analyses.discounts.sales_model import sales, truncated
from d1lab.errors import InputError
from d1lab.stats.fixed_effects import Codes, Floats, student

MIN_SKUS = 10  # with fewer clusters their errors come out too small
MIN_OWN_WEEKS = 20
MIN_REGULAR_WEEKS = 4  # of a SKU: of fewer its regular level is hardly known, and lifts look larger
MIN_PAIR_WEEKS = 2  # of a SKU with one discount
WIDEST = 4  # of the interval: its upper end over its lower one, as ratios of units
LEVEL = 0.95
REGULAR = -1

REASONS = {
    "few_skus": "fewer than 10 products with enough sales both with and without this discount",
    "few_weeks": "fewer than 20 discounted product-weeks",
    "no_comparison": (
        "all its products were discounted in the same weeks, so it cannot be separated "
        "from weekly changes"
    ),
    "too_wide": "too uncertain: the interval's ends differ by more than a factor of four",
}
"""Each reason for no observed lift, in words."""


class Weeks(NamedTuple):
    """Weeks of SKUs with a sale, one item per SKU and week."""

    sku: Any
    week: Any
    units: Floats
    orders: Floats  # that hold the SKU; >= 1
    depth: Floats  # share of the list price given away, inside [0, 1]
    discount: Any  # 0, 1, ... for the discount that the week came with, -1 for a regular week

    def where(self, kept: Any) -> Weeks:
        """The items that a mask keeps."""
        return Weeks(*(np.asarray(column)[kept] for column in self))

    def codes(self) -> tuple[Any, Any]:
        """SKUs and weeks as 0, 1, 2, ... in their order."""
        sku = np.unique(self.sku, return_inverse=True)[1]
        return sku, np.unique(self.week, return_inverse=True)[1]


class Lifts(NamedTuple):
    """The lift of each discount; NaN where `reason`, one of `REASONS`, says why."""

    lift: Floats  # units with the discount over units at the regular price, less 1
    low: Floats  # 95 % interval
    high: Floats
    depth: Floats  # mean of the weeks with the discount
    skus: Codes  # that sold both ways
    weeks: Codes  # of these with the discount
    reason: Any  # None where there is a lift


def observed_lifts(weeks: Weeks, discounts: int) -> Lifts:
    """The lift of each discount over the products that sold both with it and without.

    Args:
        weeks: Regular ones of all products, also of those never discounted: they tell what the
            weeks did; and those with each discount.
        discounts: How many there are.

    Raises:
        InputError: A week has no order, or fewer units than orders.

    All at once by `sales_model.sales`. Errors are clustered by SKU, each SKU's part as if it had
    been left out (Bell & McCaffrey 2002, Survey Methodology 28), with Student's t for as many
    clusters as the SKUs amount to, since they differ in weight (Carter, Schnepel & Steigerwald
    2017, Review of Economics and Statistics 99).
    """
    weeks = _paired(comparable(weeks))
    skus, counts = _sizes(weeks, discounts)
    reason = np.full(discounts, None, dtype=object)
    reason[counts < MIN_OWN_WEEKS] = "few_weeks"
    reason[skus < MIN_SKUS] = "few_skus"
    ends = np.full((3, discounts), np.nan)  # lift, low, high
    kept = np.flatnonzero([one is None for one in reason])
    if len(kept):
        used = weeks.where(np.isin(weeks.discount, np.append(kept, REGULAR)))
        ends[:, kept], reason[kept] = _estimated(used, kept)
    depth = np.where(np.isnan(ends[0]), np.nan, _mean_depths(weeks, discounts))
    return Lifts(ends[0], ends[1], ends[2], depth, skus, counts, reason)


def _estimated(used: Weeks, kept: Codes) -> tuple[Floats, Any]:
    """Lift, low and high of the discounts that are kept, and the reason where there are none."""
    found = sales(used.units, used.orders, *used.codes(), _causes(used.discount, kept))
    without_it = found.influence / np.maximum(1 - found.leverage, 0.1)
    freedom = np.maximum(1 / (found.leverage**2).sum(axis=0) - 1, 1)
    half = student((1 + LEVEL) / 2, freedom) * np.sqrt((without_it**2).sum(axis=0))
    reason = np.full(len(kept), None, dtype=object)
    reason[2 * half > np.log(WIDEST)] = "too_wide"
    reason[~found.identified] = "no_comparison"
    ends = np.expm1(found.slopes + np.outer([0, -1, 1], half))
    ends[:, [one is not None for one in reason]] = np.nan
    return ends, reason


def comparable(weeks: Weeks) -> Weeks:
    """The weeks of SKUs with four regular ones or more, and two orders in some week.

    Raises:
        InputError: A week has no order, or fewer units than orders.
    """
    if not np.all((np.asarray(weeks.orders) >= 1) & (weeks.units >= weeks.orders)):
        raise InputError("a lift takes weeks with a sale only, of one unit or more in each order")
    sku, _ = weeks.codes()
    regular = np.bincount(sku, weeks.discount == REGULAR) >= MIN_REGULAR_WEEKS
    several = np.bincount(sku, weeks.orders > 1) > 0
    return weeks.where((regular & several)[sku])


def _paired(weeks: Weeks) -> Weeks:
    """The weeks less those of a SKU's discounts that it had once only."""
    sku, _ = weeks.codes()
    pairs = np.unique(np.column_stack([weeks.discount, sku]), axis=0, return_inverse=True)[1]
    often = np.bincount(pairs)[pairs] >= MIN_PAIR_WEEKS
    return weeks.where((weeks.discount == REGULAR) | often)


def _sizes(weeks: Weeks, discounts: int) -> tuple[Codes, Codes]:
    """How many SKUs each discount had, and weeks of these."""
    with_it = weeks.where(weeks.discount != REGULAR)
    sku, _ = with_it.codes()
    pairs = np.unique(np.column_stack([with_it.discount, sku]), axis=0)[:, 0]
    return (
        np.bincount(pairs, minlength=discounts),
        np.bincount(with_it.discount, minlength=discounts),
    )


def _causes(discount: Codes, kept: Codes) -> Any:
    """A column per discount that is kept: 1 in its weeks."""
    from scipy.sparse import csr_array

    rows = np.flatnonzero(discount != REGULAR)
    columns = np.searchsorted(kept, discount[rows])
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(discount), len(kept)))


def _mean_depths(weeks: Weeks, discounts: int) -> Floats:
    with_it = weeks.where(weeks.discount != REGULAR)
    sums = np.bincount(with_it.discount, with_it.depth, discounts)
    return sums / np.maximum(np.bincount(with_it.discount, minlength=discounts), 1)


MIN_WEEKS = 4  # of either kind
MIN_SECOND_ORDERS = 3  # of either kind: from these the rate is known

REASON = "needs at least four weeks and enough orders both with and without a discount"
"""Why a product has no lift of its own, in words."""

_STEPS = 60


class ProductLifts(NamedTuple):
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


def product_lifts(weeks: Weeks) -> ProductLifts:
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
        return ProductLifts(names[:0], empty, empty, empty, empty, np.zeros(0, dtype=np.intp))
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
    return ProductLifts(names, lift, low, high, depth, with_it.weeks.astype(np.intp))


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
