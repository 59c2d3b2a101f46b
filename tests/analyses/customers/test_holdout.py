"""Lifetime values of simulated shops: coverage of intervals, and shops without a forecast."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from d1lab.analyses.customers import holdout
from d1lab.analyses.customers import lifetime_model as lifetime
from d1lab.analyses.customers.holdout import (
    ForecastScore,
    Models,
    PeriodPurchases,
    Purchases,
    hold_out,
    score_of,
    verdict,
)
from d1lab.analyses.customers.spend_forecast import (
    SpendForecast,
    forecast_spend,
    forecast_total,
)
from tests.support.simulate_customers import simulate

TRUTH = {"r": 0.8, "alpha": 6.0, "a": 0.9, "b": 2.5}
SPEND = {"p": 5.0, "q": 4.0, "v": 15.0}


class Drawn(NamedTuple):
    """Customers drawn from the models, with their purchases in the next year."""

    x: np.ndarray
    t_x: np.ndarray
    T: np.ndarray
    mean_spend: np.ndarray
    purchases: float
    spend: float


def _draw(seed: int, customers: int, drop_out: tuple[float, float] = (0.9, 2.5)) -> Drawn:
    """Draw purchases from a Poisson process until the customer leaves after one of them."""
    random = np.random.default_rng(seed)
    observed = random.uniform(20, 100, customers)
    rates = random.gamma(TRUTH["r"], 1 / TRUTH["alpha"], customers)
    leaves_after = random.geometric(np.maximum(random.beta(*drop_out, customers), 1e-9))
    wanted = random.poisson(rates * observed)
    x = np.minimum(wanted, leaves_after)
    t_x = np.where(x > 0, observed * random.beta(np.maximum(x, 1), wanted - x + 1), 0.0)
    scale = random.gamma(SPEND["q"], 1 / SPEND["v"], customers)
    mean = np.where(
        x > 0, random.gamma(SPEND["p"] * np.maximum(x, 1)) / scale / np.maximum(x, 1), 0
    )
    next_year = np.minimum(random.poisson(rates * 52), leaves_after - x)
    some = next_year > 0
    spent = random.gamma(SPEND["p"] * next_year[some]) / scale[some]
    return Drawn(x, t_x, observed, mean, float(next_year.sum()), float(spent.sum()))


@pytest.mark.parametrize(
    "customers", [500, *(pytest.param(n, marks=pytest.mark.long) for n in (1500, 5000))]
)
def test_intervals_hold_the_truth_at_their_rate(customers: int):
    """90% intervals of the parameters and of the next year's totals, over 8 shops."""
    truth = np.log(list(TRUTH.values()))
    parameters, purchases, spend = 0, 0, 0
    for seed in range(8):
        shop = _draw(seed, customers)
        fitted = lifetime.fit_bg_nbd(shop.x, shop.t_x, shop.T)
        money = lifetime.fit_gamma_gamma(shop.x, shop.mean_spend)
        assert (fitted.reason, money.reason) == (None, None)
        errors = np.sqrt(np.diag(fitted.covariance))
        parameters += int(np.sum(np.abs(np.log(fitted[:4]) - truth) < 1.645 * errors))
        columns = (52, shop.x, shop.t_x, shop.T)
        total = forecast_total(fitted, *columns, draws=80)
        purchases += total.low <= shop.purchases <= total.high
        value = forecast_spend(fitted, money, *columns, shop.mean_spend, draws=80)
        spend += value.low <= shop.spend <= value.high
    assert 25 <= parameters <= 32  # of 32; 28.8 are expected
    assert purchases >= 5  # of 8; 7.2 are expected, fewer than 5 is one in two hundred
    assert spend >= 5  # the same


