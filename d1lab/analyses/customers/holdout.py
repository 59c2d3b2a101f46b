"""Backtest of the lifetime value model on a holdout period.

The models of `lifetime_model` are fitted on the data before the holdout period. Their forecast for
that period is compared with actual spend and with two baseline forecasts:

    past_rate  each customer continues at the average rate to date (repeat purchases per day)
    as_before  each customer buys the same as in the previous period of the same length

Forecasts are scored per customer by the root mean square error (which an expected value
minimizes), and in total by the error of their sum. For the former, spend counts up to its 99th
percentile: without that limit, a few wholesalers decide for everybody.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from d1lab.analyses.customers import lifetime_model
from d1lab.analyses.customers.lifetime_model import BgNbd, GammaGamma
from d1lab.analyses.customers.no_drop_out import fit_nbd
from d1lab.analyses.customers.spend_forecast import SpendForecast, forecast_spend, spend_intervals

Floats = NDArray[np.float64]

WEEK = 7.0
MAX_TOTAL_ERROR = 0.2
"""Maximum excess of the model's total error over the better baseline's, to show its forecast."""

MOST_SHARE = 0.99
"""Percentile of the customers' spend from which a higher spend counts no more in the score."""

MAX_FITTED = 50_000
"""Sample size for larger shops; more customers do not improve the fit."""

MAX_DRAWN = 20_000
"""Maximum number of customers simulated; beyond it the interval is slightly too wide."""

REASONS = {
    "too_few_customers": f"fewer than {lifetime_model.MIN_CUSTOMERS} customers",
    "too_few_repeats": f"fewer than {lifetime_model.MIN_REPEATS} repeat purchases",
    "drop_out_not_identified": (
        "no sign of customers leaving for good, so activity cannot be estimated"
    ),
    "spend_related_to_frequency": (
        "spend per purchase depends on purchase frequency, which the model does not allow"
    ),
    "no_spread": "all customers spend the same amount",
    "no_fit": "the model did not converge on these customers",
    "no_past": "not enough history for a backtest",
    "naive_wins": "a baseline predicted individual customers better in the backtest",
    "total_off": "the model's total was further off than a baseline's in the backtest",
}
"""Reasons why the model's forecast is not available, in words."""


class Purchases(NamedTuple):
    """Inputs of the models; arrays of equal length, with one item per customer who bought."""

    repeats: Any  # purchases after the first
    last_days: Any  # days from the first purchase to the last
    observed_days: Any  # days from the first purchase to the end
    mean_spend: Any  # per repeat purchase; ignored without one

    @classmethod
    def of(cls, columns: Any) -> Purchases:
        """Build from the columns of the same names in a frame, such as the metric's."""
        return cls(*(np.asarray(columns[name], dtype=float) for name in cls._fields))

    def sample(self, most: int) -> Purchases:
        """Return all customers, or a reproducible random sample of `most`."""
        count = len(self.repeats)
        if count <= most:
            return self
        chosen = np.random.default_rng(0).choice(count, most, replace=False)
        return Purchases(*(column[chosen] for column in self))

    @property
    def weeks(self) -> tuple[Floats, Floats, Floats]:
        """Return x, t_x, and T of the models, in weeks."""
        return self.repeats, self.last_days / WEEK, self.observed_days / WEEK


class Models(NamedTuple):
    """Both models of one shop; `reason` is one of `REASONS`, or None if they can be used."""

    purchases: BgNbd
    spend: GammaGamma

    @property
    def reason(self) -> str | None:
        """Reason why the models cannot be used together, or None."""
        return self.purchases.reason or self.spend.reason


class PeriodPurchases(NamedTuple):
    """Purchases and spend of each customer in a period; arrays in the order of the customers."""

    purchases: Any
    spend: Any


class ForecastScore(NamedTuple):
    """Backtest result of one forecast."""

    forecast: str  # 'model', 'past_rate' or 'as_before'
    purchases: float  # in total
    spend: float
    spend_error: float | None  # forecast / actual spend - 1; None if actual spend is 0
    error_per_customer: float  # root mean square error of spend, up to `MOST_SHARE` of customers


class Holdout(NamedTuple):
    """Backtest over one holdout period, with the scores of the model (if any) first."""

    days: int
    customers: int
    actual_purchases: float
    actual_spend: float
    scores: tuple[ForecastScore, ...]  # only of the baselines if the model could not be fitted
    interval: SpendForecast | None  # of the model's total spend, 90%
    reason: str | None  # reason why the forecast is not shown; None if it is

    @property
    def missed(self) -> bool:
        """Whether actual spend lies outside the model's interval."""
        held = self.interval
        return held is not None and not held.low <= self.actual_spend <= held.high


def fit(customers: Purchases) -> Models:
    """Fit both models to customers who bought; that of purchases without drop-out if need be."""
    some = customers.sample(MAX_FITTED)
    purchases = lifetime_model.fit_bg_nbd(*some.weeks)
    if purchases.reason == "drop_out_not_identified":
        purchases = fit_nbd(some.weeks[0], some.weeks[2])
    return Models(
        purchases,
        lifetime_model.fit_gamma_gamma(some.repeats, some.mean_spend),
    )


