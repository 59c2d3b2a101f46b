"""What a whole shop buys next, with intervals: possible futures drawn from the fitted models.

Sums of expected values hide how far chance and the parameters' own uncertainty may carry a shop.
Each draw is one future of all customers; the interval is between its quantiles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

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
    """What to expect of all customers together, with an interval of process and parameter noise."""

    expected: float
    low: float
    high: float


def forecast_total(
    model: BgNbd, horizon: float, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, **options: Any
) -> SpendForecast:
    """Purchases of all customers together in the next `horizon`, with a predictive interval.

    Each draw takes parameters from their asymptotic normal (log scale) and then each customer's
    future from the model: alive or not, a rate Gamma(r + x, alpha + T), a drop-out probability
    Beta(a, b + x), and the smaller of the purchases that time and loyalty allow.

    Args:
        model: The fitted model.
        horizon: How far ahead.
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
    """One possible future: purchases per customer in the next `horizon`."""
    x, t_x, T = columns
    drawn = _redrawn(model, random)
    alive = random.random(len(x)) < probability_alive(drawn, x, t_x, T)
    rates = random.gamma(drawn.r + x, 1 / (drawn.alpha + T))
    leaving = np.maximum(random.beta(drawn.a, drawn.b + x), 1e-12)
    by_time = random.poisson(rates * horizon)
    return np.where(alive, np.minimum(by_time, random.geometric(leaving)), 0).astype(float)


def _redrawn(model: Any, random: np.random.Generator) -> Any:
    """A model whose parameters are drawn from their asymptotic normal, on the log scale."""
    if model.covariance is None:
        return model
    names = model._fields[: len(model.covariance)]
    logs = np.log([getattr(model, name) for name in names])
    values = np.exp(random.multivariate_normal(logs, model.covariance)).tolist()
    return model._replace(**dict(zip(names, values, strict=True)))


class _Spenders(NamedTuple):
    """Fitted models and the customers whose spend is drawn; 0 for a mean spend that is unknown."""

    purchases: BgNbd
    spend: GammaGamma
    horizon: float
    columns: tuple[Floats, ...]  # x, t_x, T
    means: Floats

    def draw(self, random: np.random.Generator) -> Floats:
        """One possible future: spend per customer in the horizon.

        The own scale of spend is Gamma(p x + q, v + x mean), n purchases are Gamma(p n) over it.
        """
        x, count = self.columns[0], draw_purchases(self.purchases, *self[2:4], random)
        drawn = _redrawn(self.spend, random)
        scale = random.gamma(drawn.p * x + drawn.q, 1 / (drawn.v + x * self.means))
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
    """Spend of all customers together in the next `horizon`, with a predictive interval.

    Purchases are drawn as in `forecast_total`, each customer's spend from the Gamma-Gamma
    posterior; the parameters of both models are drawn, too.
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
    """Bounds of each customer's spend in the next `horizon`, which hold it with chance `level`.

    Single customers are far less sure than their sum: many intervals begin at 0. One of somebody
    who will hardly buy again is widened to hold the expected value, which a few futures lift.
    """
    shop = _spenders(purchases, spend, horizon, x, t_x, T, mean_spend)
    random = np.random.default_rng(seed)
    futures = np.stack([shop.draw(random) for _ in range(draws)])
    low, high = np.quantile(futures, ((1 - level) / 2, (1 + level) / 2), axis=0)
    each = expected_spend(spend, shop.columns[0], shop.means)
    expected = expected_purchases(purchases, horizon, *shop.columns) * each
    return np.minimum(low, expected), np.maximum(high, expected)
