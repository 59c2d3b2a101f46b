"""Two rates: the statistics by their definitions, and inputs at their limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats

from d1lab.stats import proportions, sequential
from d1lab.stats.proportions import Rates, running_sample_ratio_p, sample_ratio_p

CASES = [(30, 400, 45, 500), (0, 40, 5, 42), (3, 40, 0, 42), (40, 40, 30, 42), (9, 10, 3, 400)]


@pytest.mark.parametrize(
    ("a", "b", "share", "is_exact"),
    [(12, 8, 0.5, False), (12, 7, 0.5, True), (80, 20, 0.1, False), (80, 19, 0.1, True),
     (8, 11, 0.5, True), (20, 80, 0.9, False), (20, 79, 0.9, True), (9_000, 9_300, 0.5, False)],
)  # fmt: skip
def test_a_split_is_tested_exactly_below_10_expected_visitors(a, b, share, is_exact) -> None:
    """Else by chi-square with one degree of freedom."""
    n = a + b
    chi = (b - n * share) ** 2 / (n * share) + (a - n * (1 - share)) ** 2 / (n * (1 - share))
    tails = stats.binom(n, share).cdf(b), stats.binom(n, share).sf(b - 1)
    expected = min(2 * min(tails), 1) if is_exact else stats.chi2(1).sf(chi)
    assert sample_ratio_p(a, b, share) == pytest.approx(expected, rel=1e-9)
    assert sample_ratio_p(0, 0, share) == 1.0


def test_a_running_split_has_the_smallest_p_of_its_looks() -> None:
    """With the weight of 10,000 visitors, and never above 1."""
    a, b = [100, 5_000, 9_000], [90, 5_600, 9_100]
    factors = [
        float(sequential.log_bayes_factor(*both, 0.5, concentration=10_000.0))
        for both in zip(a, b, strict=True)
    ]
    found = running_sample_ratio_p(a, b, 0.5)
    assert found == pytest.approx(math.exp(-max(factors)))
    assert found < 1e-3
    assert running_sample_ratio_p([100], [100], 0.5) == 1.0


@pytest.mark.parametrize("counts", CASES)
def test_statistics_have_the_most_likely_rates_of_the_null(counts) -> None:
    """Found by a search: rates whose difference, or ratio, is the null's; N / (N - 1) corrects."""
    xa, na, xb, nb = counts
    rates = Rates.of(*counts)
    total = na + nb

    def likely(pa: float, pb: float) -> float:
        with np.errstate(all="ignore"):
            return float(np.sum(stats.binom.logpmf([xa, xb], [na, nb], [pa, pb])))

    def best(low: float, high: float, other) -> float:
        found = optimize.minimize_scalar(
            lambda p: -likely(p, other(p)), bounds=(low, high), method="bounded",
            options={"xatol": 1e-11},
        )  # fmt: skip
        return float(found.x)

    for null in (-0.2, 0.03, 0.3):
        pa = best(max(0, -null), min(1, 1 - null), lambda p, d=null: p + d)
        pb = pa + null
        variance = (pa * (1 - pa) / na + pb * (1 - pb) / nb) * total / (total - 1)
        z = (xb / nb - xa / na - null) / variance**0.5
        assert float(proportions.difference_z(rates, null)) == pytest.approx(z, rel=1e-4, abs=1e-6)
    for ratio in (0.5, 1.3, 3.0):
        pa = best(0, min(1, 1 / ratio), lambda p, r=ratio: p * r)
        pb = pa * ratio
        spread = pb * (1 - pb) / nb + ratio**2 * pa * (1 - pa) / na
        z = (xb / nb - ratio * xa / na) / (spread * total / (total - 1)) ** 0.5
        assert float(proportions.ratio_z(rates, ratio)) == pytest.approx(z, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("counts", CASES)
@pytest.mark.parametrize("critical", [1.0, 2.5])
def test_intervals_hold_what_is_not_rejected(counts, critical) -> None:
    """At each end, the statistic is the critical value; an end without conversions is open."""
    xa, na, xb, nb = counts
    rates = Rates.of(*counts)
    low, high = (float(end) for end in proportions.difference_interval(rates, critical))
    assert -1 <= low < xb / nb - xa / na < high <= 1
    assert float(proportions.difference_z(rates, low)) == pytest.approx(critical, abs=1e-6)
    assert float(proportions.difference_z(rates, high)) == pytest.approx(-critical, abs=1e-6)
    low, high = (float(end) for end in proportions.ratio_interval(rates, critical))
    if xb:
        assert float(proportions.ratio_z(rates, low)) == pytest.approx(critical, abs=1e-6)
    else:
        assert low == 0
    if xa:
        assert float(proportions.ratio_z(rates, high)) == pytest.approx(-critical, abs=1e-6)
    else:
        assert high == math.inf


def test_an_infinite_critical_value_leaves_everything_open() -> None:
    rates = Rates.of([30, 30], [400, 400], [45, 45], [500, 500])
    lines = np.array([math.inf, 1.96])
    low, high = proportions.ratio_interval(rates, lines)
    assert (low[0], high[0]) == (0, math.inf)
    assert 0 < low[1] < 1.2 < high[1] < 3
    low, high = proportions.difference_interval(rates, lines)
    assert (low[0], high[0]) == pytest.approx((-1, 1))


@pytest.mark.parametrize(
    ("counts", "z"),
    [((0, 30, 0, 40), 0.0), ((30, 30, 40, 40), 0.0), ((0, 30, 40, 40), math.sqrt(70))],
)
def test_all_or_none_have_a_statistic(counts, z) -> None:
    """None in both is no difference; none and all are as far as can be."""
    rates = Rates.of(*counts)
    assert float(proportions.score_z(rates)) == pytest.approx(z)
    assert float(proportions.score_p(rates)) == pytest.approx(2 * stats.norm.sf(z))
    assert float(proportions.difference_z(rates, 0.0)) == pytest.approx(z, rel=0.01)


@pytest.mark.parametrize(
    ("counts", "smallest"),
    [((30, 400, 45, 500), 400 * 75 / 900), ((45, 500, 30, 400), 400 * 75 / 900),
     ((390, 400, 480, 500), 400 * 30 / 900), ((0, 4, 0, 5), 0)],
)  # fmt: skip
def test_the_smallest_expected_count_is_of_the_smaller_variant(counts, smallest) -> None:
    """Of those who convert, or do not, whichever is rarer."""
    assert float(proportions.smallest_expected(Rates.of(*counts))) == pytest.approx(smallest)


@pytest.mark.parametrize("counts", [(3, 10**7, 9, 10**7), (50, 900, 80, 1_100), (5, 10**6, 2, 900)])
@pytest.mark.parametrize("null", [1e-7, -1e-6, 0.002])
def test_rates_near_0_have_all_their_digits(counts, null) -> None:
    """The root of the likelihood's derivative, to the last digits."""
    xa, na, xb, nb = counts

    def slope(p: float) -> float:
        return xa / p - (na - xa) / (1 - p) + xb / (p + null) - (nb - xb) / (1 - p - null)

    low = max(0.0, -null)
    pa = optimize.brentq(slope, low + 1e-16, 0.9, xtol=1e-22, rtol=1e-15)
    pb = pa + null
    total = na + nb
    variance = (pa * (1 - pa) / na + pb * (1 - pb) / nb) * total / (total - 1)
    z = (xb / nb - xa / na - null) / variance**0.5
    assert float(proportions.difference_z(Rates.of(*counts), null)) == pytest.approx(z, rel=1e-9)
