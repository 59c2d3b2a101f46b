"""Where Fieller's interval is not available, and the degrees of freedom of few buyers."""

from __future__ import annotations

import numpy as np
import pytest

from d1lab.stats import means
from d1lab.stats.means import Sums


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
