"""The Altair theme of pages and charts, based on the palette of `d1lab.display.palette`.

A chart is drawn once, in the light colors. The page maps each color to a CSS variable by attribute
selectors, so that a chart follows the reader's color scheme without being redrawn.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any, cast

from d1lab.charts.notebook_picture import notebook_bundle
from d1lab.display.palette import PALETTE

_CHART = ("altair.vegalite.v6.api", "TopLevelMixin")  # the base class of all charts
_DEFAULT = "default"  # Altair's own theme and renderer

MIME = "application/vnd.vegalite.v6+json"

SERIES = ("accent", "ochre", "slate", "plum", "grey", "bad")
ROOM = "(containerSize()[0] || 680)"  # width of a chart in pixels, as a Vega expression
LABEL_LIMIT = f"max(140, min(260, 0.36 * {ROOM}))"
"""Maximum length of a label in pixels: a third of the chart on any screen."""

NUMBERS = {
    "decimal": ".",
    "thousands": ",",
    "grouping": [3],
    "currency": ["$", ""],
    "percent": "%",
}
"""Number format of charts, as in `d1lab.display.values`, in the notation of d3 locales."""

FONT = "Helvetica Neue, Helvetica, Arial, sans-serif"


def is_interactive(spec: Mapping[str, Any]) -> bool:
    """Return whether a page draws a chart with Vega: its `usermeta` has `interactive`."""
    usermeta: dict[str, Any] = spec.get("usermeta") or {}
    return bool(usermeta.get("interactive"))


def light(name: str) -> str:
    """Return the light variant of a palette color, in which charts are drawn."""
    return PALETTE[name][0]


def palette_css() -> str:
    """Return the palette as CSS variables, and the rules that map drawn colors to them."""
    variables = [
        "".join(f"--{name}:{pair[scheme]};" for name, pair in PALETTE.items()) for scheme in (0, 1)
    ]
    follow = "".join(
        f'.chart [{paint}="{pair[0]}"]{{{paint}:var(--{name})}}'
        for name, pair in PALETTE.items()
        for paint in ("fill", "stroke")
    )
    return (
        f":root{{{variables[0]}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{variables[1]}}}}}"
        f"{_FORCED}{follow}"
    )


_FORCED = (
    "@media (forced-colors:active){:root{--paper:Canvas;--raised:Canvas;--ink:CanvasText;"
    "--muted:CanvasText;--line:GrayText;--accent:LinkText;--grey:GrayText;--bad:CanvasText}}"
)
"""In a high-contrast mode of the system, the system's colors."""


def chart_config() -> dict[str, Any]:
    """Return the Vega-Lite configuration: light axes, few ticks, no frame, muted text."""
    text = {"labelColor": light("muted"), "titleColor": light("muted"), "titleFontWeight": "normal"}
    return {
        "background": None,
        "font": FONT,
        "locale": {"number": NUMBERS},
        "aria": False,  # the page has a description of the chart and a table of its numbers
        "view": {"stroke": None},
        "axis": {
            **text,
            "domainColor": light("line"),
            "gridColor": light("line"),
            "tickColor": light("line"),
            "labelFontSize": 12,
            "labelLimit": {"expr": LABEL_LIMIT},
            "labelPadding": 6,
            "titleFontSize": 12,
            "titlePadding": 8,
        },
        "axisX": {"grid": False, "tickCount": 6, "labelFlush": True},
        "axisY": {
            "domain": False,
            "ticks": False,
            "tickCount": 5,
            "titleAngle": 0,  # above the axis, where it takes no width
            "titleAlign": "left",
            "titleAnchor": "end",
            "titleX": 0,
            "titleY": -10,
        },
        "legend": {
            **text,
            "orient": "top",
            "direction": "horizontal",
            "columns": {"expr": f"{ROOM} < 480 ? 1 : 0"},  # one column on a phone
            "labelFontSize": 12,
            "labelLimit": 160,
            "offset": 30,
            "symbolType": "stroke",
            "symbolOpacity": 1,  # a band shares the legend with its line
            "symbolStrokeWidth": 3,
        },
        "line": {"color": light("accent"), "strokeWidth": 2, "strokeJoin": "round"},
        "area": {"color": light("accent")},
        "bar": {"color": light("accent")},
        "rect": {"color": light("accent")},
        "point": {"color": light("accent"), "filled": True, "size": 40},
        "rule": {"color": light("muted")},
        "text": {"color": light("ink"), "fontSize": 12},
        "title": {"color": light("ink"), "anchor": "start", "fontSize": 14, "offset": 12},
        "range": {"category": [light(name) for name in SERIES]},
    }


def render_for_notebook(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a chart's MIME bundle: in a run its specification, for the page; else its picture.

    JupyterLab renders older versions of Vega-Lite only, so it gets the chart as SVG.
    """
    title: Any = spec.get("title") or "chart without a title"
    text: object = cast("Any", title).get("text", "") if isinstance(title, dict) else title
    description = str(spec.get("description") or text)
    if os.environ.get("D1LAB_RUN_DIR"):  # the settings would be read for each chart
        return {MIME: spec, "text/plain": description}
    return notebook_bundle(spec, description)


@cache
def enable() -> None:
    """Set d1lab's theme and renderer as Altair's once, unless the notebook has chosen others."""
    import altair as alt

    alt.theme.register("d1lab", enable=alt.theme.active == _DEFAULT)(
        lambda: {"config": chart_config()}  # pyright: ignore
    )
    alt.renderers.register("d1lab", render_for_notebook)
    if alt.renderers.active == _DEFAULT:
        alt.renderers.enable("d1lab")


def load_ipython_extension(shell: Any) -> None:
    """Draw all Altair charts of a notebook in d1lab's theme, without importing Altair for it.

    Otherwise, a chart would look different after the first chart of `d1lab.charts`, and in a kernel
    that was forked with them; and a page cannot show what Altair's own renderer returns.
    """
    if "altair" in sys.modules:
        enable()
    else:
        formatter = shell.display_formatter.mimebundle_formatter
        formatter.for_type_by_name(*_CHART, _first_enabled)


def _first_enabled(chart: Any, include: object = None, exclude: object = None) -> Any:
    """Return the MIME bundle of a chart; the first one finds Altair as it was imported."""
    enable()
    return chart._repr_mimebundle_(include, exclude)
