"""Prediction intervals for the spend of all customers, by simulation from the fitted models.

A sum of expected values does not show the effect of chance and of parameter uncertainty. Each draw
simulates all customers; the interval lies between quantiles of the draws.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike

from d1lab.analyses.customers.lifetime_model import (
    BgNbd,
    Floats,
    GammaGamma,
    as_columns,
    expected_purchases,
    expected_spend,
    probability_alive,
)


class SpendForecast(NamedTuple):
    """Forecast for all customers, with an interval from process and parameter uncertainty."""

    expected: float
    low: float
    high: float


def forecast_total(
    model: BgNbd, horizon: float, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, **options: Any
) -> SpendForecast:
    """Forecast the purchases of all customers in the next `horizon`, with a prediction interval.

    Each draw samples parameters from their asymptotic normal distribution (log scale), then for
    each customer: alive or not, a rate from Gamma(r + x, alpha + T), a dropout probability from
    Beta(a, b + x), and the smaller of the purchases before the horizon and before dropout.

    Args:
        model: Fitted model.
        horizon: Length of the forecast period, in the model's unit of time.
        x: Repeat purchases.
        t_x: Time of the last purchase.
        T: Time observed.
        options: `level` of the interval (0.9), `draws` (400) and `seed` (0).
    """
    columns = as_columns(x, t_x, T)
    expected = float(expected_purchases(model, horizon, *columns).sum())
    return _forecast(
        expected, lambda random: draw_purchases(model, horizon, columns, random).sum(), **options
    )


def _forecast(
    expected: float,
    draw: Callable[[np.random.Generator], float],
    level: float = 0.9,
    draws: int = 400,
    seed: int = 0,
) -> SpendForecast:
    random = np.random.default_rng(seed)
    totals = [draw(random) for _ in range(draws)]
    low, high = np.quantile(totals, ((1 - level) / 2, (1 + level) / 2)).tolist()
    return SpendForecast(expected, min(low, expected), max(high, expected))


def draw_purchases(
    model: BgNbd, horizon: float, columns: tuple[Floats, ...], random: np.random.Generator
) -> Floats:
    """Simulate the purchases of each customer in the next `horizon` once."""
    x, t_x, T = columns
    drawn = _redrawn(model, random)
    if not drawn.a:  # no drop-out
        rates = cast("Floats", random.gamma(drawn.r + x, 1 / (drawn.alpha + T)))
        return cast("Floats", random.poisson(rates * horizon).astype(float))
    alive = random.random(len(x)) < probability_alive(drawn, x, t_x, T)
    rates = cast("Floats", random.gamma(drawn.r + x, 1 / (drawn.alpha + T)))
    leaving = np.maximum(cast("Floats", random.beta(drawn.a, drawn.b + x)), 1e-12)
    by_time = cast("Floats", random.poisson(rates * horizon))
    until_lost = cast("Floats", random.geometric(leaving))
    return np.where(alive, np.minimum(by_time, until_lost), 0).astype(float)


def _redrawn(model: Any, random: np.random.Generator) -> Any:
    """Return the model with parameters drawn from their asymptotic normal (log scale)."""
    if model.covariance is None:
        return model
    names = model._fields[: len(model.covariance)]
    logs = np.log([getattr(model, name) for name in names])
    values = np.exp(random.multivariate_normal(logs, model.covariance)).tolist()
    return model._replace(**dict(zip(names, values, strict=True)))


class _Spenders(NamedTuple):
    """Fitted models and the customers to simulate; an unknown mean spend is 0."""

    purchases: BgNbd
    spend: GammaGamma
    horizon: float
    columns: tuple[Floats, ...]  # x, t_x, T
    means: Floats

    def draw(self, random: np.random.Generator) -> Floats:
        """Simulate the spend of each customer in the horizon once.

        A customer's scale is Gamma(p x + q, v + x mean); n purchases are Gamma(p n) divided by it.
        """
        x, count = self.columns[0], draw_purchases(self.purchases, *self[2:4], random)
        drawn = _redrawn(self.spend, random)
        rate = drawn.v + x * self.means
        scale = cast("Floats", random.gamma(drawn.p * x + drawn.q, 1 / rate))
        some = count > 0
        count[some] = random.gamma(drawn.p * count[some]) / scale[some]
        return count


def _spenders(
    purchases: BgNbd,
    spend: GammaGamma,
    horizon: float,
    x: ArrayLike,
    t_x: ArrayLike,
    T: ArrayLike,
    mean_spend: ArrayLike,
) -> _Spenders:
    columns = as_columns(x, t_x, T)
    means = np.where(columns[0] > 0, as_columns(mean_spend)[0], 0.0)
    return _Spenders(purchases, spend, horizon, columns, means)


def forecast_spend(
    purchases: BgNbd,
    spend: GammaGamma,
    horizon: float,
    x: ArrayLike,
    t_x: ArrayLike,
    T: ArrayLike,
    mean_spend: ArrayLike,
    **options: Any,
) -> SpendForecast:
    """Forecast the spend of all customers in the next `horizon`, with a prediction interval.

    Purchases are drawn as in `forecast_total`, each customer's spend from the Gamma-Gamma
    posterior. The parameters of both models are drawn as well.
    """
    shop = _spenders(purchases, spend, horizon, x, t_x, T, mean_spend)
    each = expected_spend(spend, shop.columns[0], shop.means)
    expected = expected_purchases(purchases, horizon, *shop.columns) @ each
    return _forecast(float(expected), lambda random: float(shop.draw(random).sum()), **options)


def spend_intervals(
    purchases: BgNbd,
    spend: GammaGamma,
    horizon: float,
    x: ArrayLike,
    t_x: ArrayLike,
    T: ArrayLike,
    mean_spend: ArrayLike,
    *,
    level: float = 0.9,
    draws: int = 200,
    seed: int = 0,
) -> tuple[Floats, Floats]:
    """Return the bounds of a `level` prediction interval of each customer's spend.

    Forecasts of single customers are much less certain than their sum: many intervals start at 0.
    If purchases are rare, a few large draws can lift the expected value above the interval, which
    is then widened to include it.
    """
    shop = _spenders(purchases, spend, horizon, x, t_x, T, mean_spend)
    random = np.random.default_rng(seed)
    futures = np.stack([shop.draw(random) for _ in range(draws)])
    low, high = np.quantile(futures, ((1 - level) / 2, (1 + level) / 2), axis=0)
    each = expected_spend(spend, shop.columns[0], shop.means)
    expected = expected_purchases(purchases, horizon, *shop.columns) * each
    return np.minimum(low, expected), np.maximum(high, expected)
