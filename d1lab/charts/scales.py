"""Scales of drawn charts: where a value lies, and which ticks are labeled."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from d1lab.display.currency import sign_of
from d1lab.display.table import TableColumn
from d1lab.display.values import show
from d1lab.stats.periods import day_text

TICKS = 5
"""Most labels of an axis: as many as fit on a phone's width."""

_HOURS = (1 / 24, 3 / 24, 6 / 24, 12 / 24)
_DAYS = (1, 2, 7, 14, 28)
_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1_200)
_SIZES = ((1e9, "B"), (1e6, "M"), (1e3, "k"))
_LONG = 5_000  # step from which numbers are shortened
_EPOCH = datetime(1970, 1, 1)


class Tick(NamedTuple):
    """A labeled place of an axis."""

    value: float
    label: str


class Scale(NamedTuple):
    """A linear scale from `low` to `high`, with its ticks; dates are days since 1970."""

    low: float
    high: float
    ticks: tuple[Tick, ...]

    def share(self, value: float) -> float:
        """Return the place of a value, 0 at the low end and 1 at the high end; clipped to these."""
        share = (value - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, share))


def days_of(value: str) -> float:
    """Return a date or time in ISO format as days since 1970.

    >>> days_of("1970-01-02"), days_of("1970-01-01T12:00:00")
    (1.0, 0.5)
    """
    return (datetime.fromisoformat(value).replace(tzinfo=None) - _EPOCH) / timedelta(days=1)


def number_scale(values: Iterable[float], column: TableColumn, *, zero: bool) -> Scale:
    """Return a scale whose ends are ticks.

    Args:
        values: Values to show; those that are not finite are ignored.
        column: Column of the values, for the labels.
        zero: Whether the scale includes 0.
    """
    known = [value for value in values if math.isfinite(value)]
    low, high = min(known, default=0.0), max(known, default=0.0)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        low, high = (low, low + 1) if low == 0 else (min(low, 0.0), max(high, 0.0))
    step = _step((high - low) / (TICKS - 1), whole=column.kind == "integer")
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    places = [number * step for number in range(first, max(last, first + 1) + 1)]
    ticks = tuple(Tick(place, _label(place, step, column)) for place in places)
    return Scale(places[0], places[-1], ticks)


def _step(least: float, *, whole: bool) -> float:
    """Return the smallest step of 1, 2, or 5 times a power of ten that is at least `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    step = next(power * unit for unit in (1, 2, 5, 10) if power * unit >= least * (1 - 1e-9))
    return max(step, 1.0) if whole else step


def _label(value: float, step: float, column: TableColumn) -> str:
    """Format a tick with the decimals that its step needs; large ones in thousands or more."""
    if column.kind == "percent":
        return show(value, "percent", digits=_decimals(step * 100))
    size, suffix = next(
        (each for each in _SIZES if step >= each[0] / 10 and step >= 5_000), (1.0, "")
    )
    signed = column.unit if column.kind == "money" and sign_of(column.unit) else ""
    shown = show(value / size, column.kind, signed, _decimals(step / size) if value else 0)
    return f"{shown}{suffix if value else ''}"


def _decimals(step: float) -> int:
    return max(0, -math.floor(math.log10(step) + 1e-9))


def time_scale(days: Sequence[float]) -> Scale:
    """Return a scale over days since 1970, with ticks at whole days, months, or years."""
    low, high = min(days), max(days)
    if low == high:
        return Scale(low - 0.5, high + 0.5, (Tick(low, _day(low, 1)),))
    is_days = all(day == int(day) for day in days)
    for step in _DAYS if is_days else (*_HOURS, *_DAYS):
        count = math.floor((high - low) / step + 1e-9) + 1
        if count <= TICKS:
            first = low if is_days else math.ceil(low / step - 1e-9) * step
            places = (first + step * number for number in range(count))
            return Scale(low, high, tuple(Tick(p, _day(p, step)) for p in places if p <= high))
    return Scale(low, high, _months(low, high))


def _months(low: float, high: float) -> tuple[Tick, ...]:
    start, end = (_EPOCH + timedelta(days=each) for each in (low, high))
    begin, last = start.year * 12 + start.month - 1, end.year * 12 + end.month - 1
    for step in _MONTHS:
        numbers = range(-(-begin // step) * step, last + 1, step)
        places = [(n, days_of(f"{n // 12:04}-{n % 12 + 1:02}-01")) for n in numbers]
        inside = [(n, place) for n, place in places if low <= place <= high]
        if len(inside) <= TICKS:
            return tuple(Tick(place, _month(n, step)) for n, place in inside)
    return ()


def _month(number: int, step: int) -> str:
    first = datetime(number // 12, number % 12 + 1, 1)
    return f"{first:%Y}" if step >= 12 else f"{first:%b %Y}"


def _day(days: float, step: float) -> str:
    moment = _EPOCH + timedelta(days=days)
    return f"{moment:%H:%M}" if step < 1 else f"{moment:%b} {moment.day}"


def day_in_words(value: str) -> str:
    """Return a date or time in ISO format in words.

    >>> day_in_words("2026-05-31T00:00:00"), day_in_words("2026-05-31T06:30:00")
    ('May 31, 2026', 'May 31, 2026, 06:30')
    """
    moment = datetime.fromisoformat(value)
    day = day_text(moment)
    is_day = (moment.hour, moment.minute) == (0, 0)
    return day if is_day else f"{day}, {moment:%H:%M}"


def number(value: Any) -> float | None:
    """Return a value as a finite number; None for all else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None
