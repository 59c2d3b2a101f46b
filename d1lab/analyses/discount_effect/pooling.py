"""Price elasticity per product: its own weeks, drawn toward its category and the shop.

A product's own slope comes from its sales on and off offer, given the shop's week effects. It is
drawn toward its category's slope, and that toward the shop's, as far as their spread and its own
error demand (empirical Bayes; Efron & Morris 1975, JASA 70). A product without a comparison of its
own gets its category's slope, with an error that includes how far products differ.
"""

# pyright: standard

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from d1lab.analyses.discount_effect.effect import (
    NORMAL,
    DiscountEffect,
    ShopEffect,
    shop_effect,
)
from d1lab.analyses.discount_effect.exposure import Floats, Ints
from d1lab.analyses.discount_effect.history import SalesHistory, history

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

LEAST_SPREAD = 0.3  # standard deviation of slopes: products are never identical
EARLY_SHARE = 0.5  # of the weeks; slopes of the others show how far slopes drift
MIN_DRIFT_SKUS = 10
SHOWN = 1.645  # standard errors by which changes exceed sampling, to count as drift
PRIOR_FREEDOM = 30.0  # weeks of the shop's dispersion that a product's own weeks are added to
VAGUE = 5.0  # standard deviation of a prior that only keeps slopes finite
_STEPS = 40

COLUMNS = "sku slope slope_low slope_high error error_ahead basis weeks_on weeks_off"
OWN, OF_CATEGORY, OF_SHOP = "its own weeks", "its category", "the shop"


class ProductSlopes(NamedTuple):
    """Slopes of all products of a shop, and how far they differ."""

    skus: Frame  # sku, slope, slope_low, slope_high, error, error_ahead, basis, weeks_on, weeks_off
    spread: float  # standard deviation of the true slopes within categories
    category_spread: float  # of the true mean slopes of categories
    drift: float | None  # change of slopes over time, beyond their errors; None if unknown


class Estimates(NamedTuple):
    """All estimates of a shop, from one and the same weeks."""

    history: SalesHistory
    shop: DiscountEffect
    products: ProductSlopes
    price: Floats  # product x week: log of price on offer / list price; NaN if unknown


class _Own(NamedTuple):
    """Slope of each product by its own weeks alone, one item per product."""

    slope: Floats
    variance: Floats  # infinite without a comparison

    @property
    def known(self) -> Any:
        return np.isfinite(self.variance)


def estimate(weeks: Frame) -> Estimates:
    """Estimate what discounts sell, in the shop and for each product.

    Args:
        weeks: Rows of the metric `discount_weeks`.
    """
    found = history(weeks)
    shop = shop_effect(found)
    return Estimates(found, shop.effect, product_slopes(found, shop), shop.price)


def product_slopes(found: SalesHistory, shop: ShopEffect) -> ProductSlopes:
    """Estimate the slope of each product.

    Args:
        found: Result of `history.history`.
        shop: Result of `effect.shop_effect`; without an effect, no product has a slope.
    """
    import pandas as pd

    names = [
        "sku",
        "slope",
        "slope_low",
        "slope_high",
        "error",
        "error_ahead",
        "basis",
        "weeks_on",
        "weeks_off",
    ]
    if shop.fitted is None or shop.effect.slope is None or shop.effect.error is None:
        return ProductSlopes(pd.DataFrame(columns=pd.Index(names)), np.nan, np.nan, None)
    units = np.where(np.isfinite(shop.price), found.sales.units, np.nan)
    center, center_error = shop.effect.slope, shop.effect.error
    own = _own(units, shop, center)
    groups, count = _groups(found.categories)
    spread, between = _spreads(own, groups, count, center)
    prior, prior_error = _priors(own, groups, count, (center, center_error), spread, between)
    slope, error = _posterior(units, shop, prior[groups], spread, own)
    error = np.hypot(error, np.where(own.known, center_error, prior_error[groups]))
    drift = _drift(units, shop, center)
    several = np.bincount(groups[own.known], minlength=count) >= 2
    named = np.array([bool(one) and one == one for one in found.categories], dtype=bool)
    pooled = np.where(several[groups] & named, OF_CATEGORY, OF_SHOP)
    frame = pd.DataFrame(
        {
            "sku": found.skus,
            "slope": slope,
            "slope_low": slope - NORMAL * error,
            "slope_high": slope + NORMAL * error,
            "error": error,
            "error_ahead": np.hypot(error, drift or 0.0),
            "basis": np.where(own.known, OWN, pooled),
            "weeks_on": (np.nan_to_num(shop.price) < 0).sum(axis=1),
            "weeks_off": (shop.price == 0).sum(axis=1),
        }
    )
    return ProductSlopes(frame.sort_values(["slope", "sku"]), spread, between, drift)