def expected_spend(models: Models, customers: Purchases, days: float) -> PeriodPurchases:
    """Compute the expected purchases and spend of each customer in the next `days`."""
    purchases = lifetime_model.expected_purchases(models.purchases, days / WEEK, *customers.weeks)
    each = lifetime_model.expected_spend(models.spend, customers.repeats, customers.mean_spend)
    return PeriodPurchases(purchases, purchases * each)


def total_spend(models: Models, customers: Purchases, days: float) -> SpendForecast:
    """Forecast the total spend of all customers in the next `days`, with a 90% interval."""
    some = customers.sample(MAX_DRAWN)
    drawn = forecast_spend(*models, days / WEEK, *some.weeks, some.mean_spend)
    if len(some.repeats) == len(customers.repeats):
        return drawn
    expected = float(np.sum(expected_spend(models, customers, days).spend))
    scale = expected / drawn.expected
    return SpendForecast(expected, drawn.low * scale, drawn.high * scale)


def hold_out(
    past: Purchases, recent: PeriodPurchases, later: PeriodPurchases, days: int
) -> Holdout:
    """Fit the models on the past and score their forecast for the `days` after it.

    Args:
        past: Customers as known at the start of the holdout period.
        recent: Purchases of each customer in the `days` before the start.
        later: Purchases of each customer in the `days` after the start.
        days: Length of the holdout period, > 0.
    """
    actual = PeriodPurchases(*(np.asarray(column, dtype=float) for column in later))
    facts = days, len(actual.spend), float(actual.purchases.sum()), float(actual.spend.sum())
    if not len(actual.spend) or past.observed_days.max() < 2 * days:
        return Holdout(*facts, (), None, "no_past")
    rivals = {
        "past_rate": past_rate(past, days),
        "as_before": PeriodPurchases(*(np.asarray(column, dtype=float) for column in recent)),
    }
    scores = tuple(score_of(name, one, actual) for name, one in rivals.items())
    models = fit(past)
    if models.reason:
        return Holdout(*facts, scores, None, models.reason)
    scores = (score_of("model", expected_spend(models, past, days), actual), *scores)
    return Holdout(*facts, scores, total_spend(models, past, days), verdict(scores))


def past_rate(past: Purchases, days: float) -> PeriodPurchases:
    """Forecast each customer at the customer's average rate to date."""
    observed = np.maximum(past.observed_days, 1)
    purchases = past.repeats / observed * days
    return PeriodPurchases(purchases, purchases * np.where(past.repeats > 0, past.mean_spend, 0.0))


def score_of(name: str, forecast: PeriodPurchases, actual: PeriodPurchases) -> ForecastScore:
    """Score a forecast of each customer's purchases and spend."""
    total, came = float(forecast.spend.sum()), float(actual.spend.sum())
    squares: Floats = np.subtract(*_limited(forecast.spend, actual.spend)) ** 2
    error = float(np.sqrt(squares.mean()))
    off = total / came - 1 if came > 0 else None
    return ForecastScore(name, float(forecast.purchases.sum()), total, off, error)


def _limited(forecast: Floats, actual: Floats) -> tuple[Floats, Floats]:
    """Return both up to the percentile of actual spend; as they are if that is 0."""
    limit = float(np.quantile(actual, MOST_SHARE)) or np.inf
    return np.minimum(forecast, limit), np.minimum(actual, limit)


def verdict(scores: tuple[ForecastScore, ...]) -> str | None:
    """Return the reason why the model, first of the scores, is not shown; None if it is."""
    model, *rivals = scores
    if model.error_per_customer > min(rival.error_per_customer for rival in rivals):
        return "naive_wins"
    if model.spend_error is None:
        return "total_off"
    allowed = max(MAX_TOTAL_ERROR, min(abs(rival.spend_error or 0.0) for rival in rivals))
    return "total_off" if abs(model.spend_error) > allowed else None


class CustomerValues(NamedTuple):
    """Model output for each customer; arrays in the order of the customers."""

    chance_alive: ArrayLike  # probability that the customer is still active; NaN if unknown
    expected_purchases: ArrayLike  # within the horizon
    expected_spend: ArrayLike  # within the horizon
    expected_value: ArrayLike  # the same, discounted


def values(models: Models, customers: Purchases, days: int, annual_rate: float) -> CustomerValues:
    """Compute the expected spend of each customer within a horizon, discounted monthly.

    Args:
        models: Models fitted to these customers, with `reason` None.
        customers: All customers who bought.
        days: Horizon, rounded to whole months of 365 / 12 days, at least one.
        annual_rate: Discount rate per year, such as 0.1; > -1.
    """
    months = max(round(days / (365 / 12)), 1)
    value = lifetime_model.discounted_value(
        *models, *customers.weeks, customers.mean_spend,
        periods=months, period=days / months / WEEK, rate=(1 + annual_rate) ** (1 / 12) - 1,
    )  # fmt: skip
    alive = lifetime_model.probability_alive(models.purchases, *customers.weeks)
    if not models.purchases.a:
        alive = np.full(len(alive), np.nan)
    return CustomerValues(alive, *expected_spend(models, customers, days), value)


def value_intervals(models: Models, customers: Purchases, days: int) -> tuple[Floats, Floats]:
    """Return low and high of the 90% interval of each customer's spend, undiscounted."""
    return spend_intervals(*models, days / WEEK, *customers.weeks, customers.mean_spend)
