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
