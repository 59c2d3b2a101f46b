"""Scales: ticks are round, few, and labeled with no more digits than they need."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d1lab.charts.scales import TICKS, days_of, number, number_scale, time_scale
from d1lab.display.table import TableColumn


def column(kind="number", unit=""):
    return TableColumn("y", "Y", unit, kind)


@pytest.mark.parametrize(
    ("values", "kind", "unit", "expected"),
    [
        ([0, 5_200], "integer", "", ["0", "2,000", "4,000", "6,000"]),
        ([-0.03, 0.271], "percent", "", ["−10%", "0%", "10%", "20%", "30%"]),
        ([0, 0.0042], "percent", "", ["0.0%", "0.2%", "0.4%", "0.6%"]),
        ([0, 1_200_000], "money", "USD", ["$0", "$0.5M", "$1.0M", "$1.5M"]),
        ([12_000, 48_000], "money", "EUR", ["€0", "€20k", "€40k", "€60k"]),
        ([0, 3e9], "money", "JPY", ["¥0", "¥1B", "¥2B", "¥3B"]),
        ([-644, 2_000], "money", "USD", ["−$1,000", "$0", "$1,000", "$2,000"]),
        ([0, 2], "integer", "", ["0", "1", "2"]),
        ([0, 0], "integer", "", ["0", "1"]),
    ],
)
def test_ticks_are_round_and_labeled(values, kind, unit, expected):
    """Thousands and millions are short, and integers have no halves."""
    scale = number_scale(values, column(kind, unit), zero=True)
    assert [tick.label for tick in scale.ticks] == expected


@given(st.lists(st.floats(-1e9, 1e9).filter(lambda v: v == 0 or abs(v) > 1e-6), max_size=8))
def test_scale_holds_all_values(values):
    """All values lie between the ends, which are ticks; labels of ticks differ."""
    scale = number_scale(values, column(), zero=False)
    assert scale.low < scale.high
    slack = 1e-6 * max(1.0, abs(scale.low), abs(scale.high))
    assert all(scale.low - slack <= value <= scale.high + slack for value in values)
    assert 2 <= len(scale.ticks) <= TICKS + 2
    assert (scale.ticks[0].value, scale.ticks[-1].value) == (scale.low, scale.high)


def test_values_that_are_not_finite_have_no_place():
    """They neither stretch the scale nor are numbers."""
    scale = number_scale([1.0, math.inf, math.nan], column(), zero=True)
    assert scale.high == 1
    assert scale.share(math.inf) == 1
    assert [number(v) for v in (math.inf, math.nan, True, "3", None, 3)] == [None] * 5 + [3.0]


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("2026-01-01", "2026-01-03", ["Jan 1", "Jan 2", "Jan 3"]),
        ("2026-03-03", "2026-05-31", ["Mar 3", "Mar 31", "Apr 28", "May 26"]),
        ("2017-01-01", "2017-12-31", ["Jan 2017", "Apr 2017", "Jul 2017", "Oct 2017"]),
        ("2010-01-01", "2026-12-31", ["2010", "2015", "2020", "2025"]),
        ("2026-05-01", "2026-05-01", ["May 1"]),
        ("2026-05-01T01:00:00", "2026-05-01T09:00:00", ["03:00", "06:00", "09:00"]),
    ],
)
def test_dates_are_labeled_by_the_length_of_the_period(first, last, expected):
    """Days, then months, then years; a single day stands in the middle."""
    scale = time_scale([days_of(first), days_of(last)])
    assert [tick.label for tick in scale.ticks] == expected
    assert all(0 <= scale.share(tick.value) <= 1 for tick in scale.ticks)
    if first == last:
        assert scale.share(days_of(first)) == 0.5
