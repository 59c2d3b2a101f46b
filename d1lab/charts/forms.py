"""Chart functions for reports: a few forms in one theme, each with a title and a description.

Every function takes an aggregated frame (pandas, polars, Arrow, or a DuckDB relation), the columns
to draw, a `title`, and a `description` for screen readers. Labels, units, and kinds of columns work
as in tables: `labels={"day": "Day"}`, `units={"revenue": "USD"}`, `kinds={"share": "percent"}`.
The functions return an Altair chart. A page draws it without Vega (`d1lab.charts.drawn`), unless it
was made with `interactive=True` or changed afterward.
"""

from __future__ import annotations

from typing import Any, Unpack

from d1lab.charts.encoding import (
    ChartData,
    ColumnMeanings,
    alt,
    color_channel,
    day_ends,
    read_chart_data,
    reference_line,
)
from d1lab.charts.theme import light
from d1lab.display.values import Kind
from d1lab.errors import InputError

MAX_ROWS = 5_000  # of a line chart, with a few bytes per row
MAX_MARKS = 1_000  # of charts with one mark per row
MAX_BARS = 40  # of horizontal bars and intervals, which readers compare one by one


def line(
    frame: Any,
    x: str,
    y: str,
    *,
    title: str,
    description: str,
    color: str | None = None,
    low: str | None = None,
    high: str | None = None,
    reference: float | None = None,
    step: bool = False,
    zero: bool = True,
    **meaning: Unpack[ColumnMeanings],
) -> alt.LayerChart:
    """Draw lines over time or another ordered quantity; at most 5,000 rows.

    Args:
        color: Column that splits the rows into series, at most six.
        low: With `high`, columns with the ends of an interval, drawn as a band.
        reference: Value of y drawn as a dashed line.
        step: Whether to keep each value until the next, as for stock or survival curves.
        zero: Whether the y axis includes 0.

    Raises:
        InputError: No title or description, or too many rows or series.
        UnknownName: The frame has no such column.
    """
    roles = {"x": x, "y": y, "low": low, "high": high, "color": color}
    drawn = read_chart_data(frame, roles, title, description, meaning, MAX_ROWS)
    scale = alt.Scale(zero=zero, nice=True)
    across, up = drawn.channel(alt.X, "x"), drawn.channel(alt.Y, "y", scale=scale)
    base = alt.Chart().encode(across, *color_channel(drawn))
    shape: Any = {"interpolate": "step-after"} if step else {}
    layers = [base.mark_line(**shape).encode(up, tooltip=drawn.tooltips())]
    if low and high:
        edge = drawn.channel(alt.Y, "low", scale=scale, title=drawn.columns["y"].header)
        layers.insert(0, base.mark_area(opacity=0.16, **shape).encode(edge, y2="high"))
    options = {"reference": reference, "step": step, "zero": zero}
    return drawn.finish("line", *layers, *reference_line("y", reference), options=options)


def bar(
    frame: Any,
    x: str,
    y: str,
    *,
    title: str,
    description: str,
    color: str | None = None,
    x_end: str | None = None,
    **meaning: Unpack[ColumnMeanings],
) -> alt.LayerChart:
    """Draw bars: horizontal for names (at most 40, in the frame's order), otherwise vertical.

    Args:
        x: Column of names, dates, or starts of bins.
        y: Column of bar lengths; bars start at 0.
        color: Column that splits each bar into parts.
        x_end: Column of the ends of bins; for dates, by default the next date.

    Raises:
        InputError: No title or description, or too many bars.
        UnknownName: The frame has no such column.
    """
    roles = {"x": x, "y": y, "x_end": x_end, "color": color}
    drawn = read_chart_data(frame, roles, title, description, meaning, MAX_MARKS)
    if drawn.columns["x"].kind == "text":
        return _lying_bars(drawn)
    ends = {} if drawn.columns["x"].kind != "date" or x_end else day_ends(drawn)
    for record in drawn.records:
        record.setdefault("x_end", ends.get(record["x"], record["x"]))
    marks = (
        alt.Chart()
        .mark_bar(binSpacing=0, stroke=light("paper"), strokeWidth=1)
        .encode(
            drawn.channel(alt.X, "x"),
            drawn.channel(alt.Y, "y"),
            *color_channel(drawn),
            x2="x_end",
            y2=alt.datum(0),
            tooltip=drawn.tooltips(),
        )
    )
    return drawn.finish("bar", marks)


