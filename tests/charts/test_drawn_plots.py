"""Lines, columns, and points: where each value stands."""

from __future__ import annotations

import datetime as dt
import re

import pandas as pd

from d1lab import charts
from tests.charts.test_drawn import WORDS, drawn, tips

DAYS = [dt.date(2026, 1, 1) + dt.timedelta(days=i) for i in range(5)]


def paths(html: str) -> list[str]:
    return re.findall(r'<path d="([^"]+)"', html)


def test_line_breaks_where_a_value_is_missing():
    """A missing value is a gap, and a lone value a dot; neither is zero."""
    frame = pd.DataFrame({"day": DAYS, "n": [10.0, 20.0, None, 20.0, None]})
    (path,) = paths(drawn(charts.line(frame, "day", "n", **WORDS)))
    assert path == "M0 100L250 0M750 0h0"


def test_steps_keep_a_value_until_the_next():
    """Stock does not slope between two counts."""
    frame = pd.DataFrame({"day": DAYS[:3], "n": [10.0, 20.0, 0.0]})
    (path,) = paths(drawn(charts.line(frame, "day", "n", step=True, **WORDS)))
    assert path == "M0 100H500V0H1000V200"


def test_band_spans_the_ends_where_both_are_known():
    """The band goes along the high ends and back along the low ones."""
    ends = {"low": [5.0, 10.0, None], "high": [15.0, 20.0, 20.0]}
    frame = pd.DataFrame({"day": DAYS[:3], "n": [10.0, 15.0, 15.0], **ends})
    band, _ = paths(drawn(charts.line(frame, "day", "n", low="low", high="high", **WORDS)))
    assert band == "M0 50L500 0L500 100L0 150Z"


def test_tip_tells_date_value_and_range():
    """As a reader would say it, with the unit."""
    frame = pd.DataFrame({"day": DAYS[:1], "n": [1_234.5], "low": [1_000.0], "high": [2_000.0]})
    units = dict.fromkeys(("n", "low", "high"), "USD")
    chart = charts.line(frame, "day", "n", low="low", high="high", units=units, **WORDS)
    (tip,) = tips(drawn(chart))
    assert tip == "Jan 1, 2026: N $1,234.50 ($1,000.00 to $2,000.00)"


def test_columns_start_at_zero_and_stack():
    """Parts of a day follow each other; negative ones go down from zero."""
    frame = pd.DataFrame(
        {"day": [DAYS[0]] * 3, "n": [10, 10, -20], "part": ["a", "b", "c"], "end": [DAYS[1]] * 3}
    )
    html = drawn(charts.bar(frame, "day", "n", color="part", x_end="end", **WORDS))
    boxes = re.findall(r'<rect x="0" width="1000" y="(\S+)" height="(\S+)"', html)
    assert boxes == [("50", "50"), ("0", "50"), ("100", "100")]
    assert html.count("<span") == 3


def test_long_curve_keeps_its_extremes_and_stays_small():
    """Five thousand rows take some kilobytes; a spike of one row is still there."""
    values = [1.0] * 5_000
    values[3_333] = 90.0
    frame = pd.DataFrame({"x": range(5_000), "n": values})
    html = drawn(charts.line(frame, "x", "n", **WORDS))
    (path,) = paths(html)
    assert path.count("L") < 1_000
    assert "L555.5 20L" in path
    assert len(tips(html)) <= 401
    assert tips(html)[-1] == "X 4,999; N 1.0"


def test_area_of_a_point_shows_its_size():
    """Four times the size is twice the radius."""
    frame = pd.DataFrame({"x": [1, 2], "y": [1, 2], "size": [100.0, 25.0]})
    html = drawn(charts.points(frame, "x", "y", size="size", **WORDS))
    assert re.findall(r' r="(\S+)"', html) == ["10", "5"]
