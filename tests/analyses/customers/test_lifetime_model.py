"""BG/NBD and Gamma-Gamma: published estimates, recovery of parameters, and missing fits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from d1lab.analyses.customers import lifetime_model as lifetime
from d1lab.analyses.customers.lifetime_model import BgNbd
from d1lab.analyses.customers.spend_forecast import forecast_total

PUBLISHED = BgNbd(0.243, 4.414, 0.793, 2.426, -9582.4, 2357, 2457, None, None)


@pytest.fixture(scope="module")
def cdnow() -> pd.DataFrame:
    return pd.read_csv(Path(__file__).parents[2] / "oracles" / "cdnow.csv", comment="#")


@pytest.fixture(scope="module")
def model(cdnow: pd.DataFrame) -> BgNbd:
    return lifetime.fit_bg_nbd(cdnow["x"], cdnow["t_x"], cdnow["T"])


def _simulate(
    seed: int, customers: int, r: float, alpha: float, a: float, b: float, spans=(20, 60)
):
    """Draw customers from BG/NBD: x, t_x, T."""
    random = np.random.default_rng(seed)
    observed = random.uniform(*spans, customers)
    x, t_x = np.zeros(customers), np.zeros(customers)
    rates, leaving = random.gamma(r, 1 / alpha, customers), random.beta(a, b, customers)
    for i in range(customers):
        clock = 0.0
        while True:
            clock += random.exponential(1 / max(rates[i], 1e-12))
            if clock > observed[i]:
                break
            x[i], t_x[i] = x[i] + 1, clock
            if random.random() < leaving[i]:
                break
    return x, t_x, observed


def test_fit_bg_nbd_gives_the_published_estimates(model: BgNbd):
    """Fader, Hardie & Lee (2005) print these for CDNOW."""
    assert [round(v, 3) for v in model[:4]] == list(PUBLISHED[:4])
    assert round(model.log_likelihood, 1) == -9582.4
    assert model.standard_errors == pytest.approx(
        (0.012557, 0.378221, 0.185719, 0.705345), rel=1e-4
    )
    assert model.reason is None


def test_expected_purchases_gives_the_published_value(model: BgNbd):
    """The paper's spreadsheet: 1.226 purchases in 39 weeks for x = 2, t_x = 30.43, T = 38.86."""
    expected = lifetime.expected_purchases(model, 39, 2, 30.43, 38.86)
    assert expected.tolist() == pytest.approx([1.226], abs=1e-3)


def test_expected_purchases_new_gives_the_published_curve(model: BgNbd):
    """The paper's spreadsheet, for a new customer, after 1 day to 78 weeks."""
    curve = lifetime.expected_purchases_new(model, [1 / 7, 1, 3, 31.8571, 32, 78]).tolist()
    assert curve == pytest.approx([0.0078, 0.0532, 0.1506, 1.0405, 1.0437, 1.8576], abs=5e-4)


def test_chance_alive_agrees_with_the_oracle(model: BgNbd, oracles: dict):
    """P(alive) for four customers equals that of another implementation."""
    for case in oracles["customers"]["bgnbd_cdnow"]["p_alive"]:
        alive = lifetime.probability_alive(model, case["x"], case["t_x"], case["T"])
        assert alive.tolist() == pytest.approx([case["lifetimes"]], abs=1e-6)


def test_forecast_total_holds_the_expected_sum(model: BgNbd, cdnow: pd.DataFrame):
    """The total is the sum over customers (1,653; actual 1,882), inside its own interval."""
    forecast = forecast_total(model, 39, cdnow["x"], cdnow["t_x"], cdnow["T"])
    assert forecast.expected == pytest.approx(1653.42, abs=0.01)
    assert forecast.low < 1653 < forecast.high
    assert forecast.high - forecast.low < 600


def test_fit_gamma_gamma_gives_the_published_estimates(cdnow: pd.DataFrame):
    """Fader & Hardie print p = 6.25, q = 3.74, v = 15.44 (15.45 by other optimizers)."""
    spend = lifetime.fit_gamma_gamma(cdnow["x"], cdnow["spend"])
    assert (round(spend.p, 2), round(spend.q, 2)) == (6.25, 3.74)
    assert spend.v == pytest.approx(15.44, abs=0.01)
    assert spend.correlation == pytest.approx(0.11388391, abs=1e-8)
    assert spend.reason is None


