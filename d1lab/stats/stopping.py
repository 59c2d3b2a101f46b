"""Estimate after a sequential test has stopped early: median-unbiased, by the stagewise order.

A test stops early because its estimate is far out, so the estimate at the stop is too large on
average. Ordering outcomes by the look of the stop, then by z, gives a p-value for every effect; the
effect at which it is one half is median-unbiased. Jennison & Turnbull (2000), Group Sequential
Methods, 8.4 and 8.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d1lab.stats.sequential import FARTHEST, continued

Floats = NDArray[np.float64]


class _Stage(NamedTuple):
    """Paths without a drift that reach a look, and the look's line."""

    points: Floats
    weights: Floats
    before: float  # information at the last look
    now: float
    line: float


def shrinkage(z: float, lines: Sequence[float], information: Sequence[float]) -> float:
    """Return the median-unbiased estimate divided by the estimate at the stop, from 0 to 1.

    Args:
        z: Statistic at the last of the looks, where the test stopped; beyond its line.
        lines: Critical |z| of each look up to the stop; infinite where a look cannot stop.
        information: Information at each look, increasing.

    >>> round(shrinkage(2.6, [4.0486, 2.8628, 2.3375], [1, 2, 3]), 3)
    0.988
    """
    stages = _stages(lines, information)
    size, last = abs(z), float(information[-1])
    low, high = 0.0, size / last**0.5
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if _beyond(stages, size, middle) > 0.5 else (middle, high)
    return high * last**0.5 / size


def _stages(lines: Sequence[float], information: Sequence[float]) -> list[_Stage]:
    stages: list[_Stage] = []
    points, weights, before = np.zeros(1), np.ones(1), 0.0
    for place, (line, now) in enumerate(zip(lines, information, strict=True)):
        is_last = place == len(lines) - 1
        if (not np.isfinite(line) and not is_last) or now <= before:
            continue
        stages.append(_Stage(points, weights, before, float(now), float(line)))
        if not is_last:
            root = float(np.sqrt(now))
            edge = min(line, FARTHEST) * root
            points, weights = continued(points, weights, float(np.sqrt(now - before)), edge)
            before = float(now)
    return stages


def _beyond(stages: Sequence[_Stage], size: float, drift: float) -> float:
    """Return the probability of an outcome at least as far above, under a drift."""
    total = 0.0
    for place, (points, weights, before, now, line) in enumerate(stages):
        limit = size if place == len(stages) - 1 else line
        tilted = weights * np.exp(drift * points - drift**2 * before / 2)
        ahead = points + drift * (now - before)
        total += float(tilted @ _tails((ahead - limit * now**0.5) / (now - before) ** 0.5))
    return total


def _tails(distances: Floats) -> Floats:
    from scipy.special import ndtr

    return np.asarray(ndtr(distances), dtype=np.float64)
