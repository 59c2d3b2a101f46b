"""Comparison of two conversion rates: score test and Miettinen-Nurminen intervals.

Every function takes numbers or arrays of equal length (one item per test or look). Variant A is the
control; the difference is B - A and the ratio is B / A.

Miettinen & Nurminen (1985), Comparative analysis of two rates, Statistics in Medicine 4:213-226;
the constrained estimates in closed form: Farrington & Manning (1990), ibid. 9:1447-1454.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from d1lab.stats.exact import binomial_test
from d1lab.stats.sequential import e_process_p, log_bayes_factor

ALARM = 0.001
"""p-value below which a test is invalid."""

CONCENTRATION = 10_000.0
"""Prior weight of the e-process, in visitors: mismatches are usually small, with many visitors."""

SMALL = 10
"""Minimum expected visitors per variant; below it, the exact test replaces chi-square."""


def sample_ratio_p(visitors_a: int, visitors_b: int, share_b: float) -> float:
    """Return the p-value of the declared share at one look: chi-square, exact for small counts.

    >>> round(sample_ratio_p(44_700, 45_489, 0.5), 10)
    0.0086079878
    """
    from scipy.special import ndtr

    total = visitors_a + visitors_b
    if total * min(share_b, 1 - share_b) < SMALL - 1e-9:  # 100 * (1 - 0.9) is 9.99...
        return binomial_test(visitors_b, total, share_b).p_value if total else 1.0
    z = (visitors_b - total * share_b) / (total * share_b * (1 - share_b)) ** 0.5
    tail = cast("float", ndtr(-abs(z)))
    return float(2 * tail)


def running_sample_ratio_p(
    visitors_a: Sequence[int], visitors_b: Sequence[int], share_b: float
) -> float:
    """Return the p-value of the declared share over all looks so far, for any number of looks.

    Lindon & Malek (2022), arXiv 2011.03567.
    """
    factors = log_bayes_factor(visitors_a, visitors_b, share_b, concentration=CONCENTRATION)
    return float(e_process_p(factors).min())


Floats = NDArray[np.float64]

_PARTS, _DIVISIONS = 16, 16  # of a bracket at most 180 wide, down to the last bit


class Rates(NamedTuple):
    """Conversions and visitors of both variants; 0 <= conversions <= visitors, visitors > 0."""

    conversions_a: Floats
    visitors_a: Floats
    conversions_b: Floats
    visitors_b: Floats

    @classmethod
    def of(cls, *counts: ArrayLike) -> Rates:
        """Build from the four counts in the order of the fields, broadcast to one shape."""
        return cls(*np.broadcast_arrays(*(np.asarray(c, dtype=np.float64) for c in counts)))

    @property
    def rate_a(self) -> Floats:
        """Conversions / visitors of A."""
        return self.conversions_a / self.visitors_a

    @property
    def rate_b(self) -> Floats:
        """Conversions / visitors of B."""
        return self.conversions_b / self.visitors_b


def score_z(rates: Rates) -> Floats:
    """Return Pearson's score statistic of equal rates; 0 if both variants convert none or all.

    >>> round(float(score_z(Rates.of(500, 10_000, 560, 10_000))), 10)
    1.8937529756
    """
    total = rates.visitors_a + rates.visitors_b
    pooled = (rates.conversions_a + rates.conversions_b) / total
    variance = pooled * (1 - pooled) * (1 / rates.visitors_a + 1 / rates.visitors_b)
    return _standardised(rates.rate_b - rates.rate_a, variance)


def score_p(rates: Rates) -> Floats:
    """Return the two-sided p-value of `score_z`."""
    from scipy.special import ndtr

    return 2 * ndtr(-np.abs(score_z(rates)))


def smallest_expected(rates: Rates) -> Floats:
    """Return the smallest of the four expected counts under equal rates."""
    total = rates.visitors_a + rates.visitors_b
    converted = rates.conversions_a + rates.conversions_b
    return np.minimum(converted, total - converted) * (
        np.minimum(rates.visitors_a, rates.visitors_b) / total
    )


def difference_z(rates: Rates, difference: ArrayLike) -> Floats:
    """Return the Miettinen-Nurminen statistic of the null 'rate B - rate A = difference'.

    Args:
        rates: Both variants.
        difference: Difference under the null, within [-1, 1].
    """
    delta = np.asarray(difference, dtype=np.float64)
    null_a = _null_rate_for_difference(rates, delta)
    null_b = np.clip(null_a + delta, 0, 1)
    variance = null_b * (1 - null_b) / rates.visitors_b + null_a * (1 - null_a) / rates.visitors_a
    return _standardised(rates.rate_b - rates.rate_a - delta, variance * _small_sample(rates))


def ratio_z(rates: Rates, ratio: ArrayLike) -> Floats:
    """Return the Miettinen-Nurminen statistic of the null 'rate B / rate A = ratio'; ratio > 0."""
    phi = np.asarray(ratio, dtype=np.float64)
    null_a = _null_rate_for_ratio(rates, phi)
    null_b = np.minimum(null_a * phi, 1)
    variance = (
        null_b * (1 - null_b) / rates.visitors_b + phi**2 * null_a * (1 - null_a) / rates.visitors_a
    )
    return _standardised(rates.rate_b - phi * rates.rate_a, variance * _small_sample(rates))


def difference_interval(rates: Rates, critical: ArrayLike) -> tuple[Floats, Floats]:
    """Return the interval of differences that `difference_z` does not reject.

    Args:
        rates: Both variants.
        critical: Normal quantile, such as 1.96 for 95%; can be infinite.

    >>> low, high = difference_interval(Rates.of(3, 40, 9, 42), 1.959963984540054)
    >>> round(float(low), 6), round(float(high), 6)
    (-0.016337, 0.298472)
    """
    estimate = rates.rate_b - rates.rate_a
    ends = np.full(estimate.shape, -1.0), np.full(estimate.shape, 1.0)
    return _invert(lambda delta: difference_z(rates, delta), ends, estimate, critical)


def ratio_interval(rates: Rates, critical: ArrayLike) -> tuple[Floats, Floats]:
    """Return the interval of ratios that `ratio_z` does not reject.

    The low end is 0 if B has no conversions; the high end is infinite if A has none.

    >>> low, high = ratio_interval(Rates.of(0, 50, 5, 50), 1.959963984540054)
    >>> round(float(low), 6), float(high)
    (1.346336, inf)
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = np.log(rates.rate_b) - np.log(rates.rate_a)
    widest = np.full(estimate.shape, 90.0)
    middle = np.clip(np.nan_to_num(estimate, nan=0.0), -90, 90)
    low, high = _invert(
        lambda log: ratio_z(rates, np.exp(log)), (-widest, widest), middle, critical
    )
    low = np.where(rates.conversions_b > 0, np.exp(low), 0.0)
    high = np.where(rates.conversions_a > 0, np.exp(high), np.inf)
    unbounded = np.isinf(np.broadcast_to(critical, low.shape))
    return np.where(unbounded, 0.0, low), np.where(unbounded, np.inf, high)


