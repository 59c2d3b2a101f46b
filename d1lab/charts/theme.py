"""One palette for pages and charts, in light and dark, and the Altair theme made of it.

A chart is drawn once, in the light colours. The page maps each of them to a CSS variable by
attribute selectors, so that a chart follows the reader's scheme without being drawn again.
"""

from __future__ import annotations

from typing import Any

MIME = "application/vnd.vegalite.v6+json"

PALETTE: dict[str, tuple[str, str]] = {  # name: (light, dark)
    "paper": ("#fcfbf8", "#161719"),
    "raised": ("#f4f2ec", "#1f2123"),
    "ink": ("#1f2124", "#e8e6e1"),
    "muted": ("#61605b", "#a3a19a"),
    "line": ("#dedbd2", "#36383a"),
    "accent": ("#14595f", "#7cc7c1"),
    "grey": ("#8b8982", "#918f88"),
    "ochre": ("#a9691b", "#d9a35c"),
    "plum": ("#7d4a78", "#c699c1"),
    "slate": ("#566f88", "#93acc4"),
    "bad": ("#a03425", "#ec9384"),
}
"""Every colour there is; text and marks keep WCAG AA contrast on `paper` in both schemes."""

SERIES = ("accent", "ochre", "slate", "plum", "grey", "bad")
ROOM = "(containerSize()[0] || 680)"  # a chart's width in pixels, as an expression
LABEL_LIMIT = f"max(140, min(260, 0.36 * {ROOM}))"
"""How long a label may be, in pixels: a third of the chart, on a phone as on a desk."""

NUMBERS = {
    "decimal": ".",
    "thousands": ",",
    "grouping": [3],
    "currency": ["$", ""],
    "percent": "\N{NO-BREAK SPACE}%",
}
"""How charts write numbers: as `d1lab.display.show` does, in the notation of d3's locales."""

FONT = "Helvetica Neue, Helvetica, Arial, sans-serif"


def light(name: str) -> str:
    """A palette colour as charts are drawn with it."""
    return PALETTE[name][0]


def palette_css() -> str:
    """The palette as CSS variables, and the rules by which drawn colours follow them."""
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
        f"{follow}"
    )


def chart_config() -> dict[str, Any]:
    """Vega-Lite's configuration: quiet axes, few ticks, no frame, text in the muted ink."""
    text = {"labelColor": light("muted"), "titleColor": light("muted"), "titleFontWeight": "normal"}
    return {
        "background": None,
        "font": FONT,
        "locale": {"number": NUMBERS},
        "aria": False,  # the page describes the chart as one picture and shows its numbers
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
            "titleAngle": 0,  # above the axis, where it costs no width
            "titleAlign": "left",
            "titleAnchor": "end",
            "titleX": 0,
            "titleY": -10,
        },
        "legend": {
            **text,
            "orient": "top",
            "direction": "horizontal",
            "columns": {"expr": f"{ROOM} < 480 ? 1 : 0"},  # on a phone one below the other
            "labelFontSize": 12,
            "labelLimit": 160,
            "offset": 30,
            "symbolType": "stroke",
            "symbolOpacity": 1,  # where a band shares the legend with its line
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
    """What a chart puts into a notebook: its specification, and its description as plain text."""
    title = spec.get("title") or "chart without a title"
    text = title.get("text", "") if isinstance(title, dict) else title
    return {MIME: spec, "text/plain": str(spec.get("description") or text)}


def enable() -> None:
    """Make d1lab's theme and renderer Altair's own, for charts that notebooks build themselves."""
    import altair as alt

    alt.theme.register("d1lab", enable=True)(lambda: {"config": chart_config()})  # pyright: ignore
    alt.renderers.register("d1lab", render_for_notebook)
    alt.renderers.enable("d1lab")