def points(
    frame: Any,
    x: str,
    y: str,
    *,
    title: str,
    description: str,
    color: str | None = None,
    size: str | None = None,
    name: str | None = None,
    reference: float | None = None,
    zero: bool = False,
    **meaning: Unpack[ColumnMeanings],
) -> alt.LayerChart:
    """Draw a scatter plot of two quantities; at most 1,000 points.

    Args:
        size: Column of a quantity, drawn as the area of the points.
        name: Column with the name of each point, shown in the tooltip.
        reference: A value of y to compare with, drawn as a dashed line.

    Raises:
        InputError: No title or description, or too many rows.
        UnknownName: The frame has no such column.
    """
    roles = {"name": name, "x": x, "y": y, "size": size, "color": color}
    drawn = read_chart_data(frame, roles, title, description, meaning, MAX_MARKS)
    scale = alt.Scale(zero=zero, nice=True)
    area = [drawn.channel(alt.Size, "size", legend=None)] if size else []
    marks = (
        alt.Chart()
        .mark_point(opacity=0.7)
        .encode(
            drawn.channel(alt.X, "x", scale=scale),
            drawn.channel(alt.Y, "y", scale=scale),
            *color_channel(drawn),
            *area,
            tooltip=drawn.tooltips(),
        )
    )
    options = {"reference": reference, "zero": zero}
    layers = [marks, *reference_line("y", reference)]
    return drawn.finish("points", *layers, height=300, options=options)


def interval(
    frame: Any,
    name: str,
    value: str,
    low: str,
    high: str,
    *,
    title: str,
    description: str,
    color: str | None = None,
    reference: float | None = None,
    **meaning: Unpack[ColumnMeanings],
) -> alt.LayerChart:
    """Draw estimates with their intervals, one row per name, in the frame's order; at most 40.

    Args:
        reference: Value drawn as a dashed line, such as no effect.

    Raises:
        InputError: No title or description, or too many rows.
        UnknownName: The frame has no such column.
    """
    roles = {"y": name, "x": value, "low": low, "high": high, "color": color}
    drawn = read_chart_data(frame, roles, title, description, meaning, MAX_BARS)
    names = drawn.channel(alt.Y, "y", sort=None, title=None)
    base = alt.Chart().encode(names, *color_channel(drawn), tooltip=drawn.tooltips())
    scale = alt.Scale(zero=False, nice=True)
    span = drawn.channel(alt.X, "low", scale=scale, title=drawn.columns["x"].header)
    return drawn.finish(
        "interval",
        *reference_line("x", reference),
        base.mark_rule(color=light("accent"), strokeWidth=2).encode(span, x2="high"),
        base.mark_point(size=70, opacity=1).encode(drawn.channel(alt.X, "x", scale=scale)),
        height=drawn.rows("y"),
        options={"reference": reference},
    )


def heatmap(
    frame: Any,
    x: str,
    y: str,
    value: str,
    *,
    title: str,
    description: str,
    **meaning: Unpack[ColumnMeanings],
) -> alt.LayerChart:
    """Draw a heat map of one quantity, with its numbers; at most 1,000 cells.

    Raises:
        InputError: No title or description, too many rows, or no numeric column.
        UnknownName: The frame has no such column.
    """
    roles = {"x": x, "y": y, "value": value}
    drawn = read_chart_data(frame, roles, title, description, meaning, MAX_MARKS)
    ordinal: Any = {"type": "ordinal", "sort": None}
    names = {str(record["x"]) for record in drawn.records}
    slanted = len(names) > 5 and max(map(len, names)) > 5  # horizontal labels would overlap
    axis = alt.Axis(labelAngle=-50 if slanted else 0)
    grid = alt.Chart().encode(
        alt.X(field="x", title=drawn.columns["x"].header, axis=axis, **ordinal),
        alt.Y(field="y", title=drawn.columns["y"].header, **ordinal),
        tooltip=drawn.tooltips(),
    )
    shade = alt.Scale(zero=True, range=[0.03, 0.48])  # enough contrast for numbers, light and dark
    cells = grid.mark_rect().encode(drawn.channel(alt.Opacity, "value", scale=shade, legend=None))
    numbers = grid.mark_text(**_cell_number(drawn.columns["value"].kind))
    narrow = len(names) > 12  # numbers do not fit on a phone
    layers = [cells] if narrow else [cells, numbers]
    return drawn.finish("heatmap", *layers, height=drawn.rows("y"))


def _cell_number(kind: Kind) -> dict[str, Any]:
    """Return the text of a heat map's cell; small and without a percent sign in narrow cells."""
    narrow = "bandwidth('x') < 32"
    text = "format(datum.value, ',.3~g')"
    if kind == "percent":
        text = f"{narrow} ? format(100 * datum.value, '.0f') : format(datum.value, '.0%')"
    return {
        "text": {"expr": f"isValid(datum.value) ? ({text}) : ''"},
        "fontSize": {"expr": f"{narrow} ? 9 : 11"},
    }


def _lying_bars(drawn: ChartData) -> alt.LayerChart:
    names = {record["x"] for record in drawn.records}
    if len(names) > MAX_BARS:
        raise InputError(
            f"chart {drawn.title!r} has too many bars ({len(names):,}). Show at most "
            f"{MAX_BARS} and put the rest in a table."
        )
    marks = (
        alt.Chart()
        .mark_bar(height={"band": 0.72})
        .encode(
            drawn.channel(alt.Y, "x", sort=None, title=None),
            drawn.channel(alt.X, "y"),
            *color_channel(drawn),
            tooltip=drawn.tooltips(),
        )
    )
    return drawn.finish("bar", marks, height=drawn.rows("x"))
