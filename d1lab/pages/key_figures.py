"""Key figures at the top of a page: one group per length of period, each figure with its trend."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from markupsafe import Markup

from d1lab.display import Figure
from d1lab.pages.changes import FigureChange

LEADING, MOST_LEADING = 4, 6  # key figures of a group; all, if there are no more than the latter

_WIDTH, _HEIGHT, _DOT = 150, 24, 3  # of a trend, in CSS pixels
_SMALL = (76, 20)  # of a trend in a row


class FigureGroup(NamedTuple):
    """Key figures of one length of period; of all others without a trend."""

    period: str  # such as 'Week'; '' without a trend
    dates: str
    changes: tuple[FigureChange, ...]

    @property
    def has_range(self) -> bool:
        """Whether the usual range of a figure is known."""
        return any(c.figure.trend and c.figure.trend.low is not None for c in self.changes)


def leading(changes: Iterable[FigureChange]) -> list[FigureGroup]:
    """Return the key figures of the page header by the length of their period."""
    known = [change for change in changes if change.finding != "gone"]
    groups = [tuple(group) for _, group in groupby(known, _period)]
    return [
        FigureGroup(*_period(of[0]), of if len(of) <= MOST_LEADING else of[:LEADING])
        for of in groups
    ]


def of_first_period(changes: Iterable[FigureChange]) -> list[FigureChange]:
    """Return the key figures of the first length of period only, as in messages."""
    known = [change for change in changes if change.finding != "gone"]
    return [change for change in known if _period(change) == _period(known[0])]


def _period(change: FigureChange) -> tuple[str, str]:
    trend = change.figure.trend
    return (trend.period, trend.dates) if trend else ("", "")


def spark(figure: Figure) -> Markup:
    """Return the trend of a figure over its usual range; empty with fewer than two values."""
    trend = figure.trend
    if trend is None or _is_short(trend.values):
        return Markup("")
    ends = [] if trend.low is None or trend.high is None else [trend.low, trend.high]
    at = _scale((*trend.values, *ends), _HEIGHT)
    band = Markup("")
    if ends:
        low, high = map(at, ends)
        height = round(low - high, 1)
        band = Markup('<rect y="{}" width="{}" height="{}"/>').format(high, _WIDTH, height)
    return Markup(
        '<svg class="spark{}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}</svg>'
    ).format(tone(figure), _WIDTH, _HEIGHT, told(figure), band, _line(trend.values, at, _WIDTH))


def small_spark(figure: Figure) -> Markup:
    """Return the trend of a figure for a row of a table, which says the same in words."""
    if figure.trend is None or _is_short(figure.trend.values):
        return Markup("")
    line = _line(figure.trend.values, _scale(figure.trend.values, _SMALL[1]), _SMALL[0])
    return Markup('<svg class="spark{}" viewBox="0 0 {} {}" aria-hidden="true">{}</svg>').format(
        tone(figure), *_SMALL, line
    )


def _is_short(values: Sequence[float | None]) -> bool:
    return sum(value is not None for value in values) < 2


def _scale(values: Sequence[float | None], height: float) -> Callable[[float], int]:
    """Return the function from values to heights, in units of the drawing."""
    known = [value for value in values if value is not None]
    low, span = min(known), (max(known) - min(known)) or 1.0
    room = height - 2 * _DOT
    return lambda value: round(height - _DOT - room * (value - low) / span)


def _line(values: Sequence[float | None], at: Callable[[float], int], width: float) -> Markup:
    """Return the line through the known values, and a dot at the last period."""
    step = (width - 2 * _DOT) / (len(values) - 1)
    points = [
        (round(_DOT + place * step), at(value))
        for place, value in enumerate(values)
        if value is not None
    ]
    line = " ".join(f"{x},{y}" for x, y in points)
    dot = Markup("") if values[-1] is None else Markup('<circle cx="{}" cy="{}" r="3"/>')
    return Markup('<polyline points="{}"/>').format(line) + dot.format(*points[-1])


def tone(figure: Figure) -> str:
    """Return the CSS class of a trend: ' bad' if its end is unusual in the worse direction."""
    worse = {"higher": "low", "lower": "high"}.get(figure.better or "")
    return " bad" if figure.trend and worse and figure.trend.position == worse else ""


def told(figure: Figure) -> str:
    """Return a trend in words, with the usual range."""
    trend = figure.trend
    if trend is None:
        return ""
    shown = [figure._replace(value=v).shown() for v in (trend.values[0], trend.values[-1])]
    text = f"{figure.label}, {len(trend.values)} periods: from {shown[0]} to {shown[1]}"
    if trend.low is None or trend.high is None:
        return text
    low, high = (figure._replace(value=end).shown() for end in (trend.low, trend.high))
    return f"{text}; usual: {low} to {high}"
