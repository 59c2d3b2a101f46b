"""Rows of a page's list of A/B tests: ranges on one axis per column, and pictures of looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import NamedTuple

from d1lab.display.ab_test_list import AbTestList, AbTestRow, Course, Estimate, PerVisitor
from d1lab.display.currency import sign_of
from d1lab.display.values import UNKNOWN, show
from d1lab.stats.periods import day_text

SHOWN = 10  # tests before "Show all"
WIDTH, DOT = 150.0, 4.5  # of a range bar
WIDEST = 3.0  # the axis ends at this multiple of the largest estimate; longer bars are cut there
CHART_WIDTH, CHART_HEIGHT, CHART_RIGHT = 300.0, 96.0, 44.0


class Bar(NamedTuple):
    """A range in a box of `WIDTH`, on the axis of its column."""

    zero: float
    start: float
    end: float
    dot: float
    tone: str  # 'bad', 'sure', or ''


class Cell(NamedTuple):
    """A number with its range in words, and its bar."""

    value: str
    span: str  # such as '+1% to +26%'; '' without a range
    tone: str
    raw: float | None
    bar: Bar | None


class LookChart(NamedTuple):
    """The difference and its range by look, as points of an SVG."""

    zero: float
    line: str
    band: str
    tips: str  # a line per look: x and y in thousandths of the box, then the text
    first: str
    last: str
    value: str  # the last difference
    value_at: float


class ShownTest(NamedTuple):
    """One row of the list."""

    row: AbTestRow
    difference: Cell
    month: Cell
    chart: LookChart | None
    is_more: bool  # hidden until "Show all"


class ShownTests(NamedTuple):
    """The list as a page shows it; an axis is its labels with their places."""

    rows: list[ShownTest]
    difference_axis: list[tuple[float, str]]
    month_axis: list[tuple[float, str]]
    states: list[tuple[str, int]]  # states of the tests with their number; empty if all are alike


class Axis(NamedTuple):
    """A linear axis that holds 0."""

    low: float
    high: float

    @classmethod
    def of(cls, estimates: Iterable[Estimate | None]) -> Axis | None:
        """Return the axis of some ranges; None if there is nothing to draw."""
        known = [one for one in estimates if one is not None]
        most = WIDEST * max((abs(one.value) for one in known), default=0.0)
        ends = [
            end
            for one in known
            for end in one
            if end is not None and (abs(end) <= most or not most)
        ]
        if not most and not any(ends):
            return None
        cut = [most * side for one in known for side in (-1, 1) if _beyond(one, side, most)]
        return cls(min(0.0, *ends, *cut), max(0.0, *ends, *cut))

    def at(self, value: float) -> float:
        """Return the place of a value; the nearer end of the axis if it lies beyond."""
        inside = min(max(value, self.low), self.high)
        share = (inside - self.low) / ((self.high - self.low) or 1.0)
        return round(DOT + (WIDTH - 2 * DOT) * share, 1)

    def bar(self, estimate: Estimate) -> Bar:
        """Return the bar of a range; an unbounded end reaches the end of the axis."""
        low = self.low if estimate.low is None and estimate.high is not None else estimate.low
        high = self.high if estimate.high is None and estimate.low is not None else estimate.high
        ends = (estimate.value if end is None else end for end in (low, high))
        start, end = (self.at(end) for end in ends)
        return Bar(self.at(0.0), start, end, self.at(estimate.value), tone_of(estimate))


def _beyond(one: Estimate, side: int, most: float) -> bool:
    end = one.low if side < 0 else one.high
    return end is not None and side * end > most


def tone_of(estimate: Estimate) -> str:
    """Return 'bad' or 'sure' if the whole range is on one side of 0."""
    return {1: "sure", -1: "bad"}.get(estimate.sign, "")


def shown_tests(tests: AbTestList) -> ShownTests:
    """Return the list as a page shows it."""
    axes = [Axis.of(getattr(row, name) for row in tests.rows) for name in ("difference", "month")]
    rows = [
        ShownTest(
            row,
            _cell(row.difference, axes[0], _signed_percent),
            _cell(row.month, axes[1], lambda value: _signed_money(value, tests.currency)),
            _chart(row.course),
            place >= SHOWN,
        )
        for place, row in enumerate(tests.rows)
    ]
    counts = {
        state: sum(row.state == state for row in tests.rows)
        for state in ("running", "ended", "planned")
    }
    states = [(state, count) for state, count in counts.items() if count]
    return ShownTests(
        rows,
        _labels(axes[0], _signed_percent),
        _labels(axes[1], lambda value: _short_money(value, tests.currency)),
        states if len(states) > 1 else [],
    )


def _cell(estimate: Estimate | None, axis: Axis | None, tell: Callable[[float], str]) -> Cell:
    if estimate is None:
        return Cell("", "", "", None, None)
    low, high = (None if end is None else tell(end) for end in estimate[1:])
    span = f"{low} to {high}" if low and high else ""
    if not span and (low or high):
        span = f"{low} or more" if low else f"up to {high}"
    bar = axis.bar(estimate) if axis else None
    return Cell(tell(estimate.value), span, tone_of(estimate), estimate.value, bar)


def _signed_percent(value: float) -> str:
    text = show(value, "percent", digits=0 if abs(value) >= 0.01 or not value else 1)
    return f"+{text}" if value > 0 else text


def _signed_money(value: float, currency: str) -> str:
    text = show(value, "money", currency, 0) if abs(value) >= 10 else show(value, "money", currency)
    return f"+{text}" if value > 0 else text


def _short_money(value: float, currency: str) -> str:
    """Return an amount of an axis: '−$6k'."""
    if abs(value) < 1_000 or not sign_of(currency):
        return _signed_money(value, currency)
    sign = "+" if value > 0 else "\N{MINUS SIGN}"
    return f"{sign}{sign_of(currency)}{abs(value) / 1_000:.0f}k"


def _labels(axis: Axis | None, tell: Callable[[float], str]) -> list[tuple[float, str]]:
    if axis is None:
        return []
    ends = [end for end in (axis.low, axis.high) if abs(axis.at(end) - axis.at(0.0)) > WIDTH / 4]
    return [(axis.at(end), tell(end)) for end in ends] + [(axis.at(0.0), "0")]


def per_visitor_text(one: PerVisitor, value: float | None, currency: str) -> str:
    """Return a value of a variant, with the decimals that comparing two of them needs."""
    if value is None:
        return UNKNOWN
    digits = 2 if one.kind == "percent" else None
    return show(value, one.kind, currency if one.kind == "money" else "", digits)


def span_text(estimate: Estimate | None) -> tuple[str, str]:
    """Return a relative difference and its range."""
    cell = _cell(estimate, None, _signed_percent)
    return cell.value or UNKNOWN, cell.span


def _chart(course: Course) -> LookChart | None:
    if len(course.days) < 2:
        return None
    most = max(0.1, *(3 * abs(value) for value in course.values if value is not None))
    top, bottom = _limits(course, most)
    first, last = (date.fromisoformat(day) for day in (course.days[0], course.days[-1]))
    length = max((last - first).days, 1)
    xs = [
        round(CHART_WIDTH * (date.fromisoformat(day) - first).days / length, 1)
        for day in course.days
    ]

    def at(value: float) -> float:
        inside = min(max(value, bottom), top)
        return round(CHART_HEIGHT * (top - inside) / (top - bottom), 1)

    known = [(x, value) for x, value in zip(xs, course.values, strict=True) if value is not None]
    tops, bottoms = (
        [f"{x},{at(edge if end is None else end)}" for x, end in zip(xs, ends, strict=True)]
        for ends, edge in ((course.highs, top), (course.lows, bottom))
    )
    value = known[-1][1] if known else 0.0
    return LookChart(
        at(0.0),
        " ".join(f"{x},{at(value)}" for x, value in known),
        " ".join([*tops, *reversed(bottoms)]),
        "\n".join(_tips(course, xs, at)),
        day_text(first),
        day_text(last),
        _signed_percent(value),
        at(value),
    )


def _limits(course: Course, most: float) -> tuple[float, float]:
    """Return the ends of the axis: those of the ranges, cut at a multiple of the estimates."""
    ends = [end for ends in course[1:] for end in ends if end is not None]
    top, bottom = min(max(0.0, *ends), most), max(min(0.0, *ends), -most)
    return top, bottom if bottom < top else top - 1.0


def _tips(course: Course, xs: Sequence[float], place: Callable[[float], float]) -> Iterable[str]:
    for x, day, value, low, high in zip(xs, *course, strict=True):
        if value is None:
            continue
        estimate = Estimate(value, low, high)
        cell = _cell(estimate, None, _signed_percent)
        span = f" ({cell.span})" if cell.span else ""
        y = 1_000 * place(value) / CHART_HEIGHT
        text = f"{day_text(date.fromisoformat(day))}: {cell.value}{span}"
        yield f"{1_000 * x / CHART_WIDTH:.0f} {y:.0f} {text}"