def _small_sample(rates: Rates) -> Floats:
    total = rates.visitors_a + rates.visitors_b
    return total / np.maximum(total - 1, 1)


def _standardised(distance: Floats, variance: Floats) -> Floats:
    """Return distance / sqrt(variance); with variance 0: 0 if distance is 0, else infinite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        z = distance / np.sqrt(variance)
    return np.where(distance == 0, 0.0, z)


def _null_rate_for_difference(rates: Rates, delta: Floats) -> Floats:
    """Return the ML rate of A under the null: middle root of Farrington and Manning's cubic."""
    xa, na, xb, nb = rates
    third = (na + nb) * 3
    square = (nb + 2 * na) * delta - (na + nb) - (xa + xb)
    linear = (na * delta - (na + nb) - 2 * xa) * delta + xa + xb
    constant = xa * delta * (1 - delta)
    q = (square / third) ** 3 - square * linear / (third * third / 1.5) + constant * 1.5 / third
    spread = np.sqrt(np.maximum((square / third) ** 2 - linear / third, 0))
    p = np.where(q < 0, -spread, spread)
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = np.where(p == 0, 0.0, q / p**3)
    angle = (np.pi + np.arccos(np.clip(cosine, -1, 1))) / 3
    root = 2 * p * np.cos(angle) - square / third
    for _ in range(2):  # the cosine formula loses precision for rates near 0
        value = ((third / 3 * root + square) * root + linear) * root + constant
        slope = (third * root + 2 * square) * root + linear
        with np.errstate(divide="ignore", invalid="ignore"):
            step = value / slope
        root = root - np.where(np.abs(step) < 1e-6, step, 0.0)
    return np.clip(root, np.maximum(0, -delta), np.minimum(1, 1 - delta))


def _null_rate_for_ratio(rates: Rates, phi: Floats) -> Floats:
    """Return the ML rate of A under the null: the smaller root of a quadratic."""
    xa, na, xb, nb = rates
    linear = nb * phi + xb + na + xa * phi
    converted = xa + xb
    discriminant = linear**2 - 4 * (na + nb) * phi * converted
    root = 2 * converted / (linear + np.sqrt(np.maximum(discriminant, 0)))
    return np.minimum(root, np.minimum(1, 1 / phi))


def _invert(
    z: Callable[[Floats], Floats],
    ends: tuple[Floats, Floats],
    estimate: Floats,
    critical: ArrayLike,
) -> tuple[Floats, Floats]:
    """Return both ends of {null: |z(null)| <= critical}, by bisection; z decreases in the null."""
    low, high = ends
    line = np.asarray(critical, dtype=np.float64)
    return (
        _crossing(lambda null: z(null) > line, low, estimate),
        _crossing(lambda null: z(null) >= -line, estimate, high),
    )


def _crossing(before: Callable[[Floats], NDArray[np.bool_]], left: Floats, right: Floats) -> Floats:
    """Find the point between left and right where `before` changes to False, by bisection."""
    inner = (np.arange(1, _PARTS) / _PARTS).reshape(-1, *(1 for _ in left.shape))
    for _ in range(_DIVISIONS):
        part = (right - left) / _PARTS
        left = left + part * before(left + (right - left) * inner).sum(axis=0)
        right = left + part
    return (left + right) / 2
