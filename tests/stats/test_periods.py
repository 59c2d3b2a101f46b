"""Changes between two periods, compared with scipy's test and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_ind

from d1lab.errors import InputError
from d1lab.stats.periods import Periods, change


def _sums(days: np.ndarray) -> tuple[float, float]:
    return float(days.sum()), float((days**2).sum())


def test_change_equals_welch():
    """The interval is Welch's on daily amounts, relative to the previous period."""
    random = np.random.default_rng(7)
    now, before = random.gamma(3, 10, size=30), random.gamma(2, 11, size=30)
    (total, squares), (total_before, squares_before) = _sums(now), _sums(before)
    found = change(Periods(total, total_before, squares, squares_before, 30, 30))
    welch = ttest_ind(now, before, equal_var=False).confidence_interval(0.95)
    assert found.ratio == pytest.approx(total / total_before - 1, rel=1e-12)
    assert found.low == pytest.approx(welch.low / before.mean(), rel=1e-9)
    assert found.high == pytest.approx(welch.high / before.mean(), rel=1e-9)
    assert found.beyond_swing == (welch.low > 0 or welch.high < 0)


def test_change_of_nothing_is_rarely_called_one():
    """Without a change, at most one period in twenty is significant."""
    random = np.random.default_rng(20261123)
    now, before = random.poisson(12, size=(2, 4000, 28)).astype(float)
    totals = (now.sum(1), before.sum(1), (now**2).sum(1), (before**2).sum(1))
    found = change(Periods(*totals, days=28, active_days=28))
    assert 0.035 <= np.mean(found.beyond_swing) <= 0.065


@pytest.mark.parametrize(
    ("before", "active", "reason"),
    [(None, 30, "no_history"), (400.0, 13, "few_days"), (400.0, 14, None)],
)
def test_change_abstains_with_its_reason(before, active, reason):
    """Without a previous period, or with few days of sales, there is no interval."""
    found = change(Periods(500.0, before, 9000.0, 6000.0, 30, active))
    assert found.reason == reason
    assert (found.low is None) == (reason is not None)
    assert (found.ratio is None) == (before is None)


def test_change_from_nothing_has_no_ratio():
    """There is no percent change of zero."""
    assert change(Periods(5.0, 0.0, 5.0, 0.0, 30, 14)).ratio is None


def test_change_of_distinct_counts_has_no_interval():
    """A distinct count is not a sum of days, so its change has no interval."""
    found = change(Periods([10, 12], [8, 10], [None, 6.0], [None, 4.0], 30, [None, 20]))
    assert found.ratio == pytest.approx([0.25, 0.2])
    assert np.isnan(found.low[0])
    assert not np.isnan(found.low[1])


def test_change_refuses_single_days():
    """One day has no daily variation."""
    with pytest.raises(InputError):
        change(Periods(5.0, 4.0, 25.0, 16.0, 1, 1))