@pytest.mark.parametrize(
    ("customers", "drop_out", "reason"),
    [
        (30, (0.9, 2.5), "too_few_customers"),
        (199, (0.9, 2.5), "too_few_customers"),
        (200, (0.9, 2.5), None),
        (600, (0.0005, 50.0), "drop_out_not_identified"),
        (5000, (0.0005, 50.0), "drop_out_not_identified"),
        (5000, (0.9, 2.5), None),
    ],
)
def test_models_are_silent_where_the_rules_say_so(customers, drop_out, reason):
    """Fewer than 200 customers, or no sign of dropout, in three shops each."""
    for seed in range(3):
        shop = _draw(seed + 40, customers, drop_out)
        assert lifetime.fit_bg_nbd(shop.x, shop.t_x, shop.T).reason == reason


def test_models_are_silent_below_200_repeat_purchases():
    """With few repeat purchases, there is too little data on the second purchase."""
    x = np.zeros(900)
    x[:150] = 1
    fitted = lifetime.fit_bg_nbd(x, x * 5, np.full(900, 30.0))
    assert fitted.reason == "too_few_repeats"


def _score(name: str, error: float, off: float | None) -> ForecastScore:
    return ForecastScore(name, 0.0, 0.0, off, error)


@pytest.mark.parametrize(
    ("model", "rivals", "reason"),
    [
        ((9.0, 0.1), [(10.0, 0.3), (12.0, -0.2)], None),
        ((9.0, 0.15), [(10.0, 0.01), (12.0, -0.2)], None),  # close enough on the total
        ((11.0, 0.0), [(10.0, 0.3), (12.0, -0.2)], "naive_wins"),
        ((9.0, -0.25), [(10.0, 0.3), (12.0, -0.24)], "total_off"),
        ((9.0, -0.25), [(10.0, 0.3), (12.0, -0.26)], None),
        ((9.0, None), [(10.0, None), (12.0, None)], "total_off"),
        ((9.0, 0.2), [(10.0, None), (12.0, 0.5)], None),
        ((9.0, -0.21), [(10.0, None), (12.0, 0.5)], "total_off"),
        ((9.0, 0.3), [(9.0, 0.4), (12.0, 0.3)], None),  # no worse than a baseline
        ((9.0, 0.4), [(12.0, 0.5), (9.5, 0.3)], "total_off"),
    ],
)
def test_verdict_asks_for_each_customer_and_for_the_sum(model, rivals, reason):
    """Lowest error per customer, and a total within 20 points of the better baseline."""
    scores = (_score("model", *model), *(_score("rival", *rival) for rival in rivals))
    assert verdict(scores) == reason


def test_a_few_wholesalers_do_not_decide_for_everybody():
    """Of 1,000 customers, one forecast is right about five wholesalers only: it loses."""
    rng = np.random.default_rng(4)
    spend = rng.gamma(1, 50, 1_000)
    spend[:5] = 50_000.0
    none = np.zeros(1_000)
    actual = PeriodPurchases(none, spend)
    good = PeriodPurchases(none, spend + rng.normal(0, 5, 1_000))
    good.spend[:5] = 20_000.0
    poor = PeriodPurchases(none, np.where(spend > 1_000, spend, 0.0))
    errors = [
        score_of(name, one, actual).error_per_customer
        for name, one in (("good", good), ("poor", poor))
    ]
    limit = np.quantile(spend, 0.99)
    by_hand = [
        np.sqrt(((np.minimum(one.spend, limit) - np.minimum(spend, limit)) ** 2).mean())
        for one in (good, poor)
    ]
    assert errors == pytest.approx(by_hand)
    assert errors[0] < errors[1]
    assert np.mean((good.spend - spend) ** 2) > np.mean((poor.spend - spend) ** 2)
    nothing = PeriodPurchases(none, none)  # spend of nobody: no limit of 0
    assert score_of("good", good, nothing).error_per_customer > 1_000


def _purchases(shop: Drawn) -> Purchases:
    return Purchases(shop.x, shop.t_x * 7, shop.T * 7, shop.mean_spend)


