"""Comparison of a daily amount between two periods with its daily variation."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np

from d1lab.errors import InputError

MIN_DAYS = 14


REASONS = {
    "no_history": "no data for the full previous period",
    "few_days": "fewer than 14 active days in one of the periods",
}
"""Reasons for a missing interval, in words."""


class Periods(NamedTuple):
    """Sums of daily amounts in two periods of equal length; numbers, or arrays of equal length."""

    value: Any  # sum over the later period
    before: Any  # sum over the earlier period; NaN or None if unknown
    squares: Any  # sum of squared daily amounts, later period; NaN or None if not a sum of days
    squares_before: Any
    days: Any  # days per period, including days without activity; > 1
    active_days: Any  # days with activity, in the period with fewer of them

    @classmethod
    def of(cls, columns: Any) -> Periods:
        """Build from the columns of the same names in a frame, such as the metric's."""
        return cls(*(columns[name] for name in cls._fields))


class PeriodChange(NamedTuple):
    """Change vs. the previous period; numbers or None, or arrays with NaN for None.

    `reason` is one of `REASONS`, or None if there is an interval.
    """

    ratio: Any  # value / before - 1; None if before is unknown or not above 0
    low: Any  # 95% interval of the ratio; None if there is a reason or no squares
    high: Any
    beyond_swing: Any  # whether the interval excludes 0; False without an interval
    reason: Any

    def in_words(self, before: str) -> list[str]:
        """Return each change as a sentence.

        Args:
            before: Name of the previous period, such as 'the 30 days before'.
        """
        return [_sentence(one, before) for one in zip(*map(np.atleast_1d, self), strict=True)]


def dates_of(until: date, days: int) -> str:
    """Return the first and last day of a period.

    >>> dates_of(date(2018, 1, 14), 30), dates_of(date(2017, 12, 31), 1)
    ('Dec 16, 2017 to Jan 14, 2018', 'Dec 31, 2017')
    """
    first = until - timedelta(days=days - 1)
    start = day_text(first) if first.year != until.year else f"{first:%b} {first.day}"
    return f"{start} to {day_text(until)}" if days > 1 else day_text(until)


def day_text(day: date) -> str:
    """Return a day as all pages show it.

    >>> day_text(date(2017, 12, 31))
    'Dec 31, 2017'
    """
    return f"{day:%b} {day.day}, {day.year}"


def days_before(until: date, days: int) -> str:
    """Return the name of the period before a period of the same length, with its dates.

    >>> days_before(date(2017, 12, 31), 30)
    'the 30 days before (Nov 2 to Dec 1, 2017)'
    """
    return f"the {days} days before ({dates_of(until - timedelta(days=days), days)})"


def change(periods: Periods) -> PeriodChange:
    """Compute the change of a sum of daily amounts between two periods of equal length.

    Args:
        periods: Sums, or arrays with one item per amount.

    Returns:
        Numbers for numbers, arrays for arrays.

    Raises:
        InputError: The periods have fewer than two days.

    Welch's t on daily amounts (Welch 1947), relative to the previous period. Days are assumed to
    be independent, which is reasonable for periods of whole weeks, with the same weekdays.

    >>> c = change(Periods(1100, 1000, 41_000, 34_000, days=30, active_days=30))
    >>> round(c.ratio, 3), round(c.low, 3), round(c.high, 3), c.beyond_swing
    (0.1, 0.026, 0.174, True)
    >>> change(Periods(5, 4, 5, 4, days=30, active_days=4)).reason
    'few_days'
    """
    fields = [np.atleast_1d(np.asarray(field, dtype=np.float64)) for field in periods]
    sums = Periods(*np.broadcast_arrays(*fields))
    if not (sums.days > 1).all():
        raise InputError("periods must have at least two days")
    ratio = _per(sums.value, sums.before) - 1
    reason = _reasons(sums)
    margin = np.where(reason == None, _margin(sums), np.nan)  # noqa: E711 - item by item
    low, high = ratio - margin, ratio + margin
    beyond = (low > 0) | (high < 0)
    if any(np.ndim(field) for field in periods):
        return PeriodChange(ratio, low, high, beyond, reason)
    return PeriodChange(_number(ratio), _number(low), _number(high), bool(beyond[0]), reason[0])


def _per(top: Any, bottom: Any) -> Any:
    """Return top / bottom if bottom is above zero, else NaN."""
    missing: Any = np.full(top.shape, np.nan)
    return np.divide(top, bottom, out=missing, where=bottom > 0)


def _margin(sums: Periods) -> Any:
    """Return the half-width of the interval, relative to the previous period."""
    from scipy.special import stdtrit

    error_now = _variance(sums.value, sums.squares, sums.days) / sums.days
    error_before = _variance(sums.before, sums.squares_before, sums.days) / sums.days
    error = error_now + error_before
    freedom = _per(error**2 * (sums.days - 1), error_now**2 + error_before**2)
    return _per(stdtrit(freedom, 0.975) * np.sqrt(error) * sums.days, sums.before)


def _variance(total: Any, squares: Any, days: Any) -> Any:
    """Return the sample variance of daily amounts, clipped at 0 against rounding errors."""
    return np.maximum(squares - total**2 / days, 0) / (days - 1)


def _reasons(sums: Periods) -> Any:
    reason = np.full(sums.before.shape, None, dtype=object)
    reason[sums.active_days < MIN_DAYS] = "few_days"
    reason[np.isnan(sums.before)] = "no_history"
    return reason


def _number(values: Any) -> float | None:
    return None if np.isnan(values[0]) else float(values[0])


def _sentence(one: tuple[Any, ...], before: str) -> str:
    ratio, low, high, beyond, reason = one
    if ratio is None or np.isnan(ratio):
        return f"No comparison: {REASONS.get(reason, f'no activity in {before}')}."
    compared = f"{ratio:+.0%} vs. {before}"
    if reason is not None:
        return f"{compared}. Significance not available: {REASONS[reason]}."
    if low is None or np.isnan(low):
        return f"{compared}."
    verdict = "more than" if beyond else "within"
    return f"{compared}, {verdict} normal daily variation (95% range {low:+.0%} to {high:+.0%})."
