"""Observed lift: units in discounted weeks relative to the same product's regular-price weeks.

The weeks of all products are included, so that changes of the whole shop in a week are removed.
The lift is an association, unless discounts were randomized.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from d1lab.analyses.discounts.sales_model import sales, truncated
from d1lab.errors import InputError
from d1lab.stats.fixed_effects import Codes, Floats, student

MIN_SKUS = 10  # with fewer clusters, the errors are too small
MIN_OWN_WEEKS = 20
MIN_REGULAR_WEEKS = 4  # per SKU; with fewer, its regular level is uncertain and lifts look larger
MIN_PAIR_WEEKS = 2  # per SKU and discount
WIDEST = 4  # maximum ratio of the interval's upper to its lower end, as ratios of units
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
"""Reasons for a missing observed lift, in words."""


class Weeks(NamedTuple):
    """Weeks of SKUs with a sale, with one item per SKU and week."""

    sku: Any
    week: Any
    units: Floats
    orders: Floats  # with the SKU; >= 1
    depth: Floats  # discount as a share of the list price, inside [0, 1]
    discount: Any  # index of the week's discount (0, 1, ...); -1 for a regular week

    def where(self, kept: Any) -> Weeks:
        """Return the items selected by a mask."""
        return Weeks(*(np.asarray(column)[kept] for column in self))

    def codes(self) -> tuple[Any, Any]:
        """Return SKUs and weeks as codes 0, 1, 2, ... in sorted order."""
        sku = np.unique(self.sku, return_inverse=True)[1]
        return sku, np.unique(self.week, return_inverse=True)[1]


class Lifts(NamedTuple):
    """Lift of each discount; NaN if `reason` is one of `REASONS`."""

    lift: Floats  # units with the discount / units at the regular price - 1
    low: Floats  # 95 % interval
    high: Floats
    depth: Floats  # mean of the weeks with the discount
    skus: Codes  # number of SKUs sold both with and without it
    weeks: Codes  # number of their weeks with the discount
    reason: Any  # None if there is a lift


def observed_lifts(weeks: Weeks, discounts: int) -> Lifts:
    """Estimate the lift of each discount from the products sold both with and without it.

    Args:
        weeks: Regular weeks of all products, including those never discounted (they identify the
            week effects), and the weeks with each discount.
        discounts: Number of discounts.

    Raises:
        InputError: A week has no order, or fewer units than orders.

    All discounts are estimated together by `sales_model.sales`. Errors are clustered by SKU, with
    leave-one-out residuals (Bell & McCaffrey 2002, Survey Methodology 28) and Student's t with the
    effective number of clusters, since SKUs differ in weight (Carter, Schnepel & Steigerwald 2017,
    Review of Economics and Statistics 99).
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
    """Return lift, low, and high of the kept discounts, and the reasons for missing ones."""
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
    """Return the weeks of SKUs with four or more regular weeks and two orders in some week.

    Raises:
        InputError: A week has no order, or fewer units than orders.
    """
    if not np.all((np.asarray(weeks.orders) >= 1) & (weeks.units >= weeks.orders)):
        raise InputError("a lift requires weeks with at least one order, of at least one unit each")
    sku, _ = weeks.codes()
    regular = np.bincount(sku, weeks.discount == REGULAR) >= MIN_REGULAR_WEEKS
    several = np.bincount(sku, weeks.orders > 1) > 0
    return weeks.where((regular & several)[sku])


def _paired(weeks: Weeks) -> Weeks:
    """Return the weeks without those of discounts that a SKU had in only one week."""
    sku, _ = weeks.codes()
    pairs = np.unique(np.column_stack([weeks.discount, sku]), axis=0, return_inverse=True)[1]
    often = np.bincount(pairs)[pairs] >= MIN_PAIR_WEEKS
    return weeks.where((weeks.discount == REGULAR) | often)


def _sizes(weeks: Weeks, discounts: int) -> tuple[Codes, Codes]:
    """Return the number of SKUs of each discount and of their weeks with it."""
    with_it = weeks.where(weeks.discount != REGULAR)
    sku, _ = with_it.codes()
    pairs = np.unique(np.column_stack([with_it.discount, sku]), axis=0)[:, 0]
    return (
        np.bincount(pairs, minlength=discounts),
        np.bincount(with_it.discount, minlength=discounts),
    )


def _causes(discount: Codes, kept: Codes) -> Any:
    """Return an indicator column per kept discount: 1 in its weeks."""
    from scipy.sparse import csr_array

    rows = np.flatnonzero(discount != REGULAR)
    columns = np.searchsorted(kept, discount[rows])
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(discount), len(kept)))


def _mean_depths(weeks: Weeks, discounts: int) -> Floats:
    with_it = weeks.where(weeks.discount != REGULAR)
    sums = np.bincount(with_it.discount, with_it.depth, discounts)
    return sums / np.maximum(np.bincount(with_it.discount, minlength=discounts), 1)


MIN_WEEKS = 4  # per kind of week
MIN_SECOND_ORDERS = 3  # per kind of week; orders beyond the first identify the rate

REASON = "needs at least four weeks and enough orders both with and without a discount"
"""Reason for a missing lift of a product, in words."""

_STEPS = 60


class ProductLifts(NamedTuple):
    """Lift of each SKU; NaN if it has too few sales in either kind of week."""

    sku: Any
    lift: Floats
    low: Floats  # 95 % interval
    high: Floats
    depth: Floats  # mean of its weeks with a discount
    weeks: Codes  # of these


class _Kind(NamedTuple):
    """One kind of weeks (discounted or regular), with one item per SKU."""

    level: Floats  # log of units in a week of average demand
    variance: Floats  # of the level
    weeks: Floats
    known: Any


def product_lifts(weeks: Weeks) -> ProductLifts:
    """Estimate the lift of each SKU with both kinds of weeks.

    Args:
        weeks: Weeks of all SKUs; `discount` is 0 for weeks with any discount, -1 for regular ones.

    Raises:
        InputError: A week has no order, or fewer units than orders.

    Week effects come from `sales_model.sales` with one common lift. The interval is Welch's (1947),
    Biometrika 34; it assumes that the weeks of a SKU are independent.
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
    """Effect of each item's week on the logarithms."""

    orders: Floats
    per_order: Floats


def _kind(weeks: Weeks, sku: Codes, effects: _Effects, kept: Any) -> _Kind:
    """Estimate each SKU's level in one kind of weeks, with the week effects taken as known."""
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
    """Return the half-width of the interval of a difference."""
    both = a.variance + b.variance
    parts = a.variance**2 / np.maximum(a.weeks - 1, 1) + b.variance**2 / np.maximum(b.weeks - 1, 1)
    freedom = np.divide(both**2, parts, out=np.ones_like(both), where=parts > 0)
    return student((1 + LEVEL) / 2, freedom) * np.sqrt(both)