def test_hold_out_lets_a_rate_win_where_customers_just_go_on():
    """Perfectly regular customers: a baseline forecasts them exactly, so no model is shown."""
    count = 400
    gaps = np.random.default_rng(3).integers(5, 60, count)
    repeats = 360 // gaps
    past = Purchases(repeats, repeats * gaps, repeats * gaps, np.full(count, 20.0) + gaps % 7)
    later = repeats * 90 / past.observed_days
    actual = PeriodPurchases(later, later * past.mean_spend)
    found = hold_out(past, actual, actual, 90)
    assert found.reason is not None
    by_name = {score.forecast: score for score in found.scores}
    assert by_name["past_rate"].error_per_customer == pytest.approx(0, abs=1e-9)
    assert by_name["past_rate"].spend_error == pytest.approx(0)


def test_hold_out_needs_twice_its_length():
    """Half a year of history is too short for a holdout of 90 days."""
    past = Purchases(*map(np.array, ([1.0], [20.0], [179.0], [5.0])))
    nothing = PeriodPurchases(np.zeros(1), np.zeros(1))
    found = hold_out(past, nothing, nothing, 90)
    assert (found.reason, found.scores) == ("no_past", ())
    empty = Purchases(*(np.array([]) for _ in range(4)))
    assert hold_out(
        empty, nothing._replace(purchases=[], spend=[]), PeriodPurchases([], []), 90
    ).reason


def test_a_history_of_twice_the_holdout_is_enough(monkeypatch):
    """Scores of both baselines by hand; a customer of today has a rate of one day."""
    past = Purchases(*map(np.array, ([2.0, 0, 1], [20.0, 0, 9], [180.0, 60, 0], [5.0, 99, 7])))
    recent = PeriodPurchases([1, 0, 0], [4.0, 0, 0])
    later = PeriodPurchases([2, 1, 0], [10.0, 6.0, 0])
    found = hold_out(past, recent, later, 90)
    assert (found.days, found.customers) == (90, 3)
    assert (found.actual_purchases, found.actual_spend) == (3, 16)
    rate, before = found.scores
    assert (rate.forecast, before.forecast) == ("past_rate", "as_before")
    assert rate.purchases == pytest.approx(1 + 0 + 90)
    assert (rate.spend, rate.spend_error) == pytest.approx((5 + 0 + 630, 635 / 16 - 1))
    assert (before.purchases, before.spend, before.spend_error) == (1, 4, -0.75)
    assert (found.reason, found.interval, found.missed) == ("too_few_customers", None, False)
    nothing = hold_out(past, recent, PeriodPurchases(np.zeros(3), np.zeros(3)), 90)
    assert [score.spend_error for score in nothing.scores] == [None, None]


@pytest.mark.parametrize(
    ("spend", "missed"), [(9.99, True), (10.0, False), (20.0, False), (20.01, True)]
)
def test_a_backtest_missed_outside_its_interval(spend, missed):
    held = SpendForecast(15.0, 10.0, 20.0)
    assert holdout.Holdout(90, 1, 1.0, spend, (), held, None).missed == missed


def test_of_more_customers_a_sample_is_fitted_and_drawn(monkeypatch):
    """Up to 50,000 for the fit, 20,000 for the draws; the same ones each time."""
    fitted, drawn = [], []
    model = lifetime.BgNbd(1.0, 2.0, 0.0, 1.0, 0.0, 1, 1, None, None)
    money = lifetime.GammaGamma(1.0, 2.0, 3.0, 0.0, 1, 0.0, None, None)
    monkeypatch.setattr(lifetime, "fit_bg_nbd", lambda *c: fitted.append(c) or model)
    monkeypatch.setattr(lifetime, "fit_gamma_gamma", lambda *c: fitted.append(c) or money)
    monkeypatch.setattr(
        holdout, "forecast_spend", lambda *c: drawn.append(c) or SpendForecast(4.0, 2.0, 6.0)
    )
    for count, most in ((50_000, 50_000), (50_001, 50_000)):
        numbers = np.arange(float(count))
        models = holdout.fit(Purchases(numbers, numbers, numbers, numbers))
        assert [len(c[0]) for c in fitted[-2:]] == [most] * 2
        assert (fitted[-2][1] == fitted[-2][0] / 7).all()
        assert (fitted[-1][1] == fitted[-1][0]).all()
    few = Purchases(*(np.arange(20_000.0) % 3 for _ in range(4)))
    assert holdout.total_spend(models, few, 91) == (4, 2, 6)
    assert (drawn[-1][2], len(drawn[-1][3])) == (13, 20_000)
    many = Purchases(*(np.arange(20_001.0) % 3 for _ in range(4)))
    total = holdout.expected_spend(models, many, 91).spend.sum()
    assert holdout.total_spend(models, many, 91) == pytest.approx((total, total / 2, total * 1.5))
    assert len(drawn[-1][3]) == 20_000
    again = many.sample(5)
    assert (again.repeats == many.sample(5).repeats).all()
    assert len(set(Purchases(*(np.arange(9.0),) * 4).sample(5).repeats)) == 5


