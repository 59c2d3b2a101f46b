"""Customer lifetime value: BG/NBD for purchases, Gamma-Gamma for spend, with applicability checks.

Sources: Fader, Hardie & Lee, "Counting Your Customers the Easy Way" (Marketing Science 2005) for
BG/NBD; Fader & Hardie, "The Gamma-Gamma Model of Monetary Value" (2013). Both are fitted by
maximum likelihood over the logarithms of their parameters.

The input per customer is three numbers: `x`, the repeat purchases (purchases after the first);
`t_x`, the time of the last purchase; and `T`, the time observed. Both times count from the first
purchase, in the same unit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

MIN_CUSTOMERS = 200
MIN_REPEATS = 200
"""Minimums for individual values; with less data, they would be mostly noise."""

MAX_SPEND_CORRELATION = 0.3
"""Maximum correlation of spend and frequency; Gamma-Gamma assumes that there is none."""

_NEVER_DROPS_OUT = 0.01
"""A mean dropout probability a / (a + b) below this cannot be distinguished from no dropout."""


class BgNbd(NamedTuple):
    """A fitted BG/NBD model of repeat purchases.

    Purchase rates follow Gamma(r, alpha); after each purchase, the customer leaves with a
    probability from Beta(a, b). The covariance is that of the logarithms of (r, alpha, a, b), from
    the inverse Hessian; None if that is singular. `reason` is why the model cannot be used
    ('too_few_customers', 'too_few_repeats', 'drop_out_not_identified', 'no_fit'), or None.
    """

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float
    customers: int
    repeats: int
    covariance: Floats | None
    reason: str | None

    @property
    def standard_errors(self) -> tuple[float, float, float, float] | None:
        """Errors of r, alpha, a, and b, by the delta method; None without them."""
        if self.covariance is None or not self.a:
            return None
        log_errors = np.sqrt(np.diag(self.covariance))
        r, alpha, a, b = (log_errors * (self.r, self.alpha, self.a, self.b)).tolist()
        return r, alpha, a, b


class GammaGamma(NamedTuple):
    """A fitted Gamma-Gamma model of mean spend per purchase, with shapes p and q and scale v.

    `correlation` is that of frequency and mean spend among repeat customers. The covariance is
    that of the logarithms of (p, q, v), as in `BgNbd`. `reason` is 'too_few_repeats',
    'spend_related_to_frequency', 'no_spread', 'no_fit', or None.
    """

    p: float
    q: float
    v: float
    log_likelihood: float
    customers: int
    correlation: float
    covariance: Floats | None
    reason: str | None

    @property
    def standard_errors(self) -> tuple[float, float, float] | None:
        """Errors of p, q, and v, by the delta method; None without covariance."""
        if self.covariance is None:
            return None
        log_errors = np.sqrt(np.diag(self.covariance))
        p, q, v = (log_errors * (self.p, self.q, self.v)).tolist()
        return p, q, v


def as_columns(*values: ArrayLike) -> tuple[Floats, ...]:
    """Convert each value to an array of floats with at least one item."""
    return tuple(np.atleast_1d(np.asarray(value, dtype=float)) for value in values)


def _digamma(x: Any) -> Floats:
    from scipy.special import digamma

    return cast("Floats", digamma(x))  # scipy's stubs leave the type of a ufunc open


def _gammaln(x: Any) -> Floats:
    from scipy.special import gammaln

    return cast("Floats", gammaln(x))


def _distinct(*columns: Floats) -> tuple[list[Floats], Floats]:
    """Return the distinct rows and their counts; there are far fewer of them than customers."""
    rows, counts = np.unique(np.column_stack(columns), axis=0, return_counts=True)
    return list(rows.T), counts.astype(float)


def _bg_nbd_terms(
    log_parameters: Floats, x: Floats, t_x: Floats, T: Floats
) -> tuple[Floats, Floats]:
    """Return log-likelihood per row and its gradient by log r, alpha, a, b (4 x rows)."""
    r, alpha, a, b = np.exp(log_parameters)
    repeat = x > 0
    before = np.where(repeat, b + x - 1, np.nan)
    odds = np.where(
        repeat, np.exp(np.log(a / before) + (r + x) * np.log((alpha + T) / (alpha + t_x))), 0.0
    )
    value = (
        _gammaln(r + x) - _gammaln(r) + r * np.log(alpha) - (r + x) * np.log(alpha + T)
        + _gammaln(b + x) - _gammaln(a + b + x) + _gammaln(a + b) - _gammaln(b)
        + np.log1p(odds)
    )  # fmt: skip
    weight = odds / (1 + odds)
    spread = _digamma(a + b) - _digamma(a + b + x)
    gradient = np.stack(
        (
            _digamma(r + x) - _digamma(r) + np.log(alpha) - np.log(alpha + T)
            + weight * np.log((alpha + T) / (alpha + t_x)),
            r / alpha - (r + x) / (alpha + T)
            + weight * (r + x) * (1 / (alpha + T) - 1 / (alpha + t_x)),
            spread + weight / a,
            spread + _digamma(b + x) - _digamma(b) - np.where(repeat, weight / before, 0.0),
        )
    )  # fmt: skip
    return value, gradient * np.array([[r], [alpha], [a], [b]])


def _covariance(gradient_at: Callable[[Floats], Floats], optimum: Floats) -> Floats | None:
    """Invert the observed information, by central differences of the analytic gradient."""
    step = 1e-5
    shifts = np.eye(len(optimum)) * step
    hessian = np.array(
        [(gradient_at(optimum + h) - gradient_at(optimum - h)) / (2 * step) for h in shifts]
    )
    try:
        covariance: Floats = np.linalg.inv((hessian + hessian.T) / 2).astype(float)
    except np.linalg.LinAlgError:
        return None
    return covariance if np.all(np.diag(covariance) > 0) else None


def fit_bg_nbd(x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> BgNbd:
    """Fit BG/NBD by maximum likelihood with the analytic gradient.

    Args:
        x: Repeat purchases per customer, whole numbers >= 0.
        t_x: Time from the first purchase to the last; 0 if x = 0; at most T.
        T: Time observed since the first purchase, > 0.

    Returns:
        The model; `reason` is set if it must not be used for individual values.
    """
    from scipy.optimize import minimize

    columns = as_columns(x, t_x, T)
    customers, repeats = len(columns[0]), int(columns[0].sum())
    if customers == 0 or repeats == 0:
        nan = float("nan")
        reason = "too_few_customers" if customers == 0 else "too_few_repeats"
        return BgNbd(nan, nan, nan, nan, nan, customers, repeats, None, reason)
    (xs, recency, observed), counts = _distinct(*columns)
    unit = float(observed.max()) / 10  # times near 1 are well-scaled for the optimizer

    def loss(log_parameters: Floats) -> tuple[float, Floats]:
        value, gradient = _bg_nbd_terms(log_parameters, xs, recency / unit, observed / unit)
        return -float(value @ counts) / customers, -(gradient @ counts) / customers

    found = minimize(loss, np.zeros(4), jac=True, method="L-BFGS-B", bounds=[(-12, 12)] * 4,
                     options={"ftol": 1e-15, "gtol": 1e-9})  # fmt: skip
    r, alpha, a, b = np.exp(found.x).tolist()
    covariance = _covariance(lambda at: loss(at)[1] * customers, found.x)
    likelihood = -found.fun * customers - repeats * float(np.log(unit))
    on_edge = bool(np.any(np.abs(found.x) > 11.9))
    reason = _bg_nbd_reason(customers, repeats, a / (a + b), on_edge, covariance)
    return BgNbd(r, alpha * unit, a, b, likelihood, customers, repeats, covariance, reason)


def _bg_nbd_reason(
    customers: int, repeats: int, drop_out: float, on_edge: bool, covariance: Floats | None
) -> str | None:
    if customers < MIN_CUSTOMERS:
        return "too_few_customers"
    if repeats < MIN_REPEATS:
        return "too_few_repeats"
    if drop_out < _NEVER_DROPS_OUT:
        return "drop_out_not_identified"
    return "no_fit" if on_edge or covariance is None else None


def probability_alive(model: BgNbd, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
    """Return P(alive at T) per customer; 1 for customers without a repeat purchase, by design."""
    x, t_x, T = as_columns(x, t_x, T)  # pyright: ignore[reportConstantRedefinition]
    odds = np.where(
        x > 0,
        model.a / np.where(x > 0, model.b + x - 1, np.nan)
        * ((model.alpha + T) / (model.alpha + t_x)) ** (model.r + x),
        0.0,
    )  # fmt: skip
    return 1 / (1 + odds)


def expected_purchases(
    model: BgNbd, horizon: float, x: ArrayLike, t_x: ArrayLike, T: ArrayLike
) -> Floats:
    """Return E[purchases in the next `horizon`] per customer (equation 10 of the 2005 paper)."""
    from scipy.special import hyp2f1

    x, t_x, T = as_columns(x, t_x, T)  # pyright: ignore[reportConstantRedefinition]
    if not model.a:  # no drop-out: the mean of Gamma(r + x, alpha + T)
        return (model.r + x) / (model.alpha + T) * horizon
    alive = probability_alive(model, x, t_x, T)
    pairs, places = np.unique(x + 1j * T, return_inverse=True)  # far fewer than customers
    x, T = pairs.real, pairs.imag  # pyright: ignore[reportConstantRedefinition]
    r, alpha, a, b = model.r, model.alpha, model.a, model.b
    if abs(a - 1) < 1e-7:  # the formula's removable singularity
        a += 1e-6
    end = alpha + T + horizon
    series = hyp2f1(r + x, b + x, a + b + x - 1, horizon / end)
    if_alive = (a + b + x - 1) / (a - 1) * (1 - ((alpha + T) / end) ** (r + x) * series)
    return if_alive[places] * alive


def expected_purchases_new(model: BgNbd, horizon: ArrayLike) -> Floats:
    """Return E[repeat purchases of a new customer in `horizon`] (equation 9 of the 2005 paper)."""
    from scipy.special import hyp2f1

    (t,) = as_columns(horizon)
    r, alpha, a, b = model.r, model.alpha, model.a, model.b
    if abs(a - 1) < 1e-7:
        a += 1e-6
    series = hyp2f1(r, b, a + b - 1, t / (alpha + t))
    return (a + b - 1) / (a - 1) * (1 - (alpha / (alpha + t)) ** r * series)


def fit_gamma_gamma(x: ArrayLike, mean_spend: ArrayLike) -> GammaGamma:
    """Fit Gamma-Gamma by maximum likelihood.

    Args:
        x: Number of purchases in each mean, >= 0; customers with 0 are excluded.
        mean_spend: Mean spend per purchase, in the shop's currency; > 0 if x > 0.

    Returns:
        The model; `reason` is set if it must not be used.
    """
    from scipy.optimize import minimize

    x, mean = as_columns(x, mean_spend)
    keep = (x > 0) & (mean > 0)
    x, mean = x[keep], mean[keep]
    nan = float("nan")
    if x.sum() < MIN_REPEATS or np.ptp(mean) == 0:
        reason = "no_spread" if len(x) and np.ptp(mean) == 0 else "too_few_repeats"
        return GammaGamma(nan, nan, nan, nan, len(x), nan, None, reason)
    correlation = float(np.corrcoef(x, mean)[0, 1]) if np.ptp(x) else 0.0
    unit = float(mean.mean())
    scaled = mean / unit
    found = minimize(_gamma_gamma_loss, np.zeros(3), args=(x, scaled), jac=True,
                     method="L-BFGS-B", bounds=[(-10, 10)] * 3,
                     options={"ftol": 1e-15, "gtol": 1e-9})  # fmt: skip
    p, q, v = np.exp(found.x).tolist()
    likelihood = -float(found.fun) * len(x) - len(x) * float(np.log(unit))
    covariance = _covariance(lambda at: _gamma_gamma_loss(at, x, scaled)[1] * len(x), found.x)
    reason = None
    if abs(correlation) > MAX_SPEND_CORRELATION:
        reason = "spend_related_to_frequency"
    elif np.any(np.abs(found.x) > 9.9) or q <= 1:  # at q <= 1 the mean spend is infinite
        reason = "no_fit"
    return GammaGamma(p, q, v * unit, likelihood, len(x), correlation, covariance, reason)


def _gamma_gamma_loss(log_parameters: Floats, x: Floats, mean: Floats) -> tuple[float, Floats]:
    """Return the mean negative log-likelihood and its gradient by the logarithms of p, q, v."""
    p, q, v = np.exp(log_parameters)
    px, total = p * x, v + x * mean
    value = (
        _gammaln(px + q) - _gammaln(px) - _gammaln(q) + q * np.log(v)
        + (px - 1) * np.log(mean) + px * np.log(x) - (px + q) * np.log(total)
    )  # fmt: skip
    shared = _digamma(px + q) - np.log(total)
    by_p = x * (shared - _digamma(px) + np.log(mean) + np.log(x))
    by_q = shared - _digamma(q) + np.log(v)
    by_v = q / v - (px + q) / total
    gradient = np.array([by_p.mean() * p, by_q.mean() * q, by_v.mean() * v])
    return -float(value.mean()), -gradient


def expected_spend(model: GammaGamma, x: ArrayLike, mean_spend: ArrayLike) -> Floats:
    """Return E[mean spend per purchase] per customer: the customer's mean, shrunk to the shop's."""
    x, mean = as_columns(x, mean_spend)
    p, q, v = model.p, model.q, model.v
    return p * (v + x * mean) / (p * x + q - 1)


def discounted_value(
    purchases: BgNbd,
    spend: GammaGamma,
    x: ArrayLike,
    t_x: ArrayLike,
    T: ArrayLike,
    mean_spend: ArrayLike,
    *,
    periods: int,
    period: float,
    rate: float,
) -> Floats:
    """Return the discounted value of the next `periods` per customer, in money of `mean_spend`.

    Args:
        purchases: Model fitted in the same unit of time as t_x, T, and `period`.
        spend: Model fitted to the same customers.
        x: Repeat purchases.
        t_x: Time of the last purchase.
        T: Time observed.
        mean_spend: Mean spend per repeat purchase; ignored if x = 0.
        periods: Number of periods, each of length `period`.
        period: Length of one period.
        rate: Discount rate per period, such as 0.01, applied from the end of each period.
    """
    total = np.zeros_like(as_columns(x)[0])
    earlier = np.zeros_like(total)
    for number in range(1, periods + 1):
        until = expected_purchases(purchases, number * period, x, t_x, T)
        total += (until - earlier) / (1 + rate) ** number
        earlier = until
    return total * expected_spend(spend, x, np.where(as_columns(x)[0] > 0, mean_spend, 0.0))
