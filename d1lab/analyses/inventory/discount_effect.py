"""Association between discount and units per day, with product and week fixed effects.

The result is an association, not an effect, unless discounts were randomized: shops choose products
to discount by their expected sales. Product effects remove constant differences between products,
and week effects remove differences between weeks.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from d1lab.errors import InputError
from d1lab.stats.fixed_effects import Codes, Floats, fit, student

MIN_PRODUCTS = 20  # clusters; with fewer, standard errors are too small
MIN_ROWS = 200
MAX_DEPTH = 0.95
LEVEL = 0.95

REASONS = {
    "no_discount": "discount depth unknown for these weeks; load order events with `d1lab ingest "
    "orders FILE` or `d1lab track FILE`",
    "too_few_products": "fewer than 20 products sold at more than one discount depth",
    "too_few_weeks": "fewer than 200 product-weeks with sales",
}
"""Reasons for a missing association, in words."""

CAUSE = (
    "This is an association, not the effect of the discount: it compares a product's "
    "weeks at a deeper discount with its other weeks, adjusted for shop-wide weekly "
    "changes. Only randomized discounts show a causal effect. Weeks without a sale "
    "have no observed price and are excluded, which tends to understate the "
    "difference."
)


class Slope(NamedTuple):
    """Coefficient with its clustered 95% interval."""

    value: float
    low: float
    high: float
    error: float


class DiscountEffect(NamedTuple):
    """Association of discounts with units per in-stock day, or a reason for a missing one."""

    elasticity: Slope | None  # change of log units per log of price paid / list price
    raw_elasticity: float | None  # without product and week effects, for comparison
    depth: float | None  # mean depth of discounted weeks, at which the ratios are computed
    lift: Slope | None  # ratio of units per day at that depth to units without a discount
    aftermath: Slope | None  # the same for the next week, at an equal price; < 1: pull-forward
    break_even_margin: float | None  # at this lift and depth; None if there is none
    products: int
    weeks: int
    reason: str | None


def discount_effect(
    sku: ArrayLike, week: ArrayLike, units_per_day: ArrayLike, depth: ArrayLike
) -> DiscountEffect:
    """Regress log units on log price, with SKU and week effects and errors clustered by SKU.

    Args:
        sku: SKUs, one item per SKU and week.
        week: Week numbers, consecutive integers; each once per SKU.
        units_per_day: Units per in-stock day; rows with 0, negative, or missing values are skipped.
        depth: Discount / list value, 0 to 1; NaN if unknown.

    Raises:
        InputError: Lengths differ, or a depth is outside 0 to 1.

    `aftermath` is the coefficient of the previous week's price, next to the current week's, if both
    are known. Uses `fixed_effects.fit` with the G/(G - 1) correction and Student's t with G - 1
    degrees of freedom. The break-even margin is d L / (L - 1).
    """
    rows = _rows(sku, week, units_per_day, depth)
    reason = _refusal(rows)
    if reason:
        return DiscountEffect(None, None, None, None, None, None, *_size(rows), reason)
    slope = _slopes(rows.units, rows.price[:, None], rows)[0]
    mean_depth = float(1 - np.exp(rows.price[rows.price < 0]).mean())
    lift = _at(slope, mean_depth)
    return DiscountEffect(
        elasticity=slope,
        raw_elasticity=float(np.polyfit(rows.price, rows.units, 1)[0]),
        depth=mean_depth,
        lift=lift,
        aftermath=_aftermath(rows, mean_depth),
        break_even_margin=_break_even(lift.value, mean_depth),
        products=_size(rows)[0],
        weeks=_size(rows)[1],
        reason=None,
    )


class _Rows(NamedTuple):
    sku: Codes  # 0, 1, ..., one per row
    week: Codes
    units: Floats  # log units per day
    price: Floats  # log of price paid / list price; <= 0

    def take(self, where: Any) -> _Rows:
        sku = np.unique(self.sku[where], return_inverse=True)[1]
        return _Rows(sku, self.week[where], self.units[where], self.price[where])


def _rows(sku: Any, week: Any, units: Any, depth: Any) -> _Rows:
    names, weeks = np.asarray(sku), np.asarray(week)
    sold, depths = np.asarray(units, float), np.asarray(depth, float)
    if not len(names) == len(weeks) == len(sold) == len(depths):
        raise InputError("sku, week, units_per_day, and depth must have one length")
    known = np.isfinite(depths) & (sold > 0)
    if ((depths[known] < -1e-9) | (depths[known] > 1 + 1e-9)).any():
        raise InputError("a depth must be a share of the list price, between 0 and 1")
    codes = np.unique(names[known], return_inverse=True)[1]
    price = np.log1p(-np.clip(depths[known], 0, MAX_DEPTH))
    return _Rows(codes, weeks[known].astype(int), np.log(sold[known]), price)


def _refusal(rows: _Rows) -> str | None:
    if not (rows.price < 0).any():
        return "no_discount"
    if len(rows.sku) < MIN_ROWS:
        return "too_few_weeks"
    return "too_few_products" if _size(rows)[0] < MIN_PRODUCTS else None


def _size(rows: _Rows) -> tuple[int, int]:
    """Return the number of products sold at more than one depth and the number of rows."""
    if not len(rows.sku):
        return 0, 0
    least = np.full(rows.sku.max() + 1, np.inf)
    most = -least
    np.minimum.at(least, rows.sku, rows.price)
    np.maximum.at(most, rows.sku, rows.price)
    return int((most > least).sum()), len(rows.sku)


def _slopes(outcome: Floats, causes: Floats, rows: _Rows) -> list[Slope]:
    """Estimate coefficients with SKU and week effects, and errors clustered by SKU."""
    weeks = np.unique(rows.week, return_inverse=True)[1]
    found = fit(outcome, causes, rows.sku, weeks)
    half = student((1 + LEVEL) / 2, found.clusters - 1) * found.errors
    ends = zip(found.slopes, found.slopes - half, found.slopes + half, found.errors, strict=True)
    return [Slope(*map(float, one)) for one in ends]


def _at(slope: Slope, depth: float) -> Slope:
    """Convert a slope to the ratio of units at a depth to units without a discount."""
    price = float(np.log1p(-depth))
    ends = sorted(np.exp(np.array([slope.low, slope.high]) * price))
    low, high = map(float, ends)
    return Slope(float(np.exp(slope.value * price)), low, high, abs(price) * slope.error)


def _aftermath(rows: _Rows, depth: float) -> Slope | None:
    """Estimate the effect of the previous week's price; None with too few consecutive weeks."""
    span = rows.week.max() - rows.week.min() + 2
    keys = rows.sku * span + rows.week - rows.week.min() + 1
    order = np.argsort(keys)
    place = cast("NDArray[np.intp]", np.searchsorted(keys[order], keys - 1))
    place = np.minimum(place, len(keys) - 1)
    follows = keys[order][place] == keys - 1
    both = rows.take(follows)
    if len(both.sku) < MIN_ROWS or _size(both)[0] < MIN_PRODUCTS:
        return None
    before = rows.price[order][place][follows]
    return _at(_slopes(both.units, np.column_stack([both.price, before]), both)[1], depth)


def _break_even(lift: float, depth: float) -> float | None:
    """Return the margin at which the lift breaks even at the depth; None if there is none.

    >>> round(_break_even(2.14, 0.269), 3)
    0.505
    """
    margin = depth * lift / (lift - 1) if lift > 1 else np.inf
    return float(margin) if margin <= 1 else None
