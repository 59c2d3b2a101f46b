"""What drawn charts are made of: SVG elements, a plot with two axes, a legend, and tips.

A drawing has no view box: its marks stand at percentages of its width, so that it fills any screen
while its text keeps its size. Only curves and columns, which have no text, are stretched. Colors
are those of the light palette, and style sheets map them to variables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from d1lab.charts.scales import Scale, day_in_words
from d1lab.display.palette import PALETTE
from d1lab.display.table import TableColumn
from d1lab.display.values import show

HEIGHT = 200  # of a plot, in pixels
WIDE = 1_000  # units across a plot in which curves are drawn
MOST_TIPS = 400  # points with a tip; of more, every second, third, ...
SERIES = ("accent", "ochre", "slate", "plum", "grey", "bad")
_TOP, _BOTTOM = 22, 24
GUTTER, MOST_GUTTER = 8, 160  # gutters are multiples, because the style sheet has a class for each
RIGHT = 12  # pixels right of a plot
MOST_REM = 80  # least widths of wide drawings are multiples of 5 up to this one


class Tip(NamedTuple):
    """A point that a reader can point at: its place, from 0 to 1, and its text."""

    x: float
    y: float
    text: str


def color(name: str) -> str:
    """Return the light variant of a palette color."""
    return PALETTE[name][0]


def tag(name: str, content: str = "", /, **attributes: Any) -> str:
    """Return an element; attributes are escaped, and those that are None are left out."""
    parts = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(short(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{parts}>{content}</{name}>" if content else f"<{name}{parts}/>"


def short(value: Any) -> str:
    """Return a number with at most one decimal, and all else as text."""
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0").replace("-0", "0") if value else "0"
    return str(value)


def percent(share: float) -> str:
    """Return a place from 0 to 1 as a percentage of the width."""
    return f"{100 * share:.2f}".rstrip("0").rstrip(".") + "%"


def words(text: str, place: str, y: float, **attributes: Any) -> str:
    """Return a text in the muted color."""
    return tag("text", escape(text), x=place, y=y, **{"fill": color("muted"), **attributes})


def gutter(labels: Iterable[str]) -> int:
    """Return the pixels beside a plot that its longest label needs."""
    longest = max((len(label) for label in labels), default=0)
    return min(MOST_GUTTER, GUTTER * -(-(7 * longest + 14) // GUTTER))


def drawing_css() -> str:
    """Return the rules for the gutters and least widths of drawings."""
    gutters = range(GUTTER, MOST_GUTTER + 1, GUTTER)
    return "".join(
        [f".g{left}{{padding:0 {RIGHT}px 0 {left}px}}" for left in gutters]
        + [f".w{rem}{{min-width:{rem}rem}}" for rem in range(5, MOST_REM + 1, 5)]
    )


def framed(
    title: str, content: str, *, left: int, top: int, height: int, least_rem: int = 0
) -> str:
    """Return a drawing beside a gutter, below its title.

    Args:
        title: Title, above all else.
        content: Marks at percentages of the width.
        left: Pixels left of the marks, for labels at negative places.
        top: Pixels above the marks.
        height: Pixels from there to the end.
        least_rem: Least width in rem; a narrower screen scrolls. 0 for any width.
    """
    marks = words(title, f"-{left}", 12) + tag("g", content, transform=f"translate(0 {top})")
    svg = tag(
        "svg", marks, width="100%", height=top + height, font_size=12, overflow="visible",
        aria_hidden="true",
    )  # fmt: skip
    return tag("div", svg, class_=f"g{left} w{least_rem}" if least_rem else f"g{left}")


def plot(
    marks: str,
    x: Scale,
    y: Scale,
    *,
    title: str,
    x_title: str = "",
    reference: float | None = None,
    tips: Sequence[Tip] = (),
    over: str = "",
) -> str:
    """Return marks between two axes.

    Args:
        marks: Marks in units of the plot: `WIDE` across, `HEIGHT` down.
        x: Scale across.
        y: Scale up.
        title: Title of the vertical axis, above it.
        x_title: Title of the horizontal axis, below it.
        reference: Value of y with a dashed line.
        tips: Points with a tip.
        over: Marks at percentages of the width, such as points.
    """
    left = gutter(tick.label for tick in y.ticks)
    lines = "".join(_level(tick.label, down(y, tick.value), tick.value) for tick in y.ticks)
    labels = "".join(_label_below(tick.label, x.share(tick.value)) for tick in x.ticks)
    dashed = "" if reference is None else _dashed(down(y, reference))
    stretched = tag(
        "svg", marks, viewBox=f"0 0 {WIDE} {HEIGHT}", preserveAspectRatio="none", width="100%",
        height=HEIGHT, overflow="visible",
    )  # fmt: skip
    area = tag(
        "rect", class_="area", width="100%", height=HEIGHT, fill="none", data_tips=told(tips)
    )
    below = words(x_title, "100%", HEIGHT + 34, text_anchor="end") if x_title else ""
    content = lines + stretched + dashed + over + labels + below + area
    height = HEIGHT + _BOTTOM + (16 if x_title else 0)
    return framed(title, content, left=left, top=_TOP, height=height)


def down(scale: Scale, value: float) -> float:
    """Return the pixels from the top of a plot to a value."""
    return HEIGHT * (1 - scale.share(value))


def _level(label: str, y: float, value: float) -> str:
    stroke = color("grey" if value == 0 else "line")
    line = tag("line", x2="100%", y1=y, y2=y, stroke=stroke)
    return line + words(label, "-8", y + 4, text_anchor="end")


def _label_below(label: str, share: float) -> str:
    anchor = "end" if share > 0.96 else "middle"  # left of the plot is room in the gutter
    return words(label, percent(share), HEIGHT + 18, text_anchor=anchor)


def _dashed(y: float) -> str:
    return tag("line", x2="100%", y1=y, y2=y, stroke=color("muted"), stroke_dasharray="4 4")


def legend(names: Sequence[str], colors: Mapping[str, str]) -> str:
    """Return the names of the series with their colors; empty for a single one."""
    if len(names) < 2:
        return ""
    items = "".join(
        tag(
            "span",
            tag("svg", _sample(colors[name]), width=14, height=10) + escape(name),
            dir="auto",
        )
        for name in names
    )
    return tag("p", items, class_="key", aria_hidden="true")


def _sample(paint: str) -> str:
    return tag("rect", y=3, width=14, height=4, rx=2, fill=paint)


def series_colors(records: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the color of each series, in the order in which they appear."""
    names = dict.fromkeys(str(record.get("color", "")) for record in records)
    return {name: color(SERIES[i % len(SERIES)]) for i, name in enumerate(names)}


