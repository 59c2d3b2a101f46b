"""Charts: descriptions, limits, escaped data, and rendering."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import xml.etree.ElementTree as ET

import pandas as pd
import polars as pl
import pytest
import vl_convert

from d1lab import charts
from d1lab.charts.theme import MIME, PALETTE, palette_css
from d1lab.errors import InputError, UnknownName

HOSTILE = "</script><script>alert(1)</script>"
WORDS = {"title": "Revenue doubled", "description": "A line that rises from 10 to 20."}


def days(count: int) -> list[dt.date]:
    return [dt.date(2026, 1, 1) + dt.timedelta(days=i) for i in range(count)]


def svg(chart) -> str:
    """Render the chart with Vega."""
    spec = chart.to_dict()
    spec["width"] = 400
    text = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    ET.fromstring(text)
    return text


def test_planning_and_pages_import_no_altair():
    """A run with nothing to do needs neither Altair nor pandas, which take longer than it does."""
    program = (
        "import sys, d1lab.jobs.run, d1lab.pages.index\n"
        "print({'altair', 'pandas', 'scipy'} & set(sys.modules))\n"
        "from d1lab.charts import line\n"
        "print('altair' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split("\n")[:2] == ["set()", "True"], done.stderr


FRAME = pd.DataFrame({"day": days(3), "revenue": [10.0, None, 20.0], "code": ["A", "B", "A"]})
FORMS = {
    "line": lambda **k: charts.line(FRAME, "day", "revenue", **k),
    "bar": lambda **k: charts.bar(FRAME, "day", "revenue", **k),
    "lying bar": lambda **k: charts.bar(FRAME, "code", "revenue", color="code", **k),
    "points": lambda **k: charts.points(FRAME, "day", "revenue", name="code", **k),
    "interval": lambda **k: charts.interval(FRAME, "code", "revenue", "revenue", "revenue", **k),
    "heatmap": lambda **k: charts.heatmap(FRAME, "code", "day", "revenue", **k),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_draws_and_describes_itself(form, monkeypatch):
    """In a run, each form is valid Vega-Lite with title and description, and can be rendered."""
    monkeypatch.setenv("D1LAB_RUN_DIR", "run")
    chart = FORMS[form](**WORDS)
    bundle = chart._repr_mimebundle_()
    assert set(bundle) == {MIME, "text/plain"}
    assert bundle["text/plain"] == WORDS["description"]
    assert bundle[MIME]["description"] == WORDS["description"]
    json.dumps(bundle, allow_nan=False)
    assert "<svg" in svg(chart)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("missing", ["title", "description"])
def test_every_form_demands_words(form, missing):
    """A chart without a description is rejected."""
    with pytest.raises(InputError, match="title or description missing"):
        FORMS[form](**{**WORDS, missing: " "})


def test_unknown_column_proposes_the_nearest():
    """For a typo, the error suggests the column."""
    with pytest.raises(UnknownName, match="Did you mean 'revenue'"):
        charts.line(FRAME, "day", "revenu", **WORDS)


def test_too_much_to_draw_is_refused():
    """Charts require aggregated data; the error says what to do."""
    many = pl.DataFrame({"x": range(5_001), "name": [f"n{i}" for i in range(5_001)]})
    with pytest.raises(InputError, match=r"too many rows \(5,001"):
        charts.line(many, "x", "x", **WORDS)
    with pytest.raises(InputError, match="1,000"):
        charts.points(many, "x", "x", **WORDS)
    with pytest.raises(InputError, match="at most 40"):
        charts.bar(many.head(41), "name", "x", **WORDS)
    with pytest.raises(InputError, match="only six colors"):
        charts.line(many.head(7), "x", "x", color="name", **WORDS)


def test_days_are_local_days():
    """A day is not parsed as midnight UTC, which is the previous day west of Greenwich."""
    spec = charts.line(FRAME, "day", "revenue", **WORDS).to_dict()
    assert spec["data"]["values"][0]["x"] == "2026-01-01T00:00:00"


def test_bars_of_weeks_are_a_week_wide():
    """The last bar has the same width as the others."""
    weeks = pd.DataFrame({"week": days(15)[::7], "orders": [1, 2, 3]})
    values = charts.bar(weeks, "week", "orders", **WORDS).to_dict()["data"]["values"]
    assert [v["x_end"][:10] for v in values] == ["2026-01-08", "2026-01-15", "2026-01-22"]


def test_hostile_names_and_values_stay_text():
    """Names of columns and cells never become markup, a path, or a field expression."""
    name = "a.b[0]" + HOSTILE
    frame = pd.DataFrame({name: [HOSTILE, "x" * 5_000], "n": [1, 2]})
    chart = charts.bar(frame, name, "n", **WORDS)
    assert "<script" not in svg(chart)
    assert len(chart.to_dict()["data"]["values"][1]["x"]) == 120


def test_units_reach_axis_and_tooltip():
    """Axes and tooltips have labels and units."""
    spec = charts.bar(
        FRAME, "day", "revenue", units={"revenue": "USD"}, labels={"revenue": "Sales"}, **WORDS
    ).to_dict()
    encoding = spec["layer"][0]["encoding"]
    assert encoding["y"]["axis"]["format"] == "$,.6~g"
    assert encoding["y"]["title"] == "Sales"
    assert encoding["tooltip"][1] == {
        "field": "y",
        "format": "$,.2f",
        "title": "Sales",
        "type": "quantitative",
    }


def test_numbers_come_along_for_the_page():
    """usermeta has the labels of the columns, so that the page can show a chart's rows."""
    spec = charts.line(FRAME, "day", "revenue", units={"revenue": "USD"}, **WORDS).to_dict()
    columns = spec["usermeta"]["d1lab"]["columns"]
    assert [(c["name"], c["label"], c["kind"]) for c in columns] == [
        ("x", "Day", "date"),
        ("y", "Revenue", "money"),
    ]


def luminance(colour: str) -> float:
    """Return the relative luminance (WCAG 2.2)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_palette_keeps_contrast(scheme):
    """Text has a contrast of 4.5:1 and marks 3:1, on both backgrounds."""
    for ground in ("paper", "raised"):
        paper = PALETTE[ground][scheme]
        for name in ("ink", "muted", "accent", "bad"):
            assert contrast(PALETTE[name][scheme], paper) >= 4.5, (name, ground)
        for name in ("ochre", "plum", "slate", "grey"):
            assert contrast(PALETTE[name][scheme], paper) >= 3, (name, ground)


def test_drawn_colours_follow_the_scheme():
    """Every color of a chart has a variant for the dark scheme of the page."""
    css = palette_css()
    for form in FORMS.values():
        for part in svg(form(**WORDS)).split('="#')[1:]:
            colour = "#" + part.split('"')[0]
            assert f'="{colour}"]' in css, colour
