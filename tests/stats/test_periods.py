"""Changes between two periods, compared with scipy's test and by simulation."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from scipy.special import stdtrit
from scipy.stats import ttest_ind

from d1lab.errors import InputError
from d1lab.stats.periods import PeriodChange, Periods, change, dates_of, days_before


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


@pytest.mark.parametrize(
    ("change_", "said"),
    [
        ((0.104, 0.02, 0.19, True, None),
         "+10% vs. May, more than normal daily variation (95% range +2% to +19%)."),
        ((-0.1, -0.3, 0.1, False, None),
         "-10% vs. May, within normal daily variation (95% range -30% to +10%)."),
        ((0.1, None, None, False, "few_days"), "+10% vs. May. Significance not available: fewer "
         "than 14 active days in one of the periods."),
        ((0.1, None, None, False, None), "+10% vs. May."),
        ((0.1, float("nan"), float("nan"), False, None), "+10% vs. May."),
        ((None, None, None, False, "no_history"),
         "No comparison: no data for the full previous period."),
        ((None, None, None, False, None), "No comparison: no activity in May."),
        ((float("nan"), None, None, False, None), "No comparison: no activity in May."),
    ],
)  # fmt: skip
def test_changes_are_sentences(change_, said):
    """One for numbers, one each for arrays."""
    assert PeriodChange(*change_).in_words("May") == [said]
    both = PeriodChange(*(np.array([value, value], dtype=object) for value in change_))
    assert both.in_words("May") == [said, said]


@pytest.mark.parametrize(
    ("until", "days", "said", "before"),
    [
        (date(2018, 1, 2), 2, "Jan 1 to Jan 2, 2018",
         "the 2 days before (Dec 30 to Dec 31, 2017)"),
        (date(2018, 1, 2), 3, "Dec 31, 2017 to Jan 2, 2018",
         "the 3 days before (Dec 28 to Dec 30, 2017)"),
        (date(2018, 1, 2), 1, "Jan 2, 2018", "the 1 days before (Jan 1, 2018)"),
    ],
)  # fmt: skip
def test_dates_name_the_year_where_it_changes(until, days, said, before):
    assert dates_of(until, days) == said
    assert days_before(until, days) == before


@pytest.mark.parametrize(
    ("before", "active", "reason", "has_ratio"),
    [(float("nan"), 30, "no_history", False), (float("nan"), 3, "no_history", False),
     (-5.0, 30, None, False), (400.0, 13, "few_days", True)],
)  # fmt: skip
def test_each_amount_of_an_array_has_its_own_reason(before, active, reason, has_ratio):
    """Beside one with an interval; a previous period below 0 has no ratio, and no interval."""
    given = Periods([500.0, 500.0], [before, 400.0], 9_000.0, 6_000.0, 30, [active, 30])
    found = change(given)
    assert found.reason.tolist() == [reason, None]
    assert np.isfinite(found.ratio).tolist() == [has_ratio, True]
    assert np.isfinite(found.low).tolist() == [False, True]
    assert found.beyond_swing.tolist()[0] is False
    assert change(Periods.of(given._asdict())).ratio[1] == found.ratio[1] == 0.25


def test_a_range_without_variation_has_no_width():
    """Equal days in both periods; with two days at least."""
    flat = change(Periods(60.0, 30.0, 1_800.0, 450.0, 2, 14))
    assert (flat.ratio, flat.low, flat.high) == (1.0, None, None)  # no degrees of freedom
    near = change(Periods(60.0, 30.0, 1_802.0, 450.0, 2, 14))
    assert near.low is not None
    t = stdtrit(1, 0.975)
    assert near.high - near.low == pytest.approx(2 * t * (2 / 2) ** 0.5 / 15)
