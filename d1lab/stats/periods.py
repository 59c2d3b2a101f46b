"""Whether a daily amount changed between two periods by more than it swings from day to day."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from d1lab.errors import InputError

MIN_DAYS = 14


REASONS = {
    "no_history": "no data for the full previous period",
    "few_days": "fewer than 14 active days in one of the periods",
}
"""Each reason to abstain, in words."""


class Periods(NamedTuple):
    """A sum of daily amounts in two periods of one length; numbers, or arrays of one length."""

    value: Any  # over the days of the later period
    before: Any  # over the days of the earlier one; NaN or None where unknown
    squares: Any  # of the later daily amounts; NaN or None for what is no sum of days
    squares_before: Any
    days: Any  # in each period, those with nothing among them; > 1
    active_days: Any  # days with anything in them, in the period that has fewer

    @classmethod
    def of(cls, columns: Any) -> Periods:
        """The periods in a frame's columns of the same names, such as the metric's."""
        return cls(*(columns[name] for name in cls._fields))


class PeriodChange(NamedTuple):
    """How a period compares with the one before; numbers or None, or arrays with NaN for None.

    `reason` is one of `REASONS`; None where nothing is refused.
    """

    ratio: Any  # now / before - 1; None where before is unknown or not above 0
    low: Any  # 95 % interval of the ratio; None where a reason stands or no squares were given
    high: Any
    beyond_swing: Any  # whether the interval leaves out 0; False where there is none
    reason: Any

    def in_words(self, before: str) -> list[str]:
        """Each change in a sentence for a reader.

        Args:
            before: What the period before is called, such as 'the 30 days before'.
        """
        return [_sentence(one, before) for one in zip(*map(np.atleast_1d, self), strict=True)]


def change(periods: Periods) -> PeriodChange:
    """How a sum of daily amounts changed between two periods of the same length.

    Args:
        periods: The sums, or arrays of them, one item per amount.

    Returns:
        Numbers for numbers, arrays for arrays.

    Raises:
        InputError: The periods have fewer than two days.

    Welch's t on daily amounts (Welch 1947), in shares of the period before. It takes days as
    independent: that fits periods of whole weeks or more, as they hold the same weekdays.

    >>> c = change(Periods(1100, 1000, 41_000, 34_000, days=30, active_days=30))
    >>> round(c.ratio, 3), round(c.low, 3), round(c.high, 3), c.beyond_swing
    (0.1, 0.026, 0.174, True)
    >>> change(Periods(5, 4, 5, 4, days=30, active_days=4)).reason
    'few_days'
    """
    fields = [np.atleast_1d(np.asarray(field, dtype=np.float64)) for field in periods]
    sums = Periods(*np.broadcast_arrays(*fields))
    if not (sums.days > 1).all():
        raise InputError("a change needs periods of two days or more")
    ratio = _per(sums.value, sums.before) - 1
    reason = _reasons(sums)
    margin = np.where(reason == None, _margin(sums), np.nan)  # noqa: E711 - item by item
    low, high = ratio - margin, ratio + margin
    beyond = (low > 0) | (high < 0)
    if any(np.ndim(field) for field in periods):
        return PeriodChange(ratio, low, high, beyond, reason)
    return PeriodChange(_number(ratio), _number(low), _number(high), bool(beyond[0]), reason[0])


def _per(top: Any, bottom: Any) -> Any:
    """top / bottom where bottom is above zero, else NaN."""
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)


def _margin(sums: Periods) -> Any:
    """Half the interval's width, in shares of the period before."""
    from scipy.special import stdtrit

    error_now = _variance(sums.value, sums.squares, sums.days) / sums.days
    error_before = _variance(sums.before, sums.squares_before, sums.days) / sums.days
    error = error_now + error_before
    freedom = _per(error**2 * (sums.days - 1), error_now**2 + error_before**2)
    return _per(stdtrit(freedom, 0.975) * np.sqrt(error) * sums.days, sums.before)


def _variance(total: Any, squares: Any, days: Any) -> Any:
    """Sample variance of daily amounts; rounding may not make it negative."""
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
    return f"{compared}, {verdict} normal daily variation (95% interval {low:+.0%} to {high:+.0%})."
