"""Plots of any frame: the form by the kinds of columns, and whole totals."""

from __future__ import annotations

import pandas as pd
import polars as pl
import pytest

from d1lab.charts.automatic import as_frame, plot
from d1lab.errors import InputError, UnknownName
from d1lab.metrics import shipped_labels


def draw(shown, **chosen):
    options = {"x": None, "y": None, "color": None, "title": "", **chosen}
    return plot(as_frame(shown), **options, labels=shipped_labels(), currency="USD")


def mark(chart) -> str:
    return chart.to_dict()["layer"][0]["mark"]["type"]


DAYS = pd.date_range("2026-01-01", periods=3)


@pytest.mark.parametrize(
    ("shown", "form", "title"),
    [
        (pd.DataFrame({"day": DAYS, "revenue": [1, 2, 3]}), "line", "Revenue by day"),
        (pd.Series([1, 2], index=["a", "b"], name="n"), "bar", "N by index"),
        (pl.DataFrame({"k": ["x", "y"], "v": [1, 2]}), "bar", "V by k"),
        (pd.DataFrame({"a": [1.5, 2], "b": [3.5, 4]}), "point", "B and A"),
        ([1, 2, 2, 3], "bar", "Distribution of Value"),
        (pd.DataFrame({"t": list("aab")}), "bar", "Rows by t"),
        (pd.DataFrame({"t": [True, False], "n": [1, 2]}), "bar", "N by t"),
    ],
)
def test_form_follows_the_columns(shown, form, title):
    """Dates become lines, names bars, two numbers points, one number its distribution."""
    chart = draw(shown)
    assert (mark(chart), chart.title) == (form, title)
    assert "image/svg+xml" in chart._repr_mimebundle_()


def test_two_columns_of_names_are_a_grid():
    """Every pair has one value, so the values stand in a heat map."""
    pairs = [(a, b, i) for i, (a, b) in enumerate((a, b) for a in "abc" for b in "xy")]
    assert mark(draw(pd.DataFrame(pairs, columns=["row", "column", "n"]))) == "rect"


def test_rows_of_one_place_are_added_up():
    """Amounts are summed and percentages averaged, and the title says which."""
    frame = pd.DataFrame({"day": [DAYS[0]] * 2, "revenue": [1.0, 2.0]})
    chart = draw(frame)
    assert chart.title == "Revenue by day, total"
    assert [row["y"] for row in chart.data.values] == [3.0]
    shares = pd.DataFrame({"name": ["a", "a"], "depth": [0.1, 0.3]})
    chart = draw(shares)
    assert chart.title.endswith("mean")
    assert [row["y"] for row in chart.data.values] == [pytest.approx(0.2)]


def test_many_names_are_cut_to_the_largest():
    """At most 40 bars, the largest first, and the title says so."""
    frame = pd.DataFrame({"name": [f"n{i}" for i in range(100)], "n": range(100)})
    chart = draw(frame)
    assert chart.title == "N by name (40 largest of 100)"
    assert chart.data.values[0]["x"] == "n99"


def test_many_points_are_sampled_evenly():
    """At most 1,000 points; the title says which rows."""
    chart = draw(pd.DataFrame({"a": range(2_500), "b": range(2_500)}))
    assert chart.title == "B and A, every 3th row"
    assert len(chart.data.values) == 834


def test_columns_can_be_named_and_keys_are_not_added_up():
    """An id is a name, and a given column wins."""
    frame = pd.DataFrame({"order_id": [1, 2], "n": [3, 4], "m": [5, 6]})
    assert draw(frame).title == "N by order id"
    assert draw(frame, y="m").title == "M by order id"
    with pytest.raises(UnknownName, match="mean 'order_id'"):
        draw(frame, x="order_idd")


def test_what_cannot_be_drawn_says_so():
    """No values, and objects that are no frames."""
    with pytest.raises(InputError, match="no values to plot"):
        draw(pd.DataFrame({"a": [None, None]}))
    with pytest.raises(InputError, match="not dict"):
        draw({})
