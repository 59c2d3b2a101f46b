"""What discounts take from the same category: sales of its other products, at their full price.

A product that is not on offer competes with those of its category that are. Its units are compared
between weeks in which more or less of its category was on offer, by the same Poisson regression as
the lift (`stats.poisson_effects`): product and week effects, all weeks, the product's own offers
beside. Products of a category share its fortunes, so errors are clustered by category. It is an
association: shops choose when to discount a category.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from d1lab.analyses.discount_effect.effect import LEVEL, WIDEST
from d1lab.analyses.discount_effect.exposure import Floats, Ints
from d1lab.analyses.discount_effect.history import SalesHistory
from d1lab.stats.poisson_effects import PoissonFit, fit

MIN_CATEGORIES = 8  # clusters; with fewer, errors are too small
MIN_SKUS = 20
LEAST_CHANGE = 0.05  # of a category on offer, from week to week, for it to count

REASONS = {
    "no_categories": "products have no categories; load them with `d1lab ingest products FILE`",
    "no_discount": "no discount has a lift in this shop",
    "few_categories": (
        "fewer than 8 categories had some products on offer in some weeks, and others at the full "
        "price"
    ),
    "few_skus": "fewer than 20 products sold at the full price next to discounted ones",
    "no_comparison": "all categories were discounted in the same weeks",
    "too_wide": "too uncertain: the ends of its range differ by more than a factor of four",
}
"""Reasons for a missing estimate, in words."""


class Cannibalization(NamedTuple):
    """Change of full-price products by offers in their category; None if `reason` is set."""

    change: float | None  # units while `share` of the category is on offer / units without - 1
    low: float | None  # 95% interval
    high: float | None
    share: float | None  # mean share of the category's regular units that was on offer
    skus: int  # products with weeks at the full price
    categories: int
    weeks: int  # product-weeks at the full price next to an offer
    reason: str | None


def cannibalization(found: SalesHistory, price: Floats) -> Cannibalization:
    """Estimate how discounts change the sales of the other products of a category.

    Args:
        found: Result of `history.history`.
        price: Product x week: log of price on offer / list price; 0 where nothing is on offer, NaN
            where that is unknown.
    """
    named = np.array([bool(one) and one == one for one in found.categories], dtype=bool)
    if not named.any():
        return _without("no_categories")
    if not (np.nan_to_num(price) < 0).any():
        return _without("no_discount")
    units = np.where(np.isfinite(price), found.sales.units, np.nan)[named]
    own = np.nan_to_num(price[named])
    words = np.array([str(one) for one in found.categories[named]])
    groups = np.unique(words, return_inverse=True)[1].astype(np.intp)
    share = np.where(own < 0, 0.0, _on_offer(units, own, groups))
    use = _compared(units, share, own)
    categories = len(np.unique(groups[use]))
    beside = (share > 0) & np.isfinite(units) & use[:, None]
    sample = int(use.sum()), categories, int(beside.sum())
    if categories < MIN_CATEGORIES:
        return _without("few_categories", *sample)
    if use.sum() < MIN_SKUS:
        return _without("few_skus", *sample)
    fitted = fit(units, np.column_stack([own.ravel(), share.ravel()]))
    return _effect(_clustered(fitted, groups), float(share[beside].mean()), sample)


def _without(reason: str, skus: int = 0, categories: int = 0, weeks: int = 0) -> Cannibalization:
    return Cannibalization(None, None, None, None, skus, categories, weeks, reason)


def _on_offer(units: Floats, price: Floats, groups: Ints) -> Floats:
    """Return the share of each product's category that is on offer, weighted by regular units."""
    regular = np.where(np.isfinite(units) & (price == 0), units, np.nan)
    weeks = np.isfinite(regular).sum(axis=1)
    usual = np.nan_to_num(regular).sum(axis=1) / np.maximum(weeks, 1)
    sold = np.isfinite(units) * usual[:, None]
    whole, offered = (np.zeros((int(groups.max()) + 1, units.shape[1])) for _ in range(2))
    np.add.at(whole, groups, sold)
    np.add.at(offered, groups, np.where(price < 0, sold, 0.0))
    return np.nan_to_num(offered / np.where(whole > 0, whole, np.nan))[groups]


def _compared(units: Floats, share: Floats, price: Floats) -> Any:
    """Return the products with a sale whose full-price weeks differ in what else is on offer."""
    known = np.isfinite(units) & (price == 0)
    most = np.where(known, share, -np.inf).max(axis=1)
    least = np.where(known, share, np.inf).min(axis=1)
    return (np.nan_to_num(units).sum(axis=1) > 0) & (most - least >= LEAST_CHANGE)


def _clustered(fitted: PoissonFit, groups: Ints) -> PoissonFit:
    """Return the fit with errors clustered by category instead of product."""
    influence, leverage = (
        np.zeros((int(groups.max()) + 1, fitted.influence.shape[1])) for _ in range(2)
    )
    np.add.at(influence, groups, fitted.influence)
    np.add.at(leverage, groups, fitted.leverage)
    return fitted._replace(influence=influence, leverage=leverage)


def _effect(fitted: PoissonFit, share: float, sample: tuple[int, int, int]) -> Cannibalization:
    if not fitted.identified[1]:
        return _without("no_comparison", *sample)
    slope, half = float(fitted.slopes[1]), float(fitted.half(LEVEL)[1])
    if 2 * half * share > np.log(WIDEST):
        return _without("too_wide", *sample)
    change, low, high = (float(np.expm1((slope + side * half) * share)) for side in (0, -1, 1))
    return Cannibalization(change, low, high, share, *sample, None)
