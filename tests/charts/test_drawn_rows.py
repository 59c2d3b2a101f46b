"""Bars, intervals, and heat maps: one row per name."""

from __future__ import annotations

import re

import pandas as pd

from d1lab import charts
from d1lab.charts.theme import light
from tests.charts.test_drawn import WORDS, drawn, tips


def test_bars_stand_at_zero_in_the_order_of_the_frame():
    """Each bar has its name and its value beside it; losses go left of the zero line."""
    frame = pd.DataFrame({"code": ["B", "A"], "n": [30.0, -10.0]})
    html = drawn(charts.bar(frame, "code", "n", units={"n": "USD"}, **WORDS))
    assert re.findall(r'<rect x="(\S+)" width="(\S+)"', html) == [("25%", "75%"), ("0%", "25%")]
    assert re.findall(r'dir="auto">(\w)<', html) == ["B", "A"]
    assert re.findall(r"<span>([^<]+)<", html) == ["$30.00", "−$10.00"]
    assert tips(html) == ["B: N $30.00", "A: N −$10.00"]


def test_interval_is_marked_only_if_it_excludes_the_reference():
    """An interval that holds the reference is gray: nothing is sure."""
    frame = pd.DataFrame(
        {
            "code": ["above", "across", "below", "unknown"],
            "lift": [0.2, 0.2, -0.2, None],
            "low": [0.1, -0.1, -0.3, None],
            "high": [0.3, 0.5, -0.1, None],
        }
    )
    kinds = dict.fromkeys(("lift", "low", "high"), "percent")
    chart = charts.interval(frame, "code", "lift", "low", "high", reference=0, kinds=kinds, **WORDS)
    html = drawn(chart)
    dots = re.findall(r'<circle [^>]*fill="([^"]+)"', html)
    assert dots == [light("accent"), light("grey"), light("accent")]
    assert tips(html)[0] == "above: Lift 20.0% (10.0% to 30.0%)"
    assert tips(html)[3] == "unknown: Lift – (– to –)"


def test_interval_without_an_end_reaches_the_edge():
    """An unlimited end does not stretch the axis."""
    frame = pd.DataFrame({"code": ["a"], "n": [1.0], "low": [0.0], "high": [float("inf")]})
    html = drawn(charts.interval(frame, "code", "n", "low", "high", **WORDS))
    assert 'x="0%" width="100%"' in html
    assert "unlimited" in tips(html)[0]


def test_heat_map_shades_and_names_its_cells():
    """The largest cell is the darkest; a missing one is empty; wide ones scroll on a phone."""
    frame = pd.DataFrame(
        [(f"m{a}", f"c{b}", a * b if a else None) for a in range(12) for b in range(3)],
        columns=["x", "y", "n"],
    )
    html = drawn(charts.heatmap(frame, "x", "y", "n", **WORDS))
    shades = re.findall(r'fill-opacity="(\S+)"', html)
    assert len(shades) == 33
    assert float(max(shades)) > 5 * float(min(shades))
    assert re.search(r'class="g\d+ w35"', html)
    assert "m11, c2: N 22" in tips(html)
