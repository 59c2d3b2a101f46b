"""Where Fieller's interval is not available, and the degrees of freedom of few buyers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from d1lab.stats import means
from d1lab.stats.means import Pairs, Sums


def test_fieller_needs_a_mean_clearly_above_zero() -> None:
    """A's mean at 1.9, 2.1, and -2.1 of its standard errors; the second alone is known."""
    b = Sums.of(1_000, 200, 4_000)
    for total, known in ((119.0, False), (134.0, True), (-134.0, False)):
        a = Sums.of(1_000, total, 4_000)
        low, high = means.ratio_interval(means.welch(a, b), 1.96)
        assert (np.isfinite(low), np.isfinite(high)) == (known, known), total


def test_buyers_limit_the_degrees_of_freedom() -> None:
    """The variant with fewer buyers, minus one; never below one."""
    both = means.welch(Sums.of(1_000, 200, 4_000), Sums.of(1_000, 210, 4_000))
    assert means.counting_buyers(both, 40, 30).freedom == 29
    assert means.counting_buyers(both, 40, 0).freedom == 1
    assert means.counting_buyers(both, 5_000, 5_000).freedom == pytest.approx(both.freedom)


def test_strata_weigh_by_their_visitors() -> None:
    """By hand: means 1 and 10 of A, 3 and 11 of B; weights 1/4 and 3/4; one stratum is Welch's."""
    a = Sums.of([2, 6], [2, 60], [4, 630])  # variances 2 and 6
    b = Sums.of([2, 6], [6, 66], [20, 756])  # variances 2 and 6
    found = means.stratified(a, b)
    assert (found.a, found.b) == (0.25 * 1 + 0.75 * 10, 0.25 * 3 + 0.75 * 11)
    within = (1 / 16) * 2 / 2, (9 / 16) * 6 / 6
    assert found.variance_a == found.variance_b == pytest.approx(sum(within))
    squares = 2 * (within[0] ** 2 / 1 + within[1] ** 2 / 5)
    assert found.freedom == pytest.approx((2 * sum(within)) ** 2 / squares)
    one = means.stratified(*(Sums(*(part[:1] for part in each)) for each in (a, b)))
    plain = means.welch(Sums.of(2, 2, 4), Sums.of(2, 6, 20))
    assert np.ravel(one) == pytest.approx(np.ravel(plain))


def test_rounding_is_no_variance() -> None:
    """Sums of equal values; with one visitor there is no spread at all."""
    equal = Sums.of(3, 0.3, 0.1 * 0.1 * 3)
    assert equal.variance == 0
    assert Sums.of([1, 2], [5, 5], [25, 13]).variance.tolist() == pytest.approx([0, 0.5])
    assert Sums.of(1, 5, 30).variance == pytest.approx(5)  # not divided by nothing
    assert Sums.of(4, 8, 18).mean == 2


def test_without_variance_there_is_no_statistic() -> None:
    """NaN, whatever the means; with a variance of one variant there is one."""
    flat, b = Sums.of(4, 8, 16), Sums.of(4, 9, 25)
    none = means.welch(flat, Sums.of(4, 12, 36))
    assert np.isnan(means.t_statistic(none))
    assert none.freedom == 1
    one = means.welch(flat, b)
    t = 0.25 / (4.75 / 3 / 4) ** 0.5
    assert means.t_statistic(one) == pytest.approx(t)
    assert one.freedom == pytest.approx(3)
    assert means.p_value(one) == pytest.approx(2 * stats.t.sf(t, 3))
    assert means.normal_z(one) == pytest.approx(stats.norm.isf(stats.t.sf(t, 3)))
    back = means.normal_z(means.welch(b, flat))
    assert back == pytest.approx(-float(means.normal_z(one)))
    endless = one._replace(freedom=np.asarray(np.inf))
    assert means.normal_z(endless) == pytest.approx(t)
    assert means.p_value(endless) == pytest.approx(2 * stats.norm.sf(t))


def test_a_normal_quantile_becomes_one_of_students_t() -> None:
    """With the same tail; it is infinite where no tail is left, or none that has a number."""
    found = means.t_critical([5.0, np.inf, 29, np.inf, 5.0, 1e3], [1.96, 1.96, 36.9, 40, 36.9, 37])
    assert found[0] == pytest.approx(stats.t.isf(stats.norm.sf(1.96), 5))
    assert found[1] == 1.96
    assert found[2] == pytest.approx(9.02e10, rel=0.01)
    assert found[3] == 40.0
    assert found[4:].tolist() == [np.inf, np.inf]


def test_fieller_by_hand() -> None:
    """The ratios rho at which (b - rho a)^2 is t^2 times its variance."""
    both = means.welch(Sums.of(50, 100, 300), Sums.of(60, 150, 500))
    low, high = (float(end) for end in means.ratio_interval(both, 1.5))
    t = float(means.t_critical(both.freedom, 1.5))
    for rho in (low, high):
        spread = both.variance_b + rho**2 * both.variance_a
        assert abs(both.b - rho * both.a) == pytest.approx(t * float(spread) ** 0.5)
    assert low < 1.25 < high
    none = means.ratio_interval(both._replace(a=np.asarray(0.0)), 1.5)
    assert np.isnan(none).all()


def test_a_covariate_without_spread_adjusts_nothing() -> None:
    """And one that explains everything leaves no variance, never a negative one."""
    y = (40, 90, 300)
    a, b = Pairs.of(*y, 40, 40, 90), Pairs.of(40, 99, 320, 40, 40, 99)
    plain = means.welch(a.outcome, b.outcome)
    assert np.ravel(means.cuped(a, b)) == pytest.approx(np.ravel(plain))
    same = Pairs.of(*y, 90, 300, 300)
    exact = means.cuped(same, same)
    assert (exact.variance_a, exact.a) == (pytest.approx(0, abs=1e-15), pytest.approx(2.25))


def test_a_ratio_has_the_variance_of_the_delta_method() -> None:
    """Of y - r x per visitor, over the mean of x squared."""
    rng = np.random.default_rng(5)
    x, y = rng.poisson(3, (2, 30)) + 1.0, rng.gamma(2, 3, (2, 30))
    pairs = [Pairs.of(30, v.sum(), (v * v).sum(), u.sum(), (u * u).sum(), (u * v).sum())
             for u, v in zip(x, y, strict=True)]  # fmt: skip
    found = means.ratio_of_means(*pairs)
    for u, v, mean, variance in zip(x, y, (found.a, found.b),
                                    (found.variance_a, found.variance_b), strict=True):  # fmt: skip
        ratio = v.sum() / u.sum()
        assert mean == pytest.approx(ratio)
        assert variance == pytest.approx((v - ratio * u).var(ddof=1) / 30 / u.mean() ** 2)
    assert pairs[0].covariance == pytest.approx(np.cov(x[0], y[0])[0, 1])
    assert pairs[0].other.mean == pytest.approx(x[0].mean())
