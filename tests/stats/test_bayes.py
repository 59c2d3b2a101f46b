"""Posterior probabilities and losses, against an adaptive quadrature of their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from d1lab.stats.bayes import normal_posterior, probability_b_better, rates_posterior


@pytest.mark.parametrize(
    "counts",
    [(1, 2, 2, 3), (0, 10, 0, 20), (0, 4, 4, 4), (5, 5, 0, 5), (95, 100, 97, 110), (7, 7, 9, 9),
     (1, 2, 1, 2), (3, 40, 9, 20)],
)  # fmt: skip
def test_rates_are_compared_by_their_posteriors(counts: tuple[int, int, int, int]) -> None:
    """Beta(x + 1, n - x + 1): P(B > A), E[max(B - A, 0)], and E[max(A - B, 0)]; also of none."""
    a, b = (stats.beta(x + 1, n - x + 1) for x, n in (counts[:2], counts[2:]))

    def mean(value) -> float:
        return float(integrate.quad(value, 0, 1, epsabs=1e-12, epsrel=1e-12, limit=200)[0])

    found = rates_posterior(*counts)
    assert found.b_better == pytest.approx(mean(lambda r: a.pdf(r) * b.sf(r)), abs=1e-9)
    assert found.loss_a == pytest.approx(mean(lambda r: a.cdf(r) * b.sf(r)), abs=1e-9)
    assert found.loss_b == pytest.approx(mean(lambda r: b.cdf(r) * a.sf(r)), abs=1e-9)
    swapped = rates_posterior(*counts[2:], *counts[:2])
    assert swapped.b_better == pytest.approx(1 - found.b_better, abs=1e-9)


def test_large_counts_near_all_keep_their_digits() -> None:
    """As the visitors who did not convert, exchanged."""
    many = rates_posterior(999_900, 1_000_000, 999_920, 1_000_000)
    few = rates_posterior(80, 1_000_000, 100, 1_000_000)
    assert many == pytest.approx(few, rel=1e-12)
    assert few.b_better == pytest.approx(stats.norm.cdf(20 / 182**0.5), abs=0.003)


@pytest.mark.parametrize(("a", "b", "share"), [(122, 189, 0.5), (0, 5, 0.3), (10, 0, 0.9)])
def test_a_share_has_the_posterior_of_jeffreys(a: int, b: int, share: float) -> None:
    expected = stats.beta(b + 0.5, a + 0.5).sf(share)
    assert probability_b_better(a, b, share) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("difference", "error"), [(0.3, 0.2), (-0.3, 0.2), (0.0, 2.0), (9.0, 0.1)])
def test_means_are_compared_by_the_normal_distribution(difference: float, error: float) -> None:
    """Losses are means over the part on one side of 0; they differ by the difference."""
    at = np.linspace(difference - 12 * error, difference + 12 * error, 200_001)
    density = stats.norm(difference, error).pdf(at) * (at[1] - at[0])
    found = normal_posterior(difference, error)
    assert found.b_better == pytest.approx(stats.norm.cdf(difference / error))
    assert found.loss_a == pytest.approx((np.maximum(at, 0) * density).sum(), abs=1e-6)
    assert found.loss_b == pytest.approx((np.maximum(-at, 0) * density).sum(), abs=1e-6)
    assert found.loss_a - found.loss_b == pytest.approx(difference)
    assert found.loss_b >= 0
