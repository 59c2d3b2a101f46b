"""Intervals of single customers' spend."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from d1lab.analyses.customers import spend_forecast
from d1lab.analyses.customers.lifetime_model import (
    BgNbd,
    GammaGamma,
    expected_purchases,
    expected_spend,
)

MODEL = BgNbd(0.8, 6.0, 0.9, 2.5, 0.0, 1, 1, None, None)
MONEY = GammaGamma(5.0, 4.0, 150.0, 0.0, 1, 0.0, None, None)
COLUMNS = tuple(np.array([[0.0, 2, 9], [0.0, 12, 38], [20.0, 40, 40]]))
MEANS = np.array([99.0, 30.0, 70.0])  # that of a customer without a repeat is not known


def test_each_customer_has_an_interval_of_its_own(monkeypatch):
    """90% of draws around 100, 1,000, and 50; the last one is widened to its expected value."""
    shop = SimpleNamespace(
        draw=lambda random: random.normal([100.0, 1_000, 50], 1), columns=(None,), means=None
    )
    monkeypatch.setattr(spend_forecast, "_spenders", lambda *_: shop)
    monkeypatch.setattr(spend_forecast, "expected_spend", lambda *_: np.array([50.0, 500, 40]))
    monkeypatch.setattr(spend_forecast, "expected_purchases", lambda *_: np.full(3, 2.0))
    nothing: Any = None
    low, high = spend_forecast.spend_intervals(*[nothing] * 7, draws=4_000)
    assert low == pytest.approx([98.355, 998.355, 48.355], abs=0.1)
    assert high == pytest.approx([101.645, 1_001.645, 80], abs=0.1)


@pytest.mark.parametrize("a", [0.9, 0.0])
def test_draws_have_the_expected_purchases_and_spend(a):
    """Of each customer, with and without drop-out, of 20,000 alike."""
    model, alike = MODEL._replace(a=a), 20_000
    random, columns = np.random.default_rng(1), tuple(np.repeat(c, alike) for c in COLUMNS)
    drawn = spend_forecast.draw_purchases(model, 26, columns, random)
    wanted = expected_purchases(model, 26, *COLUMNS)
    assert drawn.reshape(3, alike).mean(axis=1) == pytest.approx(wanted, rel=0.05)
    shop = spend_forecast._spenders(model, MONEY, 26, *columns, np.repeat(MEANS, alike))
    assert shop.means[::alike].tolist() == [0, 30, 70]
    spent = shop.draw(random).reshape(3, alike).mean(axis=1)
    each = expected_spend(MONEY, COLUMNS[0], [0, 30, 70])
    assert spent == pytest.approx(wanted * each, rel=0.08)


def test_parameters_are_drawn_from_their_errors():
    """On the log scale, and only those that have errors."""
    spread = np.diag([0.01, 0.04])
    random = np.random.default_rng(2)
    drawn = [
        spend_forecast._redrawn(MODEL._replace(covariance=spread), random) for _ in range(1_500)
    ]
    logs = np.log([[one.r, one.alpha] for one in drawn])
    assert logs.mean(axis=0) == pytest.approx(np.log([0.8, 6.0]), abs=0.02)
    assert logs.std(axis=0) == pytest.approx([0.1, 0.2], rel=0.08)
    assert {(one.a, one.b) for one in drawn} == {(0.9, 2.5)}
    assert spend_forecast._redrawn(MODEL, random) is MODEL


def test_a_total_lies_between_quantiles_of_400_draws():
    """90% of the draws, widened to the expected value; always the same draws."""
    values = iter(range(400))
    found = spend_forecast._forecast(500.0, lambda _: float(next(values)))
    assert found == pytest.approx((500, 0.05 * 399, 500))
    assert next(values, None) is None
    low = spend_forecast._forecast(-1.0, lambda random: random.random(), draws=100, level=0.5)
    draws = np.random.default_rng(0).random(100)
    assert low == pytest.approx((-1, -1, np.quantile(draws, 0.75)))


def test_a_forecast_is_the_sum_of_its_customers():
    total = spend_forecast.forecast_total(MODEL, 26, *COLUMNS, draws=50)
    wanted = expected_purchases(MODEL, 26, *COLUMNS)
    assert total.expected == pytest.approx(wanted.sum())
    spend = spend_forecast.forecast_spend(MODEL, MONEY, 26, *COLUMNS, MEANS, draws=50)
    each = expected_spend(MONEY, COLUMNS[0], [0, 30, 70])
    assert spend.expected == pytest.approx((wanted * each).sum())
    low, high = spend_forecast.spend_intervals(MODEL, MONEY, 26, *COLUMNS, MEANS)
    assert (low <= wanted * each).all()
    assert (wanted * each <= high).all()


def test_intervals_of_customers_are_of_200_draws(monkeypatch):
    seen = []
    shop = SimpleNamespace(
        draw=lambda random: seen.append(random) or np.array([random.random()]),
        columns=(None,), means=None,
    )  # fmt: skip
    monkeypatch.setattr(spend_forecast, "_spenders", lambda *_: shop)
    monkeypatch.setattr(spend_forecast, "expected_spend", lambda *_: np.array([0.5]))
    monkeypatch.setattr(spend_forecast, "expected_purchases", lambda *_: np.ones(1))
    nothing: Any = None
    low, high = spend_forecast.spend_intervals(*[nothing] * 7)
    draws = np.random.default_rng(0).random(200)
    assert len(seen) == 200
    assert (low[0], high[0]) == pytest.approx(tuple(np.quantile(draws, [0.05, 0.95])))
