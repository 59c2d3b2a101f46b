"""Bounds, sequences, and e-processes: against their definitions, and at their limits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import integrate, special, stats

from d1lab.stats import sequential
from d1lab.stats.sequential import bounds, crossing_probability, repeated_p

TIMES = [0.3, 0.6, 1.0]


@pytest.mark.parametrize("alpha", [0.05, 0.01])
@pytest.mark.parametrize("information", [None, [0.2, 0.7, 1.0], [2_000, 7_000, 10_000]])
def test_bounds_spend_what_is_allowed(alpha: float, information: Any) -> None:
    """Each look crosses with the probability that its share of the plan adds; whatever the unit."""
    known = TIMES if information is None else information
    lines = bounds(TIMES, alpha, information)
    spent = 4 * stats.norm.sf(stats.norm.isf(alpha / 4) / np.sqrt(TIMES))
    for look in range(1, 4):
        crossed = crossing_probability(lines[:look], known[:look])(0.0)
        assert crossed == pytest.approx(spent[look - 1], rel=1e-7)
    assert spent[-1] == pytest.approx(alpha)
    assert sequential.spent_alpha(TIMES, alpha) == pytest.approx(spent)
    assert sequential.spent_alpha(1.7, alpha) == pytest.approx(alpha)


def test_a_look_without_new_information_or_alpha_has_no_bound() -> None:
    """Its alpha is kept for the next look; very early, nothing is spent."""
    whole = bounds(TIMES)
    repeated = bounds([0.3, 0.3, 0.6, 1.0])
    assert repeated[[0, 2, 3]] == pytest.approx(whole)
    assert np.isinf(repeated[1])
    same = bounds(TIMES, 0.05, [5, 5, 9])
    assert np.isinf(same[1])
    assert same[[0, 2]] == pytest.approx(bounds([0.3, 1.0], 0.05, [5, 9]))
    assert np.isinf(bounds([1e-4, 1.0])).tolist() == [True, False]
    assert bounds([1e-4, 1.0])[1] == pytest.approx(1.959963985)
    assert bounds([1.0, 1.2])[0] == pytest.approx(1.959963985)
    assert np.isinf(bounds([1.0, 1.2])[1])


def test_crossing_under_a_drift_is_that_of_two_looks_by_integration() -> None:
    """Looks without a bound are no looks."""
    lines, times, drift = [2.6, 2.0], [0.4, 1.0], 1.7
    mean, sd = drift * 0.4, 0.4**0.5
    edge = lines[0] * sd
    first = stats.norm.sf(edge, mean, sd) + stats.norm.cdf(-edge, mean, sd)

    def later(x: float) -> float:
        rest = stats.norm(x + drift * 0.6, 0.6**0.5)
        return float(stats.norm.pdf(x, mean, sd) * (rest.sf(2.0) + rest.cdf(-2.0)))

    expected = first + integrate.quad(later, -edge, edge, epsabs=1e-12)[0]
    assert crossing_probability(lines, times)(drift) == pytest.approx(expected, abs=1e-9)
    more = crossing_probability([2.6, np.inf, 2.0], [0.4, 0.7, 1.0])(drift)
    assert more == pytest.approx(expected, abs=1e-9)
    assert crossing_probability(lines, times)(-drift) == pytest.approx(expected, abs=1e-9)
    assert crossing_probability([np.inf], [1.0])(9.0) == 0


@pytest.mark.parametrize(
    ("z", "times", "information"),
    [([1.0, 2.4, 1.0], TIMES, None), ([-4.5, 0.0, 0.0], TIMES, None),
     ([0.5, 1.0, -2.2], TIMES, [0.2, 0.7, 1.0]), ([3.0], [0.5], None), ([1.2], [1.0], None)],
)  # fmt: skip
def test_p_is_the_level_whose_bound_is_just_reached(z: Any, times: Any, information: Any) -> None:
    """At a higher alpha a look crosses, at a lower one none."""
    p = repeated_p(z, times, information)
    for alpha, crosses in ((p * 1.0001, True), (p * 0.9999, False)):
        lines = bounds(times, alpha, information)
        assert bool((np.abs(z) >= lines).any()) is crosses
    if times == [1.0]:
        assert p == pytest.approx(2 * stats.norm.sf(1.2))


def test_p_has_its_limits() -> None:
    """No effect at any look is 1; an effect beyond all measure is next to nothing."""
    assert repeated_p([0.0, 0.0], [0.5, 1.0]) == 1.0
    assert repeated_p([0.1], [0.01]) == 1.0
    assert 0 < repeated_p([60.0], [1.0]) < 1e-290


@pytest.mark.parametrize(
    ("a", "b", "share", "theta", "weight"),
    [(12, 20, 0.5, None, 100.0), (12, 20, 0.3, 0.4, 7.0), (0, 5, 0.5, None, 2.0),
     (5, 0, 0.2, 0.9, 50.0)],
)  # fmt: skip
def test_the_e_process_is_a_ratio_of_likelihoods(a, b, share, theta, weight) -> None:
    """The mean likelihood under a Beta prior around the declared share, over that of the null."""
    prior = stats.beta(weight * share, weight * (1 - share))
    mean = integrate.quad(
        lambda x: prior.pdf(x) * x**b * (1 - x) ** a, 0, 1, epsabs=0, epsrel=1e-11
    )[0]
    null = share if theta is None else theta
    expected = math.log(mean / (null**b * (1 - null) ** a))
    found = sequential.log_bayes_factor(a, b, share, theta, weight)
    assert float(found) == pytest.approx(expected, rel=1e-8)
    assert float(sequential.e_process_p(found)) == pytest.approx(min(1, math.exp(-expected)))


@pytest.mark.parametrize(
    ("a", "b", "share", "alpha", "weight"),
    [(12, 20, 0.5, 0.05, 100.0), (12, 20, 0.3, 0.2, 7.0), (400, 30, 0.1, 0.01, 100.0)],
)
def test_the_interval_of_shares_is_what_the_e_process_keeps(a, b, share, alpha, weight) -> None:
    """At its ends the Bayes factor is 1 / alpha; without conversions of one variant it has none."""
    low, high = (float(x) for x in sequential.share_interval(a, b, share, alpha, weight))
    assert 0 < low < b / (a + b) < high < 1
    for end in (low, high):
        factor = sequential.log_bayes_factor(a, b, share, end, weight)
        assert float(factor) == pytest.approx(-math.log(alpha), abs=1e-8)
    lows, highs = sequential.share_interval([0, 5, 0], [5, 0, 0], share, alpha, weight)
    assert (lows[1], highs[0], lows[2], highs[2]) == (0, 1, 0, 1)
    assert 0 < lows[0] < 1
    assert 0 < highs[1] < 1


def test_a_share_of_conversions_is_a_ratio_of_rates() -> None:
    """Two thirds of the conversions from a fifth of the visitors: eight times the rate."""
    assert float(sequential.rate_ratio(2 / 3, 0.2)) == pytest.approx(8)
    assert sequential.rate_ratio([0.2, 1.0], 0.2).tolist() == pytest.approx([1, math.inf])


@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_the_sequence_and_its_p_are_inverse(alpha: float) -> None:
    """At its critical value, p is alpha, for any visitors and scale; at 0 it is 1."""
    for n, tuned in ((300, 5_000), (5_000, 5_000), (90_000, 800)):
        scale = sequential.mixture_scale(alpha, tuned)
        weight = n * scale**2
        line = (2 * (weight + 1) / weight * math.log((weight + 1) ** 0.5 / alpha)) ** 0.5
        critical = float(sequential.sequence_critical(n, scale, alpha))
        assert critical == pytest.approx(line)
        assert float(sequential.sequence_p(critical, n, scale)) == pytest.approx(alpha)
        assert float(sequential.sequence_p(-critical, n, scale)) == pytest.approx(alpha)
        assert float(sequential.sequence_p(0, n, scale)) == 1
    widths = [
        float(sequential.sequence_critical(1_000, sequential.mixture_scale(alpha, tuned), alpha))
        for tuned in (900, 1_000, 1_100)
    ]
    assert min(widths) == widths[1]  # narrowest where it is tuned to


def test_the_prior_of_counts_is_as_wide_as_the_sequence() -> None:
    """Its relative variance 1 / (k + 1) is r^2; the weight is at least 1."""
    for conversions, alpha in ((3_000, 0.05), (500, 0.01)):
        scale = sequential.mixture_scale(alpha, conversions)
        weight = sequential.tuned_concentration(conversions, alpha)
        assert 1 / (weight + 1) == pytest.approx(scale**2)
    assert sequential.tuned_concentration(1) == 1.0
    assert sequential.mixture_scale() == sequential.mixture_scale(0.05, 5_000)
    assert special.ndtr(-sequential.FARTHEST) < 1e-30
