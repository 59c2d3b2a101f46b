"""Price elasticity per product: its own weeks, drawn toward its category and the shop.

A product's own slope comes from its sales on and off offer, given the shop's week effects
(`own_slopes`). It is drawn toward its category's slope, and that toward the shop's, as far as their
spread and its own error demand (`stats.shrinkage`). A product without a comparison of its own gets
its category's slope, with an error that includes how far products differ.
"""

# pyright: standard

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from d1lab.allocators import give_back
from d1lab.analyses.discount_effect.effect import (
    NORMAL,
    DiscountEffect,
    ShopEffect,
    shop_effect,
)
from d1lab.analyses.discount_effect.exposure import Floats, Ints
from d1lab.analyses.discount_effect.history import SalesHistory, history
from d1lab.analyses.discount_effect.own_slopes import (
    LEAST_INFORMATION,
    climbed,
    compared,
    dispersion_of,
    likelihood,
    regular_weekly,
)
from d1lab.stats.shrinkage import shrink

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

EARLY_SHARE = 0.5  # of the weeks; slopes of the others show how far slopes drift
MIN_DRIFT_SKUS = 10
SHOWN = 1.645  # standard errors by which changes exceed sampling, to count as drift

COLUMNS = (
    "sku slope slope_low slope_high error error_ahead error_shared error_by_width drawn_with basis "
    "regular_weekly weeks_on weeks_off"
)
OWN, OF_CATEGORY, OF_SHOP = "its own weeks", "its category", "the shop"


class ProductSlopes(NamedTuple):
    """Slopes of all products of a shop, and how far they differ."""

    skus: Frame  # with `COLUMNS`; see `product_slopes`
    spread: float  # standard deviation of the true slopes within categories
    category_spread: float  # of the true mean slopes of categories
    drift: float | None  # change of slopes over time, beyond their errors; None if unknown


class Estimates(NamedTuple):
    """All estimates of a shop, from one and the same weeks."""

    history: SalesHistory
    shop: DiscountEffect
    products: ProductSlopes
    price: Floats  # product x week: log of price on offer / list price; NaN if unknown


def estimate(weeks: Frame) -> Estimates:
    """Estimate what discounts sell, in the shop and for each product.

    Args:
        weeks: Rows of the metric `discount_weeks`.
    """
    found = history(weeks)
    give_back()  # what the copies of a large shop's rows have left
    shop = shop_effect(found)
    return Estimates(found, shop.effect, product_slopes(found, shop), shop.price)


def product_slopes(found: SalesHistory, shop: ShopEffect) -> ProductSlopes:
    """Estimate the slope of each product.

    Args:
        found: Result of `history.history`.
        shop: Result of `effect.shop_effect`; without an effect, no product has a slope.

    `error_ahead` includes how far slopes drift. `error_shared` is the part of `error` that all
    products with the same `drawn_with` have in common, and `error_by_width` the one (with a sign)
    that all have, as it is not known how far products differ. `regular_weekly` are units per
    average week at the full price, by all of the product's weeks; NaN without a comparison.
    """
    import pandas as pd

    if shop.fitted is None or shop.effect.slope is None or shop.effect.error is None:
        return ProductSlopes(pd.DataFrame(columns=pd.Index(COLUMNS.split())), np.nan, np.nan, None)
    units = np.where(np.isfinite(shop.price), found.sales.units, np.nan)
    center, mine = shop.effect.slope, compared(units, shop, shop.effect.slope)
    own, narrowed = units[mine], shop._replace(price=shop.price[mine])
    groups, count, named = _groups(found.categories, mine)
    pooled = shrink(likelihood(own, narrowed, center), groups[mine], count)
    drift = _drift(own, narrowed, center)
    columns = np.stack(pooled[4:8])[:, groups]
    columns[:, mine] = pooled[:4]
    slope, error, shared, by_width = columns
    slope = slope + center
    basis = np.where(named, OF_CATEGORY, OF_SHOP).astype(object)
    basis[mine] = OWN
    weekly = np.full(len(units), np.nan)
    weekly[mine] = regular_weekly(own, narrowed, slope[mine])
    frame = pd.DataFrame(
        {
            "sku": found.skus,
            "slope": slope,
            "slope_low": slope - NORMAL * error,
            "slope_high": slope + NORMAL * error,
            "error": error,
            "error_ahead": np.hypot(error, drift or 0.0),
            "error_shared": shared,
            "error_by_width": by_width,
            "drawn_with": groups,
            "basis": basis,
            "regular_weekly": weekly,
            "weeks_on": (np.nan_to_num(shop.price) < 0).sum(axis=1),
            "weeks_off": (shop.price == 0).sum(axis=1),
        }
    )
    frame = frame.sort_values(["slope", "sku"])
    return ProductSlopes(frame, pooled.spread, pooled.between, drift)


def _groups(categories: Any, mine: Ints) -> tuple[Ints, int, Any]:
    """Return the category of each product as a code, and whether it tells about its products.

    Products without a category share a code. All products do if only one category has products
    with a comparison: how far categories differ is then unknown.
    """
    words = np.array(["" if one is None or one != one else str(one) for one in categories])
    names, groups = np.unique(words, return_inverse=True)
    several = np.bincount(groups[mine], minlength=len(names)) >= 2
    named = several[groups] & (words != "")
    if len(np.unique(groups[mine])) < 2:
        return np.zeros(len(groups), dtype=np.intp), 1, named
    return groups, len(names), named


def _drift(units: Floats, shop: ShopEffect, center: float) -> float | None:
    """Return the standard deviation of slopes' changes over time, net of sampling error."""
    middle = int(units.shape[1] * EARLY_SHARE)
    early, late = units.copy(), units.copy()
    early[:, middle:], late[:, :middle] = np.nan, np.nan
    (before, known), (after, also) = _half(early, shop, center), _half(late, shop, center)
    both = np.isfinite(known) & np.isfinite(also)
    if both.sum() < MIN_DRIFT_SKUS:
        return None
    variance = (known + also)[both]
    change = (after - before)[both]
    weight = 1 / np.maximum(variance, 0.01) ** 2
    excess = weight * (change**2 - variance)
    if excess.sum() < SHOWN * np.sqrt(excess @ excess):
        return 0.0  # sampling alone: a spread cannot be below 0, so its noise would only add
    return float(np.sqrt(excess.sum() / weight.sum()))


def _half(units: Floats, shop: ShopEffect, center: float) -> tuple[Floats, Floats]:
    """Return each product's most likely slope, and the variance of its sampling."""
    slope, information = climbed(units, shop, center)
    dispersion = dispersion_of(units, shop, slope)
    known = information > LEAST_INFORMATION
    return slope, np.where(known, dispersion / np.where(known, information, np.nan), np.inf)