def _groups(categories: Any) -> tuple[Ints, int]:
    """Return the category of each product as a code; those without one share a code."""
    words = np.array(["" if one is None or one != one else str(one) for one in categories])
    names, groups = np.unique(words, return_inverse=True)
    return groups, len(names)


def _moments(units: Floats, shop: ShopEffect, slope: Any) -> tuple[Floats, Floats]:
    """Return score and information on each product's slope, given its sales and week effects."""
    assert shop.fitted is not None
    known = np.isfinite(units) & np.isfinite(shop.fitted.week_effects)
    price = np.where(known, shop.price, 0.0)
    slopes = np.broadcast_to(slope, len(units))[:, None]
    level = np.where(known, np.nan_to_num(shop.fitted.week_effects) + slopes * price, -np.inf)
    level = np.exp(level - np.maximum(level.max(axis=1, keepdims=True), -700))
    share = level / np.maximum(level.sum(axis=1, keepdims=True), 1e-300)
    sold = np.where(known, units, 0.0)
    total, mean = sold.sum(axis=1), (share * price).sum(axis=1)
    score = (sold * price).sum(axis=1) - total * mean
    return score, total * ((share * price**2).sum(axis=1) - mean**2)


def _dispersion(units: Floats, shop: ShopEffect, slope: Floats) -> Floats:
    """Return variance / mean of each product's weeks, drawn toward that of all; at least 1."""
    assert shop.fitted is not None
    known = np.isfinite(units) & np.isfinite(shop.fitted.week_effects)
    level = np.nan_to_num(shop.fitted.week_effects) + slope[:, None] * np.nan_to_num(shop.price)
    level = np.where(known, np.exp(level), 0.0)
    sold = np.where(known, units, 0.0)
    mean = level * (sold.sum(axis=1) / np.maximum(level.sum(axis=1), 1e-300))[:, None]
    squares = ((sold - mean) ** 2 / np.where(mean > 0, mean, 1.0)).sum(axis=1)
    freedom = np.maximum(known.sum(axis=1) - 2, 0)
    pooled = squares.sum() / max(freedom.sum(), 1)
    return np.maximum((squares + PRIOR_FREEDOM * pooled) / (freedom + PRIOR_FREEDOM), 1.0)


def _own(units: Floats, shop: ShopEffect, center: float) -> _Own:
    """Return each product's most likely slope, and the variance of its sampling."""
    _, information = _moments(units, shop, center)
    enough = information > 1e-9
    slope = np.full(len(units), center)
    vague = np.where(enough, 1.0, 1e9)
    slope, information = _climbed(units, shop, slope, np.full(len(units), VAGUE), vague)
    dispersion = _dispersion(units, shop, slope)
    known = enough & (information > 1e-9)
    return _Own(slope, np.where(known, dispersion / np.where(known, information, 1.0), np.inf))


def _climbed(
    units: Floats, shop: ShopEffect, prior: Floats, spread: Floats, dispersion: Floats
) -> tuple[Floats, Floats]:
    """Return the most likely slopes under normal priors, and the information there."""
    slope = prior.copy()
    for _ in range(_STEPS):
        score, information = _moments(units, shop, slope)
        score = score / dispersion - (slope - prior) / spread**2
        step = score / (information / dispersion + 1 / spread**2)
        slope += np.clip(step, -1, 1)
        if not len(step) or np.abs(step).max() < 1e-7:
            break
    return slope, _moments(units, shop, slope)[1]