@pytest.mark.parametrize(
    ("days", "months"), [(365, 12), (30, 1), (10, 1), (45, 1), (46, 2), (730, 24)]
)
def test_values_are_discounted_by_whole_months(days, months, monkeypatch):
    seen = {}
    monkeypatch.setattr(lifetime, "discounted_value", lambda *_, **given: seen.update(given) or 0)
    model = lifetime.BgNbd(1.0, 2.0, 0.5, 1.0, 0.0, 1, 1, None, None)
    money = lifetime.GammaGamma(1.0, 2.0, 3.0, 0.0, 1, 0.0, None, None)
    one = Purchases(*(np.array([3.0]) for _ in range(4)))
    found = holdout.values(Models(model, money), one, days, 0.1)
    assert seen["periods"] == months
    assert seen["period"] * months == pytest.approx(days / 7)
    assert seen["rate"] == pytest.approx(1.1 ** (1 / 12) - 1)
    assert np.isfinite(found.chance_alive).all()
    expected = lifetime.expected_purchases(model, days / 7, *one.weeks)
    assert found.expected_purchases == pytest.approx(expected)


def test_values_discount_month_by_month():
    """A year at 10%: between the undiscounted value and that discounted by a full year."""
    shop = _draw(5, 800)
    models = holdout.fit(_purchases(shop))
    assert models.reason is None
    plain = holdout.expected_spend(models, _purchases(shop), 365).spend.sum()
    found = holdout.values(models, _purchases(shop), 365, 0.1)
    assert plain / 1.1 < np.sum(found.expected_value) < plain
    assert np.sum(holdout.values(models, _purchases(shop), 365, 0.0).expected_value) == (
        pytest.approx(plain)
    )
    assert ((found.chance_alive >= 0) & (found.chance_alive <= 1)).all()


def test_large_shops_are_fitted_and_drawn_on_a_sample(monkeypatch):
    """The sum covers all customers; the interval is not narrower than that of the whole shop."""
    shop = _purchases(_draw(5, 4000))
    models = holdout.fit(shop)
    whole = holdout.total_spend(models, shop, 365)
    monkeypatch.setattr(holdout, "MAX_DRAWN", 1000)
    monkeypatch.setattr(holdout, "MAX_FITTED", 1000)
    assert holdout.fit(shop).purchases.customers == 1000
    sampled = holdout.total_spend(models, shop, 365)
    assert sampled.expected == pytest.approx(whole.expected)
    assert sampled.high - sampled.low > 0.9 * (whole.high - whole.low)
    assert sampled.low < whole.expected < sampled.high


def test_single_customers_stay_within_their_intervals():
    """At least 90% of the customers spend within their own 90% interval."""
    past = simulate(7, 2000).summary(90)
    customers = Purchases.of(past)
    models = holdout.fit(customers)
    low, high = holdout.value_intervals(models, customers, 90)
    came = past["later_spend"].to_numpy()
    assert 0.88 < np.mean((came >= low) & (came <= high)) < 0.99
    buyers = came > 0
    assert 0.7 < np.mean(came[buyers] <= high[buyers]) < 1  # no interval holds everything


def test_models_name_the_first_reason():
    """The reason of the purchase model takes precedence over that of the spend model."""
    shop = _draw(5, 100)
    models: Models = holdout.fit(_purchases(shop))
    assert models.reason == "too_few_customers"
    assert set(holdout.REASONS) >= {models.reason, "naive_wins", "total_off", "no_past"}