def test_standard_errors_of_gamma_gamma_are_the_spread_over_samples():
    """Forty shops of 800 customers: the spread of the estimates equals their standard errors."""
    estimates, errors = [], []
    for seed in range(40):
        random = np.random.default_rng(seed)
        x = random.integers(1, 8, 800).astype(float)
        scale = random.gamma(4, 1 / 15, 800)
        fitted = lifetime.fit_gamma_gamma(x, random.gamma(5 * x) / scale / x)
        estimates.append(np.log(fitted[:3]))
        errors.append(np.divide(fitted.standard_errors, fitted[:3]))
    said, seen = np.median(errors, axis=0), np.std(estimates, axis=0)
    assert said == pytest.approx(seen, rel=0.4)


def test_a_fit_asks_few_times_for_the_likelihood(cdnow: pd.DataFrame, monkeypatch):
    """A fit evaluates the likelihood a few dozen times, so that it is fast on any machine."""
    looks, minimize = [], optimize.minimize

    def counted(*arguments, **options):
        found = minimize(*arguments, **options)
        looks.append(found.nfev)
        return found

    monkeypatch.setattr(optimize, "minimize", counted)
    lifetime.fit_bg_nbd(cdnow["x"], cdnow["t_x"], cdnow["T"])
    lifetime.fit_gamma_gamma(cdnow["x"], cdnow["spend"])
    assert len(looks) == 2
    assert max(looks) < 100


def test_discounted_value_agrees_with_the_oracle(model: BgNbd, cdnow: pd.DataFrame, oracles: dict):
    """Twelve months at 1% per month, with months of 30 days in weeks, as in the reference."""
    head = cdnow.head(5)
    spend = lifetime.fit_gamma_gamma(cdnow["x"], cdnow["spend"])
    value = lifetime.discounted_value(
        model, spend, head["x"], head["t_x"], head["T"], head["spend"],
        periods=12, period=4.345, rate=0.01,
    )  # fmt: skip
    expected = oracles["customers"]["gamma_gamma_cdnow"]["clv"]
    assert value.tolist() == pytest.approx(expected, rel=1e-6)


def test_fit_bg_nbd_covers_the_truth():
    """90% intervals on the log scale cover the true parameters in most of 12 shops."""
    truth, covered = np.log([0.8, 6.0, 0.9, 2.5]), 0
    for seed in range(12):
        fitted = lifetime.fit_bg_nbd(*_simulate(seed, 1500, 0.8, 6.0, 0.9, 2.5))
        assert fitted.covariance is not None
        errors = np.sqrt(np.diag(fitted.covariance))
        covered += int(np.sum(np.abs(np.log(fitted[:4]) - truth) < 1.645 * errors))
    assert covered >= 38  # of 48; 43 are expected


@pytest.mark.parametrize(
    ("customers", "drop_out", "reason"),
    [
        (0, (0.9, 2.5), "too_few_customers"),
        (60, (0.9, 2.5), "too_few_customers"),
        (2000, (0.0005, 50.0), "drop_out_not_identified"),
    ],
)
def test_fit_bg_nbd_abstains(customers: int, drop_out: tuple[float, float], reason: str):
    """Too few customers, or no sign of dropout: no individual values."""
    assert lifetime.fit_bg_nbd(*_simulate(1, customers, 0.8, 6.0, *drop_out)).reason == reason


def test_fit_bg_nbd_abstains_without_repeats():
    """Customers with one purchase each have no information on the second."""
    zeros = np.zeros(500)
    assert lifetime.fit_bg_nbd(zeros, zeros, zeros + 10).reason == "too_few_repeats"


def test_fit_gamma_gamma_abstains_when_spend_follows_frequency():
    """The model's assumption is violated if frequent customers spend more per purchase."""
    random = np.random.default_rng(4)
    x = random.integers(1, 20, 800).astype(float)
    spend = 10 * x + random.gamma(2, 5, 800)
    assert lifetime.fit_gamma_gamma(x, spend).reason == "spend_related_to_frequency"


