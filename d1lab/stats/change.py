"""Whether a daily amount changed between two periods by more than it swings from day to day."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from d1lab.errors import InputError

MIN_DAYS = 14


class Change(NamedTuple):
    """How a period compares with the one before; numbers or None, or arrays with NaN for None.

    `reason` is 'no_history' where the period before is not known, 'few_days' where one of the
    periods has fewer than 14 days with anything in them; None where nothing is refused.
    """

    ratio: Any  # now / before - 1; None where before is unknown or not above 0
    low: Any  # 95 % interval of the ratio; None where a reason stands or no squares were given
    high: Any
    beyond_swing: Any  # whether the interval leaves out 0; False where there is none
    reason: Any


def change(
    now: Any, before: Any, squares: Any, squares_before: Any, days: Any, active_days: Any
) -> Change:
    """The change of a sum of daily amounts between two periods of the same length.

    Args:
        now, before: Sums over the days of each period; NaN or None where unknown.
        squares, squares_before: Sums of the squared daily amounts; NaN or None where an amount
            is no sum of days, such as a count of distinct things.
        days: Days in each period, those with nothing among them; > 1.
        active_days: Days with anything in them, in the period that has fewer.

    Raises:
        InputError: `days` is not above 1.

    Welch's t on daily amounts (Welch 1947), in per cent of the period before. It takes days as
    independent: that fits periods of whole weeks or more, as they hold the same weekdays.

    >>> c = change(1100, 1000, 41_000, 34_000, 30, 30)
    >>> round(c.ratio, 3), round(c.low, 3), round(c.high, 3), c.beyond_swing
    (0.1, 0.026, 0.174, True)
    >>> change(5, 4, 5, 4, 30, active_days=4).reason
    'few_days'
    """
    given = (now, before, squares, squares_before, days, active_days)
    fields = [np.asarray(x, dtype=np.float64) for x in given]
    scalar = all(field.ndim == 0 for field in fields)
    now, before, squares, squares_before, days, active_days = np.broadcast_arrays(
        *map(np.atleast_1d, fields)
    )
    if not (days > 1).all():
        raise InputError("a change needs periods of two days or more")
    ratio = np.divide(now, before, out=np.full(now.shape, np.nan), where=before > 0) - 1
    margin = _margin(now, before, squares, squares_before, days)
    reason = _reasons(before, active_days)
    margin = np.where(reason == None, margin, np.nan)  # noqa: E711 - item by item
    low, high = ratio - margin, ratio + margin
    beyond = (low > 0) | (high < 0)
    if not scalar:
        return Change(ratio, low, high, beyond, reason)
    return Change(_number(ratio), _number(low), _number(high), bool(beyond[0]), reason[0])


def _margin(now: Any, before: Any, squares: Any, squares_before: Any, days: Any) -> Any:
    """Half the interval's width, in shares of the period before."""
    from scipy.special import stdtrit

    error_now = _variance(now, squares, days) / days
    error_before = _variance(before, squares_before, days) / days
    error = error_now + error_before
    spread = error_now**2 + error_before**2
    freedom = np.divide(
        error**2 * (days - 1), spread, out=np.full(error.shape, np.nan), where=spread > 0
    )
    margin = stdtrit(freedom, 0.975) * np.sqrt(error) * days
    return np.divide(margin, before, out=np.full(margin.shape, np.nan), where=before > 0)


def _variance(total: Any, squares: Any, days: Any) -> Any:
    """Sample variance of daily amounts; rounding may not make it negative."""
    return np.maximum(squares - total**2 / days, 0) / (days - 1)


def _reasons(before: Any, active_days: Any) -> Any:
    reason = np.full(before.shape, None, dtype=object)
    reason[active_days < MIN_DAYS] = "few_days"
    reason[np.isnan(before)] = "no_history"
    return reason


def _number(values: Any) -> float | None:
    return None if np.isnan(values[0]) else float(values[0])