def _excess(slope: Floats, variance: Floats, mean: float) -> float:
    """Return the variance of the true values (DerSimonian & Laird 1986); 0 with fewer than two."""
    if len(slope) < 2:
        return 0.0
    weight = 1 / np.maximum(variance, 1e-6)
    excess = weight @ (slope - mean) ** 2 - (len(slope) - 1)
    return max(float(excess / (weight.sum() - (weight @ weight) / weight.sum())), 0.0)


def _spreads(own: _Own, groups: Ints, count: int, center: float) -> tuple[float, float]:
    """Return the standard deviations of slopes within categories and between them."""
    known = own.known
    weight = np.where(known, 1 / np.where(known, own.variance, 1.0), 0.0)
    sums = np.bincount(groups, weight, count)
    means = np.bincount(groups, weight * own.slope, count) / np.maximum(sums, 1e-300)
    several = np.bincount(groups[known], minlength=count) >= 2
    inside = known & several[groups]
    freedom = inside.sum() - several.sum()
    within = weight[inside] @ (own.slope - means[groups])[inside] ** 2 - freedom
    squares = np.bincount(groups, weight**2, count)[several] / np.maximum(sums[several], 1e-300)
    scale = weight[inside].sum() - squares.sum()
    spread = float(np.sqrt(max(within / scale, 0.0))) if scale > 0 else 0.0
    if freedom < 2:
        spread = float(np.sqrt(_excess(own.slope[known], own.variance[known], center)))
    spread = max(spread, LEAST_SPREAD)
    total = np.bincount(groups, _precision(own, spread), count)
    mean = np.bincount(groups, _precision(own, spread) * own.slope, count)
    own_mean = mean[several] / np.maximum(total[several], 1e-300)
    return spread, float(np.sqrt(_excess(own_mean, 1 / total[several], center)))


def _precision(own: _Own, spread: float) -> Floats:
    return np.where(own.known, 1 / (np.where(own.known, own.variance, 1.0) + spread**2), 0.0)


def _priors(
    own: _Own, groups: Ints, count: int, shop: tuple[float, float], spread: float, between: float
) -> tuple[Floats, Floats]:
    """Return the mean slope of each category, drawn toward the shop's, and its error."""
    precision = _precision(own, spread)
    total = np.bincount(groups, precision, count)
    mean = np.bincount(groups, precision * own.slope, count) / np.maximum(total, 1e-300)
    weight = between**2 / (between**2 + 1 / np.maximum(total, 1e-300))
    drawn = weight * mean + (1 - weight) * shop[0]
    left = between**2 * (1 - weight)
    return drawn, np.sqrt(left + ((1 - weight) * shop[1]) ** 2)


def _posterior(
    units: Floats, shop: ShopEffect, prior: Floats, spread: float, own: _Own
) -> tuple[Floats, Floats]:
    """Return the most likely slope of each product and its error, given its category's slope."""
    mine = np.flatnonzero(own.known)
    part, narrowed = units[mine], shop._replace(price=shop.price[mine])
    dispersion = _dispersion(part, narrowed, own.slope[mine])
    spreads = np.full(len(mine), spread)
    slope, error = prior.copy(), np.full(len(units), spread)
    slope[mine], information = _climbed(part, narrowed, prior[mine], spreads, dispersion)
    error[mine] = 1 / np.sqrt(information / dispersion + 1 / spread**2)
    return slope, error


def _drift(units: Floats, shop: ShopEffect, center: float) -> float | None:
    """Return the standard deviation of slopes' changes over time, net of sampling error."""
    middle = int(units.shape[1] * EARLY_SHARE)
    early, late = units.copy(), units.copy()
    early[:, middle:], late[:, :middle] = np.nan, np.nan
    before, after = _own(early, shop, center), _own(late, shop, center)
    both = before.known & after.known
    if both.sum() < MIN_DRIFT_SKUS:
        return None
    variance = (before.variance + after.variance)[both]
    change = (after.slope - before.slope)[both]
    weight = 1 / np.maximum(variance, 0.01) ** 2
    excess = weight * (change**2 - variance)
    if excess.sum() < SHOWN * np.sqrt(excess @ excess):
        return 0.0  # sampling alone: a spread cannot be below 0, so its noise would only add
    return float(np.sqrt(excess.sum() / weight.sum()))
