"""What a product's own weeks tell about its price elasticity: a likelihood, and its dispersion."""

from __future__ import annotations

from typing import Any

import numpy as np

from d1lab.analyses.discount_effect.effect import ShopEffect
from d1lab.analyses.discount_effect.exposure import Floats, Ints
from d1lab.stats.shrinkage import GRID

PRIOR_WEEKS = 30.0  # of the shop's dispersion that a product's own weeks are added to
VAGUE = 5.0  # standard deviation of a prior that only keeps slopes finite
LEAST_INFORMATION = 1e-9
NODES = 5  # every fifth value of the grid is computed, the others are interpolated
_STEPS = 40


def compared(units: Floats, shop: ShopEffect, center: float) -> Ints:
    """Return the rows whose own sales tell something about their slope."""
    return np.flatnonzero(climbed(units, shop, center, steps=0)[1] > LEAST_INFORMATION)


def _known(units: Floats, shop: ShopEffect) -> Any:
    """Return the weeks in which a product was for sale, and the shop sold anything."""
    assert shop.fitted is not None
    return np.isfinite(units) & np.isfinite(shop.fitted.week_effects)


def _levels(shop: ShopEffect, known: Any, slope: Floats) -> Floats:
    """Return log units by week and price, without the product's own level; -inf if unknown."""
    assert shop.fitted is not None
    level = np.nan_to_num(shop.fitted.week_effects) + slope[:, None] * np.nan_to_num(shop.price)
    return np.where(known, level, -np.inf)


def _shares(level: Floats) -> Floats:
    """Return each week's share of a product's units, from log levels."""
    level = np.exp(level - np.maximum(level.max(axis=1, keepdims=True), -700))
    return level / np.maximum(level.sum(axis=1, keepdims=True), 1)


def climbed(
    units: Floats, shop: ShopEffect, center: float, *, steps: int = _STEPS
) -> tuple[Floats, Floats]:
    """Return each product's most likely slope, and the Poisson information on it.

    A vague prior keeps slopes finite where all sales are at one price.
    """
    known, sold = _known(units, shop), np.nan_to_num(units)
    price, slope = np.where(known, np.nan_to_num(shop.price), 0.0), np.full(len(units), center)
    total, information = sold.sum(axis=1), np.zeros(len(units))
    for step in range(steps + 1):
        share = _shares(_levels(shop, known, slope))
        mean = (share * price).sum(axis=1)
        information = total * ((share * price**2).sum(axis=1) - mean**2)
        score = (sold * price).sum(axis=1) - total * mean - (slope - center) / VAGUE**2
        move = np.clip(score / (information + 1 / VAGUE**2), -1, 1)
        if step == steps or not len(move) or np.abs(move).max() < 1e-7:
            break
        slope += move
    return slope, information


def dispersion_of(units: Floats, shop: ShopEffect, slope: Floats) -> Floats:
    """Return by how much the variance of each product's slope exceeds that of Poisson counts.

    Counts have the variance m + k m^2 at a mean of m, with a k per product that is drawn toward
    that of all. So products that sell much and little differ in variance / mean. What counts are
    the weeks that tell about the slope: those far from the product's mean price.
    """
    known = _known(units, shop)
    share = _shares(_levels(shop, known, slope))
    mean = share * np.nansum(units, axis=1, keepdims=True)
    away = (np.nan_to_num(units) - mean) ** 2 / np.where(mean > 0, mean, np.inf)
    weeks, whole = known.sum(axis=1), mean.sum(axis=1)
    excess = away.sum(axis=1) - np.maximum(weeks - 2, 0)
    pooled = max(float(excess.sum() / max(whole.sum(), 1)), 0.0)
    usual = PRIOR_WEEKS * whole / np.maximum(weeks, 1)
    extra = np.maximum((excess + pooled * usual) / np.maximum(whole + usual, 1), 0.0)
    price = np.nan_to_num(shop.price)
    square = (price - (share * price).sum(axis=1, keepdims=True)) ** 2
    sums = (square * mean).sum(axis=1)
    return 1 + extra * (square * mean**2).sum(axis=1) / np.where(sums > 0, sums, np.inf)


def likelihood(units: Floats, shop: ShopEffect, center: float) -> Floats:
    """Return the likelihood of slopes `center` + `GRID` for each product, up to its scale.

    That of its units in each week given all of them, as Poisson counts, divided by the dispersion
    (quasi-likelihood; Wedderburn 1974, Biometrika 61). It is smooth in the slope, so it is computed
    at a few and interpolated.
    """
    from scipy.interpolate import CubicSpline

    known, sold = _known(units, shop), np.nan_to_num(units)
    slope, _ = climbed(units, shop, center)
    dispersion = dispersion_of(units, shop, slope)
    total, at_price = sold.sum(axis=1), (sold * np.nan_to_num(shop.price)).sum(axis=1)
    nodes = GRID[::NODES]
    log = np.empty((len(units), len(nodes)))
    for place, node in enumerate(nodes):
        level = _levels(shop, known, np.full(len(units), center + node))
        log[:, place] = at_price * node - total * _log_sum(level)
    log = CubicSpline(nodes, log / dispersion[:, None], axis=1)(GRID)
    return np.exp(log - log.max(axis=1, keepdims=True))


def regular_weekly(units: Floats, shop: ShopEffect, slope: Floats) -> Floats:
    """Return units per average week at the full price.

    Weeks on offer count, too, divided by their lift. The mean of the other weeks alone is too low
    where a slope is overestimated: both come from the same sales.
    """
    assert shop.fitted is not None
    known = _known(units, shop)
    level = np.exp(_levels(shop, known, slope)).sum(axis=1)
    regular = np.where(known, np.exp(np.nan_to_num(shop.fitted.week_effects)), 0.0).sum(axis=1)
    weekly = np.nansum(units, axis=1) / np.maximum(known.sum(axis=1), 1)
    return weekly * regular / np.where(level > 0, level, np.inf)


def _log_sum(level: Floats) -> Floats:
    """Return the log of the sum of each row's exponentials."""
    most = np.maximum(level.max(axis=1), -700)
    return most + np.log(np.maximum(np.exp(level - most[:, None]).sum(axis=1), 1))
