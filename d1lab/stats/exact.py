"""Exact tests for counts: binomial test of a share, and Fisher's and Barnard's tests of two rates.

scipy.stats also has them, but takes a second to import, finds Barnard's supremum by sampling, and
its two-sided binomial test can disagree with the Clopper-Pearson interval.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BARNARD_TABLES = 250_000
"""Maximum number of tables for Barnard's test; above it, Fisher's test is used."""

_TIE = 1e-9  # relative tolerance for ties, because equal statistics differ by rounding


class BinomialTest(NamedTuple):
    """Result of an exact test of a share of successes."""

    p_value: float  # twice the smaller tail, which agrees with the interval for every share
    mid_p: float  # p_value - P(exactly this count) / 2
    low: float  # Clopper-Pearson
    high: float


def binomial_test(successes: int, trials: int, share: float, alpha: float = 0.05) -> BinomialTest:
    """Test a share exactly and two-sided, with its interval.

    Args:
        successes: Number of successes, from 0 to `trials`.
        trials: Number of trials, > 0.
        share: Share under the null hypothesis, inside (0, 1).
        alpha: 1 - level of the interval; if very small, the interval is [0, 1].

    Clopper & Pearson (1934), Biometrika 26:404-413. The p-value is twice the smaller tail instead
    of the sum of the less likely outcomes, because only the former agrees with the interval.

    >>> test = binomial_test(189, 311, 0.5)
    >>> round(test.p_value, 9), round(test.low, 6), round(test.high, 6)
    (0.000172805, 0.551028, 0.662333)
    >>> binomial_test(5, 5, 0.5)[:2]
    (0.0625, 0.046875)
    """
    from scipy.special import bdtr, bdtrc, betaincinv

    below = float(bdtr(successes, trials, share))
    above = float(bdtrc(successes - 1, trials, share)) if successes else 1.0
    exactly = float(_binomial(np.array([successes]), trials, share)[0])
    p_value = min(1.0, 2 * min(below, above))
    misses = trials - successes
    low = float(betaincinv(successes, misses + 1, alpha / 2)) if successes else 0.0
    # From the other end, which keeps precision for a tiny alpha.
    high = 1 - float(betaincinv(misses, successes + 1, alpha / 2)) if misses else 1.0
    return BinomialTest(p_value, max(p_value - exactly / 2, 0.0), low, high)


def fisher_p(conversions_a: int, visitors_a: int, conversions_b: int, visitors_b: int) -> float:
    """Return Fisher's exact p-value: probability of all tables at most as likely, given margins.

    >>> round(fisher_p(3, 40, 9, 42), 6)
    0.117166
    """
    a, b = visitors_a, visitors_b
    converted = conversions_a + conversions_b
    rarer, observed = converted, conversions_a
    if 2 * converted > a + b:  # count the rarer outcome, which has fewer tables
        rarer, observed = a + b - converted, a - conversions_a
    mean = rarer * a / (a + b)
    reach = 12 * mean**0.5 + 100  # 12 standard deviations, plus a margin for small means
    first = max(0, rarer - b, int(mean - reach))
    last = min(rarer, a, int(mean + reach))
    counts = np.append(np.arange(first, last + 1, dtype=np.float64), observed)
    log = _log_choose(a, counts) + _log_choose(b, rarer - counts)
    weights = np.exp(log - log.max())
    table, weights = weights[-1], weights[:-1]
    rare = max(float(weights[weights <= table * (1 + _TIE)].sum()), float(table))
    return min(1.0, rare / float(weights.sum()))


def barnard_p(conversions_a: int, visitors_a: int, conversions_b: int, visitors_b: int) -> float:
    """Return Barnard's exact p-value: maximum over common rates of P(|z| at least as large).

    Args:
        conversions_a: Conversions of A, from 0 to `visitors_a`.
        visitors_a: Visitors of A. The test takes visitors_a * visitors_b bytes of memory.

    Barnard (1945), Nature 156:177, two-sided, with the pooled score statistic.

    >>> round(barnard_p(3, 40, 9, 42), 6)
    0.07851
    """
    extreme = _more_extreme(conversions_a, visitors_a, conversions_b, visitors_b)
    half, best = np.pi / 4, np.pi / 4
    for points in (1_025, 65, 65, 65, 65):
        angles = np.clip(np.linspace(best - half, best + half, points), 0, np.pi / 2)
        chances = _chances(extreme, np.sin(angles) ** 2)
        at = int(chances.argmax())
        best, half = float(angles[at]), 2 * half / (points - 1)
    return min(1.0, float(chances[at]))


def _more_extreme(xa: int, na: int, xb: int, nb: int) -> NDArray[np.bool_]:
    """Mark which of the (na + 1) x (nb + 1) outcomes have a pooled |z| at least as large."""
    i, j = np.arange(na + 1.0)[:, None], np.arange(nb + 1.0)[None, :]

    def squared(i: Floats | int, j: Floats | int) -> Floats:
        pooled = (i + j) / (na + nb)
        variance = pooled * (1 - pooled)
        distance = (i / na - j / nb) ** 2
        return np.where(variance > 0, distance / np.where(variance > 0, variance, 1), 0.0)

    return squared(i, j) >= squared(xa, xb) * (1 - _TIE)


def _up_to(count: int) -> NDArray[np.int64]:
    return np.arange(count + 1, dtype=np.int64)


def _chances(extreme: NDArray[np.bool_], rates: Floats) -> Floats:
    """Return the probability of the marked outcomes at each common rate."""
    na, nb = extreme.shape[0] - 1, extreme.shape[1] - 1
    of_a = _binomial(_up_to(na), na, rates[:, None])
    of_b = of_a if na == nb else _binomial(_up_to(nb), nb, rates[:, None])
    with np.errstate(all="ignore"):  # some BLAS libraries raise flags on underflow
        return ((of_a @ extreme.astype(np.float64)) * of_b).sum(axis=1)


def _binomial(counts: NDArray[np.int64], trials: int, rate: Floats | float) -> Floats:
    from scipy.special import xlog1py, xlogy

    log = _log_choose(trials, counts) + xlogy(counts, rate) + xlog1py(trials - counts, -rate)
    return np.exp(log)


def _log_choose(n: float, k: Floats | NDArray[np.int64] | float) -> Floats:
    from scipy.special import betaln

    return -betaln(np.asarray(n - k) + 1.0, np.asarray(k) + 1.0) - np.log(n + 1.0)
