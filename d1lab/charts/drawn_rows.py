"""Charts with a row per name: bars, intervals, and heat maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from d1lab.charts.drawing import (
    MOST_REM,
    color,
    framed,
    gutter,
    in_words,
    legend,
    percent,
    series_colors,
    span,
    tag,
    tip_text,
    words,
)
from d1lab.charts.scales import Scale, number, number_scale
from d1lab.display.table import TableColumn

Records = Sequence[Mapping[str, Any]]
_ROW = 22  # height in pixels
_CELL = 26
_LONGEST = 22  # characters of a heat map's row name
_CELL_REM = 2.5  # least width of a cell


def draw_bars(records: Records, columns: dict[str, TableColumn]) -> str:
    """Draw horizontal bars from 0, in the order of the rows; parts by color are stacked."""
    names = dict.fromkeys(str(record["x"]) for record in records)
    parts = {name: [r for r in records if str(r["x"]) == name] for name in names}
    totals = {name: _totals(rows) for name, rows in parts.items()}
    scale = number_scale([v for ends in totals.values() for v in ends], columns["y"], zero=True)
    scale = _tight(scale, [v for ends in totals.values() for v in ends])
    colors = series_colors(records)
    rows = [
        _row(name, _parts(parts[name], scale, colors) + _line(scale.share(0)),
             _total(parts[name], columns["y"]),
             "; ".join(tip_text(record, columns) for record in parts[name]))
        for name in names
    ]  # fmt: skip
    return legend(list(colors), colors) + _rows(rows, columns["y"].header)


def _tight(scale: Scale, values: Sequence[float]) -> Scale:
    """Return a scale that ends with the longest bar, since bars have their values beside them."""
    low, high = min(0.0, *values), max(0.0, *values)
    return Scale(low, high, ()) if low < high else scale


def _totals(rows: Records) -> tuple[float, float]:
    values = [number(row["y"]) or 0.0 for row in rows]
    return sum(v for v in values if v < 0), sum(v for v in values if v > 0)


def _total(rows: Records, column: TableColumn) -> str:
    values = [number(row["y"]) for row in rows]
    known = [value for value in values if value is not None]
    return column.shown(sum(known) if known else None)


def _parts(rows: Records, scale: Scale, colors: Mapping[str, str]) -> str:
    ends = {True: 0.0, False: 0.0}
    bars: list[str] = []
    for row in rows:
        value = number(row["y"]) or 0.0
        start, ends[value < 0] = ends[value < 0], ends[value < 0] + value
        paint = colors[str(row.get("color", ""))]
        bars.append(_bar(scale.share(start), scale.share(start + value), paint, 4, 14))
    return "".join(bars)


def draw_intervals(
    records: Records, columns: dict[str, TableColumn], options: dict[str, Any]
) -> str:
    """Draw estimates with their intervals; one that lies on one side of the reference is marked."""
    reference: float | None = options["reference"]
    ends = [number(record.get(role)) for record in records for role in ("x", "low", "high")]
    shown = [value for value in (*ends, reference) if value is not None]
    scale = number_scale(shown, columns["x"], zero=False)
    line = "" if reference is None else _line(scale.share(reference), dashed=True)
    rows = [
        _row(in_words(record["y"], columns["y"]), line + _interval(record, scale, reference),
             columns["x"].shown(record["x"]), tip_text(record, columns),
             span(record, columns["x"]))
        for record in records
    ]  # fmt: skip
    return _rows([*rows, _axis(scale)], columns["x"].header)


def _interval(record: Mapping[str, Any], scale: Scale, reference: float | None) -> str:
    value, low, high = (number(record.get(role)) for role in ("x", "low", "high"))
    if value is None:
        return ""
    sure = reference is None or (low or value) > reference or _below(record, reference)
    paint = color("accent" if sure else "grey")
    start = 0.0 if record.get("low") is None or low is None else scale.share(low)
    end = 1.0 if record.get("high") is None or high is None else scale.share(high)
    bar = _bar(start, end, paint, 7, 8, fill_opacity="0.3", rx=4)
    return bar + tag("circle", cx=percent(scale.share(value)), cy=11, r=4, fill=paint)


def _below(record: Mapping[str, Any], reference: float) -> bool:
    high = number(record.get("high"))
    return high is not None and high < reference


def _bar(one: float, other: float, paint: str, y: int, height: int, **more: Any) -> str:
    start, end = min(one, other), max(one, other)
    place = {"x": percent(start), "width": percent(end - start)}
    return tag("rect", **place, y=y, height=height, fill=paint, **more)


def _line(share: float, *, dashed: bool = False) -> str:
    place = percent(share)
    stroke = {"stroke": color("muted"), "stroke_dasharray": "4 4" if dashed else None}
    return tag("line", x1=place, x2=place, y2=_ROW, **stroke)


def _axis(scale: Scale) -> str:
    labels = "".join(
        words(tick.label, percent(share), 12, text_anchor=_anchor(share))
        for tick in scale.ticks
        for share in [scale.share(tick.value)]
    )
    return _row("", labels, "", "")


def _anchor(share: float) -> str:
    return "start" if share < 0.05 else "end" if share > 0.95 else "middle"


def _row(name: str, marks: str, value: str, tip: str, range_: str = "") -> str:
    shown = escape(value) + (tag("span", escape(range_)) if range_ else "")
    svg = tag("svg", marks or tag("g"), width="100%", height=_ROW, font_size=12)
    cells = f'<span dir="auto">{escape(name)}</span>{svg}<span>{shown}</span>'
    return tag("div", cells, data_tip=tip or None)


def _rows(rows: Sequence[str], title: str) -> str:
    return tag("div", tag("p", escape(title)) + "".join(rows), class_="rows", aria_hidden="true")


def draw_heatmap(records: Records, columns: dict[str, TableColumn]) -> str:
    """Draw a grid of cells with their numbers; the darker, the larger."""
    across, up = (
        list(dict.fromkeys(in_words(record[role], columns[role]) for record in records))
        for role in ("x", "y")
    )
    wide = 1 / max(len(across), 1)
    scale = number_scale(
        [v for r in records if (v := number(r["value"])) is not None], columns["value"], zero=True
    )
    cells = [
        _cell(record, columns, scale, (across.index(in_words(record["x"], columns["x"])), wide),
              up.index(in_words(record["y"], columns["y"])))
        for record in records
    ]  # fmt: skip
    grid = tag("g", "".join(box for box, _ in cells), fill=color("accent"))
    figures = {"text_anchor": "middle", "fill": color("ink"), "pointer_events": "none"}
    grid += tag("g", "".join(figure for _, figure in cells), **figures)
    rows = [_clip(name) for name in up]
    names = "".join(
        words(name, "-8", _CELL * place + 17, text_anchor="end") for place, name in enumerate(rows)
    )
    slanted = any(len(name) > 5 for name in across)
    top = min(110, 8 + max(len(_clip(name)) for name in across) * 5) if slanted else 22
    heads = "".join(
        _head(_clip(name), wide * (place + 0.5), slanted=slanted)
        for place, name in enumerate(across)
    )
    down = columns["y"].header
    title = f"{columns['x'].header} across, {down[:1].lower()}{down[1:]} down"
    left, size = gutter(rows), {"top": 16 + top, "height": _CELL * len(up) + 4}
    width = min(MOST_REM, 5 * -(-int(left / 16 + _CELL_REM * len(across)) // 5))
    return framed(title, heads + names + grid, left=left, **size, least_rem=width)


def _clip(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _head(name: str, share: float, *, slanted: bool) -> str:
    if not slanted:
        return words(name, percent(share), -6, text_anchor="middle")
    text = words(name, "0", 0, transform="rotate(-45)")
    return tag("svg", text, x=percent(share), y=-4, overflow="visible")


def _cell(
    record: Mapping[str, Any],
    columns: Mapping[str, TableColumn],
    scale: Scale,
    across: tuple[int, float],
    row: int,
) -> tuple[str, str]:
    """Return the box of a cell and its number, which inherit their colors."""
    value, (place, wide) = number(record["value"]), across
    if value is None:
        return "", ""
    shade = f"{0.04 + 0.44 * scale.share(value):.2f}"
    box = {"x": percent(place * wide), "width": percent(wide), "y": row * _CELL, "height": _CELL}
    tip = tip_text(record, {role: columns[role] for role in ("x", "y", "value")})
    text, middle = _in_cell(value, columns["value"]), percent((place + 0.5) * wide)
    figure = words(text, middle, row * _CELL + 17, fill=None)
    return tag("rect", **box, fill_opacity=shade, data_tip=tip), figure


def _in_cell(value: float, column: TableColumn) -> str:
    """Return a number of at most five characters."""
    if column.kind == "percent":
        return f"{100 * value:.0f}%"
    for size, suffix in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{suffix}".replace("-", "\N{MINUS SIGN}")
    return f"{value:.3g}".replace("-", "\N{MINUS SIGN}")
