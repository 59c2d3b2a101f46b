"""Draw the charts of `d1lab.charts` from their specification, without Vega.

A chart's specification says in `usermeta` which form made it, and a digest of what the form made.
A chart that a notebook has changed since no longer has this digest: Vega renders it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from d1lab.charts.drawn_plots import draw_columns, draw_lines, draw_points
from d1lab.charts.drawn_rows import draw_bars, draw_heatmap, draw_intervals
from d1lab.display.table import TableColumn
from d1lab.files import digest

_WORDS = ("title", "description", "data", "datasets", "usermeta", "$schema")


class _Form(NamedTuple):
    """What draws a chart: its form, its rows, and their columns by role."""

    name: str
    options: dict[str, Any]
    records: list[dict[str, Any]]
    columns: dict[str, TableColumn]


def shape_digest(spec: Mapping[str, Any]) -> str:
    """Return the digest of a specification without its texts and rows."""
    kept = {name: value for name, value in spec.items() if name not in _WORDS}
    return digest(json.dumps(kept, sort_keys=True, default=str))[:16]


def draw_form(spec: Mapping[str, Any]) -> str | None:
    """Draw a chart of `d1lab.charts` as HTML with inline SVG; None if Vega has to render it."""
    form = _form(spec)
    if form is None or not form.records:
        return None
    records, columns, options = form.records, form.columns, form.options
    is_text = {role: column.kind == "text" for role, column in columns.items()}
    match form.name:
        case "bar" if is_text["x"]:
            return draw_bars(records, columns)
        case "interval":
            return draw_intervals(records, columns, options)
        case "heatmap":
            return draw_heatmap(records, columns)
        case "bar" if not is_text["y"]:
            return draw_columns(records, columns)
        case "line" if not (is_text["x"] or is_text["y"]):
            return draw_lines(records, columns, options)
        case "points" if not (is_text["x"] or is_text["y"]):
            return draw_points(records, columns, options)
        case _:
            return None


def _form(spec: Mapping[str, Any]) -> _Form | None:
    usermeta: dict[str, Any] = spec.get("usermeta") or {}
    made: dict[str, Any] = usermeta.get("d1lab") or {}
    data: dict[str, Any] = spec.get("data") or {}
    rows: Any = data.get("values")
    if "form" not in made or not isinstance(rows, list) or made["shape"] != shape_digest(spec):
        return None
    columns = {
        each["name"]: TableColumn(*(each[name] for name in TableColumn._fields))
        for each in made["columns"]
    }
    return _Form(made["form"], made["options"], cast("list[dict[str, Any]]", rows), columns)
