"""Money at uneven splits: the right variance, and intervals that agree with the test."""

from __future__ import annotations

import numpy as np
import pytest

from d1lab.stats import means, uneven
from d1lab.stats.means import Sums

A, B = Sums.of(9_000, 9_000, 40_000), Sums.of(1_000, 1_150, 6_000)


def test_variances_are_exchanged_by_buyers() -> None:
    """270 buyers of A and 30 of B: each variance is seen at the other's number of buyers."""
    plain, found = means.welch(A, B), uneven.Uneven(A, B, 270, 30).means
    assert found.variance_a == pytest.approx(plain.variance_a * 9)
    assert found.variance_b == pytest.approx(plain.variance_b / 9)
    assert (found.a, found.b) == (plain.a, plain.b)


def test_degrees_of_freedom_are_effective_buyers() -> None:
    """(sum y)^2 / sum y^2 per buyer, times the smaller variant's buyers, over (1 - 2 s)^2."""
    found = uneven.Uneven(A, B, 270, 30).means
    assert found.freedom == pytest.approx(29)  # never more than the buyers minus one
    heavy = uneven.Uneven(A, Sums.of(1_000, 1_150, 600_000), 270, 30).means
    share = (9_000 + 1_150) ** 2 / (40_000 + 600_000) / 300
    assert heavy.freedom == pytest.approx(30 * share / 0.64)
    heaviest = uneven.Uneven(A, Sums.of(1_000, 1_150, 9e9), 1_890, 210).means
    assert heaviest.freedom == pytest.approx(210 * np.exp(-4) / 0.64)  # and no heavier tail


def test_intervals_agree_with_the_test_at_its_edge() -> None:
    """At the critical value of the observed t, both intervals end at their null."""
    split = uneven.Uneven(A, B, 270, 30)
    edge = np.abs(means.normal_z(split.means))
    assert split.ratio_interval(edge)[0] == pytest.approx(1)
    assert split.difference_interval(edge)[0] == pytest.approx(0, abs=1e-9)
    low, high = split.difference_interval(1.2 * edge)
    assert low < 0 < high


def test_difference_follows_the_ratio_at_each_end() -> None:
    """A larger B has a larger variance, so the interval reaches further up than down."""
    split = uneven.Uneven(A, B, 270, 30)
    low, high = split.difference_interval(1.96)
    middle = float(split.means.b - split.means.a)
    assert high - middle > middle - low > 0


def test_without_a_ratio_the_variance_is_that_of_equal_means() -> None:
    """A's mean is not clearly above 0, so no ratio is known."""
    a, b = Sums.of(9_000, 10, 40_000), Sums.of(1_000, 300, 6_000)
    split = uneven.Uneven(a, b, 270, 30)
    assert np.isnan(split.ratio_interval(1.96)[0])
    ends = means.difference_interval(split.means, 1.96)
    assert split.difference_interval(1.96) == (pytest.approx(ends[0]), pytest.approx(ends[1]))


@pytest.mark.parametrize(
    ("visitors", "uneven_"), [((600, 400), False), ((601, 399), True), ((100, 900), True)]
)
def test_a_split_is_uneven_below_two_fifths(visitors: tuple[int, int], uneven_: bool) -> None:
    """Welch's variance holds from 40% on."""
    assert uneven.is_uneven(*visitors) is uneven_


@pytest.mark.parametrize(("buyers_a", "buyers_b"), [(270, 30), (0, 30), (270, 0)])
def test_each_end_has_the_variance_at_its_ratio(buyers_a: int, buyers_b: int) -> None:
    """Both variants estimate the variance of order values, which differ by rho / g.

    A variant has at least one buyer. The end of an unknown ratio has that of equal means.
    """
    split = uneven.Uneven(A, B, buyers_a, buyers_b)
    x_a, x_b = max(buyers_a, 1), max(buyers_b, 1)
    g, plain = x_a / x_b, means.welch(A, B)
    low, high = split.ratio_interval(1.0)
    ends = split.difference_interval(1.0)
    reach = means.t_critical(split.means.freedom, 1.0)
    for ratio, end, side in ((low, ends[0], -1), (high, ends[1], 1)):
        rho = float(ratio) if np.isfinite(ratio) and ratio > 0 else 1.0
        of_a = plain.variance_a * (1 + rho**2 * g) * g / (1 + g)
        of_b = plain.variance_b * (1 + 1 / (g * rho**2)) / (1 + g)
        expected = plain.b - plain.a + side * reach * np.sqrt(of_a + of_b)
        assert float(end) == pytest.approx(float(expected))
    few = min(x_a, x_b)
    share = np.clip((9_000 + 1_150) ** 2 / 46_000 / (x_a + x_b), np.exp(-4), 1)
    freedom = max(min(few - 1, few * share / 0.64), 1)
    assert float(split.means.freedom) == pytest.approx(freedom)


def test_clusters_at_an_uneven_number_share_their_variance() -> None:
    """8 beside 40: each variance is seen at the other's number, with all but two degrees."""
    a, b = Sums.of(40, 400, 4_100), Sums.of(8, 90, 1_050)
    found, plain = uneven.exchanged(a, b), means.welch(a, b)
    assert found.variance_a == pytest.approx(plain.variance_a * 5)
    assert found.variance_b == pytest.approx(plain.variance_b / 5)
    assert (found.a, found.b, found.freedom) == (plain.a, plain.b, 46)
    assert uneven.exchanged(Sums.of(1, 4, 16), Sums.of(1, 5, 25)).freedom == 1


def test_an_even_split_leaves_no_skewness() -> None:
    """(1 - 2 s)^2 of the smaller share s."""
    assert uneven.skew_left(900, 100) == uneven.skew_left(100, 900) == pytest.approx(0.64)
    assert uneven.skew_left(500, 500) == 1e-9
    assert uneven.skew_left([600, 750], [400, 250]) == pytest.approx([0.04, 0.25])


def test_values_without_squares_have_a_share_all_the_same() -> None:
    """Nothing was spent: as heavy as the heaviest tail."""
    nothing = Sums.of(9_000, 0, 0)
    found = uneven.Uneven(nothing, Sums.of(1_000, 0, 0), 900, 100).means
    assert found.freedom == pytest.approx(100 * np.exp(-4) / 0.64)
