"""What a product's own weeks tell about its slope, by loops over its weeks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from d1lab.analyses.discount_effect import own_slopes
from d1lab.stats.shrinkage import GRID

WEEKS, CENTER = 12, -1.5


@pytest.fixture(scope="module")
def shop() -> Any:
    """Six products over weeks of which one has no effect, with a price that is unknown.

    One is never on offer, of one a single week is known, and one has no sale.
    """
    rng = np.random.default_rng(5)
    price = np.where(rng.random((6, WEEKS)) < 0.4, np.log(rng.choice([0.7, 0.8], (6, WEEKS))), 0.0)
    price[3] = 0.0
    effects = rng.normal(0, 0.3, WEEKS)
    units = rng.poisson(6 * np.exp(effects - 2 * price)).astype(float)
    price[1, 4], units[1, 4] = np.nan, np.nan
    units[2, 7], units[4, 1:], effects[0] = np.nan, np.nan, -1.5
    units[4, 0], price[4, 0] = 1.0, np.log(0.8)
    effects[9], units[:, 9], units[5] = np.nan, np.nan, 0
    fitted = SimpleNamespace(week_effects=effects)
    return SimpleNamespace(price=price, fitted=fitted, units=units)


def _weeks(shop: Any, sku: int) -> list[tuple[float, float, float]]:
    """Units, price, and week effect of the known weeks of a product."""
    rows = zip(shop.units[sku], shop.price[sku], shop.fitted.week_effects, strict=True)
    return [row for row in rows if np.isfinite(row).all()]


def _log_likelihood(shop: Any, sku: int, slope: float) -> float:
    """Of units in each week given their sum, as Poisson counts."""
    units, price, effects = np.array(_weeks(shop, sku)).T
    level = effects + slope * price
    return float((units * (level - logsumexp(level))).sum())


def _means(shop: Any, sku: int, slope: float) -> tuple[np.ndarray, ...]:
    units, price, effects = np.array(_weeks(shop, sku)).T
    share = np.exp(effects + slope * price)
    share /= share.sum()
    return units, price, share


def _information(shop: Any, sku: int, slope: float) -> float:
    units, price, share = _means(shop, sku, slope)
    return units.sum() * ((share * price**2).sum() - (share * price).sum() ** 2)


def _dispersion(shop: Any, slopes: Any) -> list[float]:
    """1 + k x a mean of means, with a k per product drawn toward that of all by 30 weeks."""
    excesses, sums, weeks, telling = [], [], [], []
    for sku, slope in enumerate(slopes):
        units, price, share = _means(shop, sku, slope)
        mean = share * units.sum()
        safe = np.where(mean > 0, mean, 1.0)
        excesses.append(((units - mean) ** 2 / safe).sum() - max(len(units) - 2, 0))
        sums.append(mean.sum())
        weeks.append(len(units))
        square = (price - (share * price).sum()) ** 2
        bottom = (square * mean).sum()
        telling.append((square * mean**2).sum() / bottom if bottom > 0 else 0.0)
    pooled = max(sum(excesses) / sum(sums), 0.0)
    found = []
    for excess, whole, count, tell in zip(excesses, sums, weeks, telling, strict=True):
        usual = 30 * whole / count
        k = max((excess + pooled * usual) / (whole + usual), 0.0) if whole else 0.0
        found.append(1 + k * tell)
    return found


def test_the_slope_is_the_most_likely_one(shop):
    """With a prior of a standard deviation of 5 around the shop's slope."""
    slopes, information = own_slopes.climbed(shop.units, shop, CENTER)
    for sku in range(4):

        def loss(slope: float, sku: int = sku) -> float:
            return ((slope - CENTER) / 5) ** 2 / 2 - _log_likelihood(shop, sku, slope)

        best = minimize_scalar(loss, bounds=(-12, 9), method="bounded", options={"xatol": 1e-9})
        assert slopes[sku] == pytest.approx(best.x, abs=1e-4)
        assert information[sku] == pytest.approx(_information(shop, sku, slopes[sku]), abs=1e-9)
    assert slopes[3:].tolist() == [CENTER] * 3  # nothing to compare, or nothing sold
    assert own_slopes.compared(shop.units, shop, CENTER).tolist() == [0, 1, 2]
    start, before = own_slopes.climbed(shop.units, shop, CENTER, steps=0)
    assert set(start) == {CENTER}
    assert before[0] == pytest.approx(_information(shop, 0, CENTER))
    none = SimpleNamespace(price=shop.price[:0], fitted=shop.fitted)
    assert len(own_slopes.climbed(shop.units[:0], none, CENTER)[0]) == 0


@pytest.mark.parametrize("noise", [1.0, 0.0])
def test_counts_vary_by_more_than_poisson_ones(shop, noise):
    """Of noisy products; of those that sell exactly what is expected, the dispersion is 1."""
    slopes = np.linspace(-3, 0, 6)
    units = shop.units.copy()
    if not noise:
        for sku in range(6):
            level = np.exp(np.nan_to_num(shop.fitted.week_effects + slopes[sku] * shop.price[sku]))
            units[sku] = np.where(np.isfinite(shop.units[sku]), 5 * level, np.nan)
        units[:, 9] = 0
    else:
        units[0, ::2] *= 4  # a product far noisier than the others
    one = SimpleNamespace(price=shop.price, fitted=shop.fitted, units=units)
    found = own_slopes.dispersion_of(units, one, slopes)
    assert found.tolist() == pytest.approx(_dispersion(one, slopes))
    assert (found[0] > 1.5) == bool(noise)
    assert (found >= 1).all()


def test_the_likelihood_is_that_of_counts_by_their_dispersion(shop):
    """On the grid around the shop's slope; 1 at its maximum, flat without a comparison."""
    found = own_slopes.likelihood(shop.units, shop, CENTER)
    slopes, _ = own_slopes.climbed(shop.units, shop, CENTER)
    spread = _dispersion(shop, slopes)
    for sku in range(3):
        log = np.array([_log_likelihood(shop, sku, CENTER + step) for step in GRID]) / spread[sku]
        assert found[sku] == pytest.approx(np.exp(log - log.max()), abs=2e-3)
    assert found.max(axis=1).tolist() == pytest.approx([1.0] * 6)
    assert np.ptp(found[3:]) == pytest.approx(0, abs=1e-9)


def test_regular_units_are_divided_by_the_lift_of_their_weeks(shop):
    """Units per week, times the share that weeks at the full price would have sold."""
    slopes = np.linspace(-3, 0, 6)
    found = own_slopes.regular_weekly(shop.units, shop, slopes)
    for sku, slope in enumerate(slopes):
        units, price, effects = np.array(_weeks(shop, sku)).T
        share = np.exp(effects).sum() / np.exp(effects + slope * price).sum()
        assert found[sku] == pytest.approx(units.mean() * share)
