"""NBD against its own simulation, against BG/NBD at its edge, and with known coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gammaln

from d1lab.analyses.customers import lifetime_model as lifetime
from d1lab.analyses.customers.holdout import Models, Purchases, fit, values
from d1lab.analyses.customers.no_drop_out import fit_nbd
from d1lab.analyses.customers.spend_forecast import forecast_total


def _shop(seed: int, customers: int = 1_500) -> tuple[np.ndarray, ...]:
    """Repeat purchases of rate Gamma(0.8, 6 weeks), last purchase, time, and the next 13 weeks."""
    rng = np.random.default_rng(seed)
    observed = rng.uniform(20, 60, customers)
    rate = rng.gamma(0.8, 1 / 6, customers)
    x = rng.poisson(rate * observed).astype(float)
    last = np.where(x > 0, observed * rng.beta(np.maximum(x, 1), 1), 0.0)
    return x, last, observed, rng.poisson(rate * 13).astype(float)


def test_it_finds_the_truth_and_covers_the_next_purchases():
    """Both parameters within three errors, and most 90% intervals of the total hold."""
    held = 0
    for seed in range(6):
        x, last, observed, later = _shop(seed)
        model = fit_nbd(x, observed)
        assert model.reason is None
        errors = np.sqrt(np.diag(model.covariance))
        assert (abs(np.log([model.r, model.alpha]) - np.log([0.8, 6.0])) < 3 * errors).all()
        total = forecast_total(model, 13, x, last, observed, draws=100)
        held += total.low <= later.sum() <= total.high
        by_hand = ((model.r + x) / (model.alpha + observed) * 13).sum()
        assert total.expected == pytest.approx(by_hand)
        assert total.expected == pytest.approx(later.sum(), rel=0.1)
    assert held >= 4


def test_the_errors_are_those_of_the_likelihoods_curvature():
    """Second differences of the log-likelihood, in the logs of both parameters."""
    x, _, observed, _ = _shop(3)
    model = fit_nbd(x, observed)

    def likelihood(log_r: float, log_alpha: float) -> float:
        r, alpha = np.exp([log_r, log_alpha])
        terms = gammaln(r + x) - gammaln(r) + r * np.log(alpha / (alpha + observed))
        return float((terms - x * np.log(alpha + observed)).sum())

    at, step = np.log([model.r, model.alpha]), 1e-3 * np.eye(2)
    curvature = [
        [
            sum(a * b * likelihood(*(at + a * one + b * other)) for a in (1, -1) for b in (1, -1))
            / 4e-6
            for other in step
        ]
        for one in step
    ]
    assert model.covariance == pytest.approx(np.linalg.inv(-np.array(curvature)), rel=1e-3)


def test_it_is_bg_nbd_without_drop_out():
    """The likelihood is that of BG/NBD where drop-out goes to 0, which adds nothing to it."""
    x, last, observed, _ = _shop(9)
    edge, model = lifetime.fit_bg_nbd(x, last, observed), fit_nbd(x, observed)
    assert edge.reason == "drop_out_not_identified"
    assert model.log_likelihood == pytest.approx(edge.log_likelihood, abs=0.5)
    assert (model.r, model.alpha) == pytest.approx((edge.r, edge.alpha), rel=0.02)
    assert model.standard_errors is None


def test_the_chance_of_being_active_is_unknown():
    """Expected purchases and spend are numbers, the chance is not."""
    x, last, observed, _ = _shop(9)
    spend = np.where(x > 0, np.random.default_rng(1).gamma(4, 10, len(x)), 0.0)
    customers = Purchases(x, last * 7, observed * 7, spend)
    models: Models = fit(customers)
    assert models.purchases.a == 0
    found = values(models, customers, 91, 0.1)
    assert np.isnan(found.chance_alive).all()
    assert np.isfinite(found.expected_purchases).all()
    assert np.isfinite(found.expected_value).all()


def test_customers_of_one_pace_are_no_fit():
    """Their rates have no spread: it goes to the end of what is searched."""
    model = fit_nbd(np.full(300, 5.0), np.full(300, 30.0))
    assert (model.reason, model.customers, model.repeats) == ("no_fit", 300, 1500)
    assert (model.a, model.b) == (0.0, 1.0)
