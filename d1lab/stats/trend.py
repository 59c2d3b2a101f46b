"""Robust trends of daily series, and the day on which a limit is reached.

The slope is Theil's and Sen's: the median of the slopes of all pairs of days, which a few odd days
do not move. Its interval is Sen's, from Kendall's rank statistic (Sen 1968, "Estimates of the
regression coefficient based on Kendall's tau", JASA 63). The prediction interval adds the spread of
the days around the trend, each at half of the error.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LEAST_DAYS = 14
"""With fewer days, weekdays alone can look like a trend."""


class TrendLine(NamedTuple):
    """A robust line through daily values; a value on day x is level + slope (x - middle)."""

    level: float  # the median value, at the middle day
    slope: float  # per day
    slope_low: float
    slope_high: float
    middle: float  # the median day
    below: float  # how far single days lie below the line: a quantile, 0 or negative
    above: float


class Crossing(NamedTuple):
    """When a series reaches a limit, in days after its last day; None beyond the horizon."""

    expected: int | None
    earliest: int | None
    latest: int | None
    reason: str = ""  # why there is no forecast; '' with one
    per_day: float | None = None  # the slope; None without a forecast


def trend(
    values: Sequence[float], days: Sequence[int] | None = None, *, confidence: float = 0.9
) -> TrendLine:
    """Fit a robust line to daily values, oldest first.

    Args:
        values: At least two.
        days: The day of each value, increasing; None for days without gaps, from 0 on.
        confidence: Of the slope's interval and of the days around the line, together.
    """
    y = np.asarray(values, float)
    n = len(y)
    x = np.arange(n, dtype=float) if days is None else np.asarray(days, float)
    first, second = np.triu_indices(n, 1)
    slopes = np.sort((y[second] - y[first]) / (x[second] - x[first]))
    slope, middle = float(np.median(slopes)), float(np.median(x))
    half = (1 - confidence) / 2  # each part gets half of the error
    spread = NormalDist().inv_cdf(1 - half / 2) * np.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low = int(max((len(slopes) - spread) // 2, 0))
    high = int(min(np.ceil((len(slopes) + spread) / 2), len(slopes) - 1))
    level = float(np.median(y - slope * (x - middle)))
    rest: NDArray[Any] = y - level - slope * (x - middle)
    below, above = np.quantile(rest, [half / 2, 1 - half / 2])
    return TrendLine(
        level, slope, float(slopes[low]), float(slopes[high]), middle,
        min(float(below), 0.0), max(float(above), 0.0),
    )  # fmt: skip


def crossing(
    values: Sequence[float],
    limit: float,
    horizon_days: int,
    days: Sequence[int] | None = None,
    *,
    confidence: float = 0.9,
) -> Crossing:
    """Forecast when a daily series reaches a limit.

    Args:
        values: One per day, oldest first; the last day is complete.
        limit: In the same unit.
        horizon_days: How far to look.
        days: The day of each value, increasing; None for days without gaps.
        confidence: Of the prediction interval.

    Returns:
        Days after the last one: when the line reaches the limit, when the upper bound of a single
        day does, and when the lower bound does. With a reason, and no days, for a short series.

    >>> crossing([float(day) for day in range(20)], 30, 90)
    Crossing(expected=11, earliest=11, latest=11, reason='', per_day=1.0)
    """
    if len(values) < LEAST_DAYS:
        return Crossing(
            None, None, None, f"{len(values)} of {LEAST_DAYS} days that a forecast needs are known"
        )
    fit = trend(values, days, confidence=confidence)
    last = len(values) - 1 if days is None else days[-1]
    ahead = last + np.arange(1, horizon_days + 1) - fit.middle
    return Crossing(
        _first(fit.level + fit.slope * ahead, limit),
        _first(fit.level + fit.slope_high * ahead + fit.above, limit),
        _first(fit.level + fit.slope_low * ahead + fit.below, limit),
        per_day=fit.slope,
    )


def _first(forecast: NDArray[Any], limit: float) -> int | None:
    reached = np.flatnonzero(forecast >= limit)
    return int(reached[0]) + 1 if len(reached) else None
