"""Lines, columns, and points, drawn between two axes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from math import sqrt
from typing import Any, NamedTuple

from d1lab.charts.drawing import (
    WIDE,
    Tip,
    color,
    down,
    legend,
    percent,
    plot,
    series_colors,
    short,
    tag,
    tip_text,
)
from d1lab.charts.scales import Scale, days_of, number, number_scale, time_scale
from d1lab.display.table import TableColumn

Records = Sequence[Mapping[str, Any]]
_MOST_PLACES = 1_000  # of a curve; each of more shows its highest and its lowest value


class _Place(NamedTuple):
    """A place of a curve in a plot; `y` is None where a value is missing."""

    x: float
    y: float | None


def draw_lines(records: Records, columns: dict[str, TableColumn], options: dict[str, Any]) -> str:
    """Draw lines, with bands if the columns have low and high ends."""
    x, y = _scales(records, columns, zero=options["zero"], reference=options["reference"])
    colors = series_colors(records)
    lines: list[str] = []
    for name, paint in colors.items():
        rows = [record for record in records if str(record.get("color", "")) == name]
        if "low" in columns:
            low, high = (_places(rows, columns, end, x, y) for end in ("low", "high"))
            lines.insert(0, _band(low, high, paint, step=options["step"]))
        lines.append(_curve(_places(rows, columns, "y", x, y), paint, step=options["step"]))
    words: dict[str, Any] = {"title": columns["y"].header, "x_title": _x_title(columns)}
    tips = _tips(records, columns, x, y)
    reference: float | None = options["reference"]
    drawn = plot("".join(lines), x, y, **words, reference=reference, tips=tips)
    return legend(list(colors), colors) + drawn


def draw_columns(records: Records, columns: dict[str, TableColumn]) -> str:
    """Draw columns from 0, over dates or over the bins of a number; parts by color are stacked."""
    starts, ends = (_across(records, columns["x"], role) for role in ("x", "x_end"))
    heights = _stacked(records)
    x = _scale_across([v for v in (*starts, *ends) if v is not None], columns["x"])
    y = number_scale([end for each in heights for end in each], columns["y"], zero=True)
    colors = series_colors(records)
    rows = zip(records, starts, ends, heights, strict=True)
    marks = "".join(
        _column(x.share(start), x.share(end), down(y, low), down(y, high), colors[_series(record)])
        for record, start, end, (low, high) in rows
        if start is not None and end is not None
    )
    tips = [
        Tip((x.share(start) + x.share(end)) / 2, 1 - y.share(high), tip_text(record, columns))
        for record, start, end, (_, high) in zip(records, starts, ends, heights, strict=True)
        if start is not None and end is not None
    ]
    words: dict[str, Any] = {"title": columns["y"].header, "x_title": _x_title(columns)}
    return legend(list(colors), colors) + plot(marks, x, y, **words, tips=tips)


def draw_points(records: Records, columns: dict[str, TableColumn], options: dict[str, Any]) -> str:
    """Draw points, with areas by size."""
    x, y = _scales(records, columns, zero=options["zero"], reference=options["reference"])
    colors = series_colors(records)
    largest = max((number(r.get("size")) or 0 for r in records), default=0) or 1
    circles: list[str] = []
    for record, across in zip(records, _across(records, columns["x"], "x"), strict=True):
        up = number(record["y"])
        if across is None or up is None:
            continue
        radius = max(2.0, 10 * sqrt(max(0, number(record.get("size")) or 0) / largest))
        circles.append(
            tag("circle", cx=percent(x.share(across)), cy=down(y, up), fill_opacity="0.7",
                r=radius if "size" in columns else 3.5, fill=colors[_series(record)])
        )  # fmt: skip
    words: dict[str, Any] = {"title": columns["y"].header, "x_title": _x_title(columns)}
    tips = _tips(records, columns, x, y)
    reference: float | None = options["reference"]
    drawn = plot("", x, y, **words, over="".join(circles), reference=reference, tips=tips)
    return legend(list(colors), colors) + drawn


def _series(record: Mapping[str, Any]) -> str:
    return str(record.get("color", ""))


def _x_title(columns: Mapping[str, TableColumn]) -> str:
    return "" if columns["x"].kind == "date" else columns["x"].header


def _across(records: Records, column: TableColumn, role: str) -> list[float | None]:
    """Return the values of a role that lies across: numbers, or dates as days."""
    values = (record.get(role) for record in records)
    if column.kind == "date":
        return [days_of(value) if isinstance(value, str) else None for value in values]
    return [number(value) for value in values]


def _scale_across(values: Sequence[float], column: TableColumn) -> Scale:
    if column.kind == "date":
        return time_scale(values or [0.0])
    return number_scale(values, column, zero=False)


def _scales(
    records: Records, columns: Mapping[str, TableColumn], *, zero: bool, reference: float | None
) -> tuple[Scale, Scale]:
    across = [value for value in _across(records, columns["x"], "x") if value is not None]
    ups = [number(record.get(role)) for record in records for role in ("y", "low", "high")]
    shown = [value for value in (*ups, reference) if value is not None]
    return _scale_across(across, columns["x"]), number_scale(shown, columns["y"], zero=zero)


def _tips(records: Records, columns: Mapping[str, TableColumn], x: Scale, y: Scale) -> list[Tip]:
    across = _across(records, columns["x"], "x")
    found = ((record, at, number(record["y"])) for record, at in zip(records, across, strict=True))
    return sorted(
        Tip(x.share(at), 1 - y.share(up), tip_text(record, columns))
        for record, at, up in found
        if at is not None and up is not None
    )


def _places(
    rows: Records, columns: Mapping[str, TableColumn], role: str, x: Scale, y: Scale
) -> list[_Place]:
    places: list[_Place] = []
    for across, record in zip(_across(rows, columns["x"], "x"), rows, strict=True):
        value = number(record.get(role))
        if across is not None:
            up = None if value is None else round(down(y, value), 1)
            places.append(_Place(round(WIDE * x.share(across), 1), up))
    return _thinned(sorted(places, key=lambda place: place.x))


def _thinned(places: list[_Place]) -> list[_Place]:
    """Keep the first, highest, lowest, and last value of each of a few hundred parts."""
    if len(places) <= _MOST_PLACES:
        return places
    size = -(-4 * len(places) // _MOST_PLACES)
    kept: list[_Place] = []
    for start in range(0, len(places), size):
        part = places[start : start + size]
        known = [place for place in part if place.y is not None]
        ends = [min(known, key=_height), max(known, key=_height)] if known else []
        kept += sorted({part[0], *ends, part[-1]}, key=lambda place: place.x)
    return kept


def _height(place: _Place) -> float:
    return place.y or 0.0


def _pieces(places: Iterable[_Place]) -> list[list[_Place]]:
    """Split a curve where values are missing."""
    grouped = groupby(places, key=lambda place: place.y is not None)
    return [list(piece) for known, piece in grouped if known]


def _path(piece: Sequence[_Place], *, step: bool) -> str:
    """Return the commands from the second place on."""
    if step:
        return "".join(f"H{short(place.x)}V{short(place.y)}" for place in piece[1:])
    return "".join(f"L{short(place.x)} {short(place.y)}" for place in piece[1:])


def _curve(places: Iterable[_Place], paint: str, *, step: bool) -> str:
    data = "".join(
        f"M{short(piece[0].x)} {short(piece[0].y)}{_path(piece, step=step) or 'h0'}"
        for piece in _pieces(places)
    )
    if not data:
        return ""
    return tag(
        "path", d=data, fill="none", stroke=paint, stroke_width=2, stroke_linejoin="round",
        stroke_linecap="round", vector_effect="non-scaling-stroke",
    )  # fmt: skip


def _band(low: list[_Place], high: list[_Place], paint: str, *, step: bool) -> str:
    """Return the area between two curves, where both are known."""
    known = {a.x for a in low if a.y is not None} & {b.x for b in high if b.y is not None}
    lower, upper = (
        [p if p.x in known else _Place(p.x, None) for p in side] for side in (low, high)
    )
    data = "".join(
        f"M{short(top[0].x)} {short(top[0].y)}{_path(top, step=step)}{_back(bottom, step=step)}Z"
        for top, bottom in zip(_pieces(upper), _pieces(lower), strict=True)
    )
    return tag("path", d=data, fill=paint, fill_opacity="0.16") if data else ""


def _back(piece: Sequence[_Place], *, step: bool) -> str:
    """Return the commands from the last place to the first."""
    if step:
        return "".join(f"V{short(place.y)}H{short(place.x)}" for place in reversed(piece))
    return "".join(f"L{short(place.x)} {short(place.y)}" for place in reversed(piece))


def _stacked(records: Records) -> list[tuple[float, float]]:
    """Return the ends of each part; parts of one column follow each other away from 0."""
    reached: dict[tuple[Any, bool], float] = {}
    ends: list[tuple[float, float]] = []
    for record in records:
        value = number(record["y"]) or 0.0
        key = (record["x"], value < 0)
        start = reached.get(key, 0.0)
        reached[key] = start + value
        ends.append((start, start + value))
    return ends


def _column(left: float, right: float, low: float, high: float, paint: str) -> str:
    return tag(
        "rect", x=WIDE * left, width=max(WIDE * (right - left), 1.0), y=min(low, high),
        height=abs(high - low), fill=paint, stroke=color("paper"),
        vector_effect="non-scaling-stroke",
    )  # fmt: skip