def test_fit_gamma_gamma_abstains_without_spread():
    """Equal spend for all customers: the distribution cannot be estimated."""
    assert lifetime.fit_gamma_gamma(np.full(300, 2.0), np.full(300, 9.0)).reason == "no_spread"


@pytest.mark.parametrize(
    ("customers", "repeats", "reason"),
    [
        (199, 400, "too_few_customers"),
        (200, 199, "too_few_repeats"),
        (200, 200, None),
    ],
)
def test_fit_bg_nbd_needs_200_customers_and_200_repeats(customers, repeats, reason):
    """One less of either is too few."""
    x = np.bincount(np.arange(repeats) * 7 % customers, minlength=customers).astype(float)
    x[: customers // 2] += x[customers // 2 : 2 * (customers // 2)]  # half of them never return
    x[customers // 2 : 2 * (customers // 2)] = 0
    found = lifetime.fit_bg_nbd(x, np.where(x > 0, 20.0, 0.0), np.full(customers, 40.0))
    assert (found.customers, found.repeats) == (customers, repeats)
    too_few = ("too_few_customers", "too_few_repeats")
    assert (found.reason if found.reason in too_few else None) == reason


@pytest.mark.parametrize(("repeats", "is_enough"), [(199, False), (200, True)])
def test_fit_gamma_gamma_needs_200_repeats(repeats: int, is_enough: bool):
    """Purchases behind the means count, not customers."""
    x = np.append(np.full(repeats // 3, 3.0), repeats % 3)
    found = lifetime.fit_gamma_gamma(x, np.linspace(5, 50, len(x)))
    assert (found.reason != "too_few_repeats") == is_enough


@pytest.mark.parametrize(
    ("customers", "repeats", "drop_out", "on_edge", "known", "reason"),
    [
        (199, 199, 0.001, True, False, "too_few_customers"),
        (200, 199, 0.001, True, False, "too_few_repeats"),
        (200, 200, 0.0099, True, False, "drop_out_not_identified"),
        (200, 200, 0.01, True, True, "no_fit"),
        (200, 200, 0.01, False, False, "no_fit"),
        (200, 200, 0.01, False, True, None),
    ],
)
def test_the_first_reason_that_applies_is_given(
    customers, repeats, drop_out, on_edge, known, reason
):
    """Too little data, no sign of drop-out (1%), then a fit at its bounds or without errors."""
    covariance = np.eye(4) if known else None
    given = (customers, repeats, drop_out, on_edge, covariance)
    assert lifetime._bg_nbd_reason(*given) == reason


def test_errors_are_those_of_the_curvature_or_none():
    """The inverse of the second derivatives; none if they are singular, or no minimum."""
    curve = np.array([[2.0, 1.0], [1.0, 3.0]])
    found = lifetime._covariance(lambda at: curve @ at, np.array([0.3, -0.2]))
    assert found == pytest.approx(np.linalg.inv(curve))
    assert lifetime._covariance(lambda at: np.zeros(2), np.zeros(2)) is None
    assert lifetime._covariance(lambda at: at * [1, -1], np.zeros(2)) is None
    model = BgNbd(2.0, 3.0, 4.0, 5.0, 0.0, 1, 1, np.diag([0.01, 0.04, 0.09, 0.16]), None)
    assert model.standard_errors == pytest.approx((0.2, 0.6, 1.2, 2.0))
    assert model._replace(covariance=None).standard_errors is None
    assert model._replace(a=0.0).standard_errors is None
    money = lifetime.GammaGamma(2.0, 3.0, 4.0, 0.0, 1, 0.0, np.diag([0.01, 0.04, 0.09]), None)
    assert money.standard_errors == pytest.approx((0.2, 0.6, 1.2))
    assert money._replace(covariance=None).standard_errors is None


def test_customers_without_a_repeat_are_alive():
    """Others by the odds of having left after the last purchase."""
    model = BgNbd(0.5, 4.0, 0.8, 2.5, 0.0, 1, 1, None, None)
    alive = lifetime.probability_alive(model, [0, 1, 3], [0, 10, 10], [30, 30, 30])
    odds = [0.8 / (2.5 + x - 1) * (34 / 14) ** (0.5 + x) for x in (1, 3)]
    assert alive.tolist() == pytest.approx([1, 1 / (1 + odds[0]), 1 / (1 + odds[1])])


def test_expected_purchases_are_continuous_where_a_formula_divides_by_0():
    """Beta(1, b): between those of a little less and a little more."""
    models = [BgNbd(0.5, 4.0, a, 2.5, 0.0, 1, 1, None, None) for a in (0.999, 1.0, 1.001)]
    for expected in (
        [lifetime.expected_purchases(model, 20, 3, 10, 30)[0] for model in models],
        [lifetime.expected_purchases_new(model, 20)[0] for model in models],
    ):
        assert expected[0] > expected[1] > expected[2]
        assert expected[1] == pytest.approx((expected[0] + expected[2]) / 2, rel=1e-5)


def test_equal_customers_are_computed_once_and_told_apart():
    """Of customers in any order, each has the purchases of its own numbers."""
    model = BgNbd(0.5, 4.0, 0.8, 2.5, 0.0, 1, 1, None, None)
    columns = np.array([[2, 0, 2, 5, 2], [9, 0, 8, 20, 9], [30, 30, 30, 25, 40]])
    together = lifetime.expected_purchases(model, 13, *columns)
    alone = [lifetime.expected_purchases(model, 13, *column)[0] for column in columns.T]
    assert together.tolist() == pytest.approx(alone)


def test_spend_per_purchase_is_drawn_toward_the_shops():
    """p (v + x mean) / (p x + q - 1); without a purchase, the shop's mean."""
    money = lifetime.GammaGamma(2.0, 3.0, 40.0, 0.0, 1, 0.0, None, None)
    found = lifetime.expected_spend(money, [0, 4], [0, 10])
    assert found.tolist() == pytest.approx([2 * 40 / 2, 2 * (40 + 40) / (8 + 2)])


@pytest.mark.parametrize(("slope", "reason"), [(-60.0, "spend_related_to_frequency"), (-0.2, None)])
def test_spend_may_depend_on_frequency_a_little(slope, reason):
    """Also if frequent customers spend less; customers without a purchase or spend do not count."""
    random = np.random.default_rng(4)
    x = random.integers(1, 10, 900).astype(float)
    scale = random.gamma(4, 1 / 150, 900)
    spend = random.gamma(5 * x) / scale / x + slope * (x - 10)
    x[:50], spend[50:99] = 0, 0.0
    found = lifetime.fit_gamma_gamma(x, spend)
    assert (found.reason, found.customers) == (reason, 801)
    assert found.correlation == pytest.approx(np.corrcoef(x[99:], spend[99:])[0, 1])


def test_spend_of_one_purchase_each_has_no_correlation():
    spend = np.random.default_rng(5).gamma(3, 10, 400)
    assert lifetime.fit_gamma_gamma(np.ones(400), spend).correlation == 0


def test_spend_without_a_mean_is_no_fit():
    """A heavy tail: the mean of spend is infinite."""
    random = np.random.default_rng(6)
    x = random.integers(1, 4, 500).astype(float)
    scale = random.gamma(0.7, 1 / 15, 500)
    assert lifetime.fit_gamma_gamma(x, random.gamma(5 * x) / scale / x).reason == "no_fit"


def test_customers_who_do_not_differ_are_no_fit():
    """All at one pace: the spread of rates, or of spend, goes to 0, the end of the search."""
    random = np.random.default_rng(0)
    bought = np.minimum(random.geometric(0.3, 400), 7.0)
    found = lifetime.fit_bg_nbd(bought, 5 * bought, np.full(400, 40.0))
    assert found.reason == "no_fit"
    x = random.integers(1, 5, 400).astype(float)
    assert lifetime.fit_gamma_gamma(x, 10 + 0.001 * random.random(400)).reason == "no_fit"
