"""Probability that B is better and expected loss. Informational; not used in the decision.

The probability is not a decision rule: with daily looks, its error rate is above the nominal one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_PANELS, _POINTS = 48, 24  # Gauss-Legendre panels over both posteriors: error below 1e-12
_REACH = 14.0  # integration range around both means, in posterior standard deviations


class Posterior(NamedTuple):
    """Posterior probability and expected losses, in the unit of the rates or means."""

    b_better: float  # P(B > A)
    loss_a: float  # E[max(B - A, 0)], expected loss of A
    loss_b: float  # E[max(A - B, 0)], expected loss of B


def rates_posterior(
    conversions_a: int, visitors_a: int, conversions_b: int, visitors_b: int
) -> Posterior:
    """Compare two conversion rates with uniform Beta(1, 1) priors, by quadrature.

    P(B > A) is the integral of A's density times P(B > rate). The losses are integrals of
    P(one > rate) P(other < rate), which avoids cancellation.

    >>> chance = rates_posterior(500, 10_000, 560, 10_000)
    >>> round(chance.b_better, 8), f"{chance.loss_b:.5g}"
    (0.97083766, '3.5675e-05')
    """
    from scipy.special import betainc, betaincc

    if 2 * (conversions_a + conversions_b) > visitors_a + visitors_b:
        # Floats are sparse near 1, so compare the rates of visitors who did not convert.
        misses_a, misses_b = visitors_a - conversions_a, visitors_b - conversions_b
        return rates_posterior(misses_b, visitors_b, misses_a, visitors_a)
    a = (conversions_a + 1.0, visitors_a - conversions_a + 1.0)
    b = (conversions_b + 1.0, visitors_b - conversions_b + 1.0)
    rates, weights = _grid(a, b)
    density = _density(rates, weights, conversions_a, visitors_a)
    below_a, above_a = betainc(*a, rates), betaincc(*a, rates)
    below_b, above_b = betainc(*b, rates), betaincc(*b, rates)
    return Posterior(
        float(np.clip((weights * density * above_b).sum(), 0.0, 1.0)),
        float((weights * above_b * below_a).sum()),
        float((weights * above_a * below_b).sum()),
    )


def probability_b_better(conversions_a: int, conversions_b: int, share_b: float) -> float:
    """Return P(rate B > rate A) from counts and B's declared share of the visitors.

    B's share of the conversions has the posterior Beta(b + 1/2, a + 1/2) (Jeffreys).

    >>> round(probability_b_better(122, 189, 0.5), 8)
    0.99993139
    """
    from scipy.special import betaincc

    return float(betaincc(conversions_b + 0.5, conversions_a + 0.5, share_b))


def normal_posterior(difference: float, error: float) -> Posterior:
    """Compare two means by their difference B - A and its standard error > 0; flat prior."""
    from scipy.special import ndtr

    z = difference / error
    density = np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    gain = error * (density + z * ndtr(z))
    loss = error * (density - z * ndtr(-z))
    return Posterior(float(ndtr(z)), max(float(gain), 0.0), max(float(loss), 0.0))


def _grid(a: tuple[float, float], b: tuple[float, float]) -> tuple[Floats, Floats]:
    """Return nodes and weights over the range of both posteriors, denser around each mean."""
    edges: list[Floats] = []
    for successes, failures in (a, b):
        total = successes + failures
        mean = successes / total
        spread = (mean * (1 - mean) / (total + 1)) ** 0.5
        edges.append(np.clip(mean + spread * np.linspace(-_REACH, 2 * _REACH, _PANELS), 0, 1))
        edges.append(np.clip(mean - spread * np.linspace(-_REACH, 2 * _REACH, _PANELS), 0, 1))
    cuts = np.unique(np.concatenate(edges))
    nodes, weights = np.polynomial.legendre.leggauss(_POINTS)
    half = np.diff(cuts)[:, None] / 2
    middle = (cuts[:-1] + cuts[1:])[:, None] / 2
    return (middle + half * nodes).ravel(), (half * weights).ravel()


def _density(rates: Floats, weights: Floats, conversions: int, visitors: int) -> Floats:
    """Return the posterior density, scaled by its mode and normalized with the weights."""
    from scipy.special import xlog1py

    mode = conversions / visitors
    failures = visitors - conversions
    log = np.zeros_like(rates)
    if conversions:
        log += xlog1py(conversions, (rates - mode) / mode)
    if failures:
        log += xlog1py(failures, -(rates - mode) / (1 - mode))
    density = np.exp(log)
    return density / (weights * density).sum()
