"""Charts of `charts.*` are drawn without Vega, and only as their functions made them."""

from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from html import unescape

import pandas as pd
import pytest

from d1lab import charts
from d1lab.charts.drawn import draw_form
from d1lab.charts.theme import palette_css

WORDS = {"title": "Revenue doubled", "description": "A line that rises from 10 to 20."}
HOSTILE = '</svg></script><script>alert(1)</script>" onload="x'
DAYS = [dt.date(2026, 1, 1) + dt.timedelta(days=i) for i in range(3)]
FRAME = pd.DataFrame({"day": DAYS, "revenue": [10.0, None, 20.0], "code": ["A", "B", HOSTILE]})
FORMS = {
    "line": lambda **k: charts.line(FRAME, "day", "revenue", color="code", **k),
    "column": lambda **k: charts.bar(FRAME, "day", "revenue", color="code", **k),
    "bar": lambda **k: charts.bar(FRAME, "code", "revenue", **k),
    "points": lambda **k: charts.points(FRAME, "day", "revenue", name="code", **k),
    "interval": lambda **k: charts.interval(FRAME, "code", "revenue", "revenue", "revenue", **k),
    "heatmap": lambda **k: charts.heatmap(FRAME, "code", "day", "revenue", **k),
}


def drawn(chart) -> str:
    html = draw_form(chart.to_dict())
    assert html is not None
    return html


def tips(html: str) -> list[str]:
    """The texts of all tips, in order."""
    several = [t for each in re.findall(r'data-tips="([^"]*)"', html) for t in each.split("\n")]
    texts = [text.split(" ", 2)[2] for text in several]
    return [unescape(t) for t in (*texts, *re.findall(r'data-tip="([^"]*)"', html))]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_drawn_as_shapes_and_text(form):
    """Data stays text, every color follows the scheme, and every known value has a tip."""
    html = drawn(FORMS[form](**WORDS))
    root = ET.fromstring(f"<div>{html}</div>")
    assert "script" not in {element.tag for element in root.iter()}
    names = {name for element in root.iter() for name in element.attrib}
    assert not {name for name in names if name.startswith(("on", "style", "href"))}
    css = palette_css()
    colors = set(re.findall(r'="(#[0-9a-f]{6})"', html))
    assert colors
    assert all(f'="{color}"]' in css for color in colors)
    assert any("10" in tip for tip in tips(html))


def test_drawing_needs_no_vega():
    """A page with charts of `charts.*` starts no renderer, and imports neither Vega nor Altair."""
    specs = [form(**WORDS).to_dict() for form in FORMS.values()]
    program = (
        "import json, sys\n"
        "from d1lab.pages.svg import draw\n"
        "print([len(draw(spec, 'c-')) > 500 for spec in json.load(sys.stdin)])\n"
        "print({'vl_convert', 'altair', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(specs), capture_output=True, text=True
    )
    assert done.stdout.split("\n")[:2] == [str([True] * len(FORMS)), "set()"], done.stderr


def test_a_changed_chart_is_left_to_vega():
    """Only title and description may differ from what the function made."""
    chart = FORMS["line"](**WORDS)
    assert draw_form(chart.properties(title="Other").to_dict())
    assert draw_form(chart.properties(height=500).to_dict()) is None
    assert draw_form(chart.interactive().to_dict()) is None
    assert draw_form({"mark": "bar", "data": {"values": [{"a": 1}]}}) is None


def test_form_that_cannot_be_drawn_is_left_to_vega():
    """Names across have no scale."""
    chart = charts.line(FRAME, "code", "revenue", **WORDS)
    assert draw_form(chart.to_dict()) is None
