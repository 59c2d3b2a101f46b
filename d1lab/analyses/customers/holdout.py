"""Holdout test of the lifetime value model.

The models of `stats.lifetime` are fitted on what was known some time ago, and their forecast for
the time since is compared with actual spend, beside two baselines without a model:

    past_rate  each customer goes on at the own rate so far: repeat purchases per day observed
    as_before  each customer buys what he or she bought in a period of the same length before

Individual values are judged customer by customer, by the root mean square error (the score that
an expected value minimises), and together, by the error of their sum.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from d1lab.analyses.customers import lifetime_model
from d1lab.analyses.customers.lifetime_model import BgNbd, GammaGamma
from d1lab.analyses.customers.spend_forecast import SpendForecast, forecast_spend, spend_intervals

Floats = NDArray[np.float64]

WEEK = 7.0
MAX_TOTAL_ERROR = 0.2
"""A larger error of the total, beyond the better baseline's, hides the model's forecast."""

MAX_FITTED = 50_000
"""Sample size for larger shops: more customers do not improve the fit."""

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
"""Why the model's forecast is not shown, in words."""


class Purchases(NamedTuple):
    """What the models know of customers; arrays of one length, each a customer who bought."""

    repeats: Any  # purchases after the first
    last_days: Any  # from the first purchase to the last
    observed_days: Any  # from the first purchase to the end
    mean_spend: Any  # per repeat purchase; anything where there is none

    @classmethod
    def of(cls, columns: Any) -> Purchases:
        """The customers in a frame's columns of the same names, such as the metric's."""
        return cls(*(np.asarray(columns[name], dtype=float) for name in cls._fields))

    def sample(self, most: int) -> Purchases:
        """All customers, or a random `most` of them, the same each time."""
        count = len(self.repeats)
        if count <= most:
            return self
        chosen = np.random.default_rng(0).choice(count, most, replace=False)
        return Purchases(*(column[chosen] for column in self))

    @property
    def weeks(self) -> tuple[Floats, Floats, Floats]:
        """x, t_x and T of the models, in weeks."""
        return self.repeats, self.last_days / WEEK, self.observed_days / WEEK


class Models(NamedTuple):
    """Both models of one shop; `reason` is one of `REASONS`, or None where they may be used."""

    purchases: BgNbd
    spend: GammaGamma

    @property
    def reason(self) -> str | None:
        """Why the two may not be used together, or None."""
        return self.purchases.reason or self.spend.reason


class PeriodPurchases(NamedTuple):
    """What customers bought in a period, each; arrays in their order."""

    purchases: Any
    spend: Any


class ForecastScore(NamedTuple):
    """How one forecast did."""

    forecast: str  # 'model', 'past_rate' or 'as_before'
    purchases: float  # in total
    spend: float
    spend_error: float | None  # spend / what was spent - 1; None where nothing was
    error_per_customer: float  # root mean square error of spend


class Holdout(NamedTuple):
    """The contest over one held-out period; the model's score, if it has one, comes first."""

    days: int
    customers: int
    actual_purchases: float
    actual_spend: float
    scores: tuple[
        ForecastScore, ...
    ]  # only the baselines' where the model could not be fitted on the past
    interval: SpendForecast | None  # of the model's spend, 90 %
    reason: str | None  # why the forecast is not shown; None where it is

    @property
    def missed(self) -> bool:
        """Whether what was spent lies outside the model's interval for it."""
        held = self.interval
        return held is not None and not held.low <= self.actual_spend <= held.high


def fit(customers: Purchases) -> Models:
    """Both models, fitted on customers who bought."""
    some = customers.sample(MAX_FITTED)
    return Models(
        lifetime_model.fit_bg_nbd(*some.weeks),
        lifetime_model.fit_gamma_gamma(some.repeats, some.mean_spend),
    )


def expected_spend(models: Models, customers: Purchases, days: float) -> PeriodPurchases:
    """Purchases and spend to expect of each customer in the next `days`."""
    purchases = lifetime_model.expected_purchases(models.purchases, days / WEEK, *customers.weeks)
    each = lifetime_model.expected_spend(models.spend, customers.repeats, customers.mean_spend)
    return PeriodPurchases(purchases, purchases * each)