def told(tips: Sequence[Tip]) -> str | None:
    """Return tips as an attribute: one per line, with its place in thousandths of the plot."""
    step = -(-len(tips) // MOST_TIPS) or 1
    kept = [*tips[:-1:step], *tips[-1:]]
    return "\n".join(
        f"{WIDE * tip.x:.0f} {WIDE * tip.y:.0f} {' '.join(tip.text.split())}" for tip in kept
    )


_HEADS = ("name", "color", "x", "y")


def tip_text(record: Mapping[str, Any], columns: Mapping[str, TableColumn]) -> str:
    """Return a row in words, such as `Mar 3, 2026: Units on hand 5,200 (5,040 to 5,390)`."""
    heads = [role for role in _HEADS if role in columns and not columns[role].numeric]
    named = [in_words(record.get(role), columns[role]) for role in heads]
    values = [
        f"{column.label} {in_words(record.get(role), column)}{_range(role, record, columns)}"
        for role, column in columns.items()
        if role not in ("low", "high", "x_end") and role not in heads
    ]
    return ": ".join(filter(None, (", ".join(named), "; ".join(values))))


def _range(role: str, record: Mapping[str, Any], columns: Mapping[str, TableColumn]) -> str:
    valued = "x" if columns["y"].kind == "text" else "y"
    if role != valued or "low" not in columns:
        return ""
    return f" ({span(record, columns[valued])})"


def span(record: Mapping[str, Any], column: TableColumn) -> str:
    """Return the interval of a row in words."""
    signed = column._replace(unit="") if column.kind != "money" else column
    low, high = (in_words(record.get(end), signed) for end in ("low", "high"))
    return f"{low} to {high}"


def in_words(value: Any, column: TableColumn) -> str:
    """Return a value with its unit."""
    if isinstance(value, str) and column.kind == "date":
        return day_in_words(value)
    if str(value) in ("inf", "-inf"):
        return "unlimited"
    digits = 0 if column.kind == "integer" else column.digits
    return show(value, column.kind, column.unit, digits if column.numeric else None)