def total_spend(models: Models, customers: Purchases, days: float) -> SpendForecast:
    """Spend to expect of all customers together in the next `days`, with its 90 % interval."""
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
    """Fit on the past, and score the forecast of the `days` after it.

    Args:
        past: The customers as known at the period's start.
        recent: What each bought in the `days` before the start.
        later: What each bought in the `days` after it.
        days: The period's length, > 0.
    """
    actual = PeriodPurchases(*(np.asarray(column, dtype=float) for column in later))
    facts = days, len(actual.spend), float(actual.purchases.sum()), float(actual.spend.sum())
    if not len(actual.spend) or past.observed_days.max() < 2 * days:
        return Holdout(*facts, (), None, "no_past")
    rivals = {
        "past_rate": past_rate(past, days),
        "as_before": PeriodPurchases(*(np.asarray(column, dtype=float) for column in recent)),
    }
    scores = tuple(_score(name, one, actual) for name, one in rivals.items())
    models = fit(past)
    if models.reason:
        return Holdout(*facts, scores, None, models.reason)
    scores = (_score("model", expected_spend(models, past, days), actual), *scores)
    return Holdout(*facts, scores, total_spend(models, past, days), verdict(scores))


def past_rate(past: Purchases, days: float) -> PeriodPurchases:
    """What each customer buys who goes on at the own rate so far."""
    observed = np.maximum(past.observed_days, 1)
    purchases = past.repeats / observed * days
    return PeriodPurchases(purchases, purchases * np.where(past.repeats > 0, past.mean_spend, 0.0))


def _score(name: str, forecast: PeriodPurchases, actual: PeriodPurchases) -> ForecastScore:
    total, came = float(forecast.spend.sum()), float(actual.spend.sum())
    error = float(np.sqrt(np.mean((forecast.spend - actual.spend) ** 2)))
    off = total / came - 1 if came > 0 else None
    return ForecastScore(name, float(forecast.purchases.sum()), total, off, error)


def verdict(scores: tuple[ForecastScore, ...]) -> str | None:
    """Why the forecast of the model, the first of the scores, is not shown; None where it is."""
    model, *rivals = scores
    if model.error_per_customer > min(rival.error_per_customer for rival in rivals):
        return "naive_wins"
    if model.spend_error is None:
        return "total_off"
    allowed = max(MAX_TOTAL_ERROR, min(abs(rival.spend_error or 0.0) for rival in rivals))
    return "total_off" if abs(model.spend_error) > allowed else None


class CustomerValues(NamedTuple):
    """What the model says of each customer; arrays in their order."""

    chance_alive: ArrayLike  # that the customer has not left for good, by the model
    expected_purchases: ArrayLike  # within the horizon
    expected_spend: ArrayLike  # within the horizon
    expected_value: ArrayLike  # the same, discounted


def values(models: Models, customers: Purchases, days: int, annual_rate: float) -> CustomerValues:
    """What to expect of each customer within a horizon, discounted month by month.

    Args:
        models: Fitted on these customers, without a reason against.
        customers: All who bought.
        days: The horizon; whole months of 365 / 12 days count, at least one.
        annual_rate: Discount rate a year, such as 0.1; > -1.
    """
    months = max(round(days / (365 / 12)), 1)
    value = lifetime_model.discounted_value(
        *models, *customers.weeks, customers.mean_spend,
        periods=months, period=days / months / WEEK, rate=(1 + annual_rate) ** (1 / 12) - 1,
    )  # fmt: skip
    alive = lifetime_model.probability_alive(models.purchases, *customers.weeks)
    return CustomerValues(alive, *expected_spend(models, customers, days), value)


def value_intervals(models: Models, customers: Purchases, days: int) -> tuple[Floats, Floats]:
    """The 90 % interval of each customer's spend within a horizon, undiscounted: low and high."""
    return spend_intervals(*models, days / WEEK, *customers.weeks, customers.mean_spend)
