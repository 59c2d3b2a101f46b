"""Sample size, power, minimum detectable effect, and remaining days of a test."""

from __future__ import annotations

import math
from typing import NamedTuple

from d1lab.errors import InputError


class SampleSize(NamedTuple):
    """Visitors required to detect the difference between two rates."""

    base: float  # conversion rate of A
    target: float  # conversion rate of B
    power: float  # probability of detecting the difference
    alpha: float  # two-sided
    share_b: float
    visitors_a: int  # rounded up
    visitors_b: int
    exact_a: float  # before rounding
    exact_b: float


def sample_size(
    base: float,
    target: float,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    share_b: float = 0.5,
    inflation: float = 1.0,
) -> SampleSize:
    """Compute the visitors per variant for a two-sided, fixed-horizon score test.

    Args:
        base: Conversion rate of A, inside (0, 1).
        target: Conversion rate of B, inside (0, 1), different from `base`.
        power: Probability of detecting the difference, inside (alpha, 1).
        alpha: Two-sided significance level, inside (0, 1).
        share_b: B's share of the visitors, inside (0, 1).
        inflation: Factor for interim looks, from the function `inflation`.

    Raises:
        InputError: A number is out of range.

    Fleiss, Levin & Paik (2003), Statistical Methods for Rates and Proportions, 4.2, without the
    continuity correction.

    >>> size = sample_size(0.05, 0.055)
    >>> size.visitors_a, round(size.exact_a, 5)
    (31234, 31233.43794)
    """
    from scipy.special import ndtri

    _inside(base=base, target=target, alpha=alpha, share_b=share_b, power=power)
    if base == target:
        raise InputError(f"sample size from {base:.4g} to {target:.4g}: the rates must differ")
    if power <= alpha:
        raise InputError(f"power = {power:.4g} must be above alpha = {alpha:.4g}")
    null, alternative = _spreads(base, target, share_b)
    root = -ndtri(alpha / 2) * null + ndtri(power) * alternative
    ratio = float(root / (target - base))
    total = ratio * ratio * inflation  # a power would raise OverflowError
    a, b = total * (1 - share_b), total * share_b
    if not math.isfinite(total):
        raise InputError(f"sample size from {base} to {target}: the rates are too close")
    return SampleSize(base, target, power, alpha, share_b, math.ceil(a), math.ceil(b), a, b)


def power_of(
    base: float, target: float, visitors_a: float, visitors_b: float, alpha: float = 0.05
) -> float:
    """Return the power of a fixed-horizon score test, including rejections on the other side.

    >>> round(power_of(0.05, 0.055, 31_231, 31_231), 10)
    0.7999703457
    """
    from scipy.special import ndtr, ndtri

    total = visitors_a + visitors_b
    null, alternative = _spreads(base, target, visitors_b / total)
    line = -ndtri(alpha / 2) * null
    distance = abs(target - base) * math.sqrt(total)
    return float(ndtr((distance - line) / alternative) + ndtr((-distance - line) / alternative))


def detectable_rate(
    base: float,
    visitors_a: float,
    visitors_b: float,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
) -> float | None:
    """Return the smallest higher rate of B that these visitors detect with the given power.

    Returns:
        The rate, or None if even a rate of 1 would not be detected.
    """
    low, high = base, 1 - 1e-12
    if not 0 < base < high or power_of(base, high, visitors_a, visitors_b, alpha) < power:
        return None
    for _ in range(60):
        middle = (low + high) / 2
        if power_of(base, middle, visitors_a, visitors_b, alpha) < power:
            low = middle
        else:
            high = middle
    return high


def critical_z(alpha: float = 0.05) -> float:
    """Return the |z| that a two-sided test read once requires."""
    from scipy.special import ndtri

    return -float(ndtri(alpha / 2))


def two_sided_alpha(critical: float) -> float:
    """Return the two-sided level of a critical |z|: the inverse of `critical_z`."""
    from scipy.special import ndtr

    return 2 * float(ndtr(-critical))


def detectable_difference(error: float, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """Return the smallest difference of two means detected with the given power."""
    from scipy.special import ndtri

    return float(-ndtri(alpha / 2) + ndtri(power)) * error


def days_left(needed_visitors: float, seen_visitors: float, visitors_per_day: float) -> int | None:
    """Return whole days until the required visitors; 0 if reached, None without traffic."""
    if seen_visitors >= needed_visitors:
        return 0
    if not visitors_per_day > 0:
        return None
    return math.ceil((needed_visitors - seen_visitors) / visitors_per_day)


def inflation(times: list[float], *, power: float = 0.8, alpha: float = 0.05) -> float:
    """Return the sample size factor of a group-sequential plan vs. one look at the end.

    Args:
        times: Shares of the plan at its looks, increasing to 1.
        power: Probability of detecting the difference, inside (alpha, 1).
        alpha: Two-sided significance level, inside (0, 1).

    >>> round(inflation([0.2, 0.4, 0.6, 0.8, 1.0]), 3)
    1.025
    """
    from d1lab.stats.sequential import bounds

    return drift_factor(bounds(times, alpha).tolist(), times, power=power, alpha=alpha)


def drift_factor(
    lines: list[float], times: list[float], *, power: float = 0.8, alpha: float = 0.05
) -> float:
    """Return the sample size factor of any lines of |z| vs. one look at the end.

    Args:
        lines: Critical |z| of each look.
        times: Share of the information at each look, increasing to 1.
        power: Probability of crossing a line by the end, inside (alpha, 1).
        alpha: Two-sided significance level of the one look.

    Returns:
        From 1 to 4, also if even four times the size has less power.
    """
    from scipy.optimize import brentq
    from scipy.special import ndtri

    from d1lab.stats.sequential import crossing_probability

    crossed = crossing_probability(lines, times)

    def above(drift: float) -> float:
        return crossed(drift) - power

    fixed = float(-ndtri(alpha / 2) + ndtri(power))
    if above(fixed) >= 0:
        return 1.0
    if above(2 * fixed) < 0:
        return 4.0
    return (float(brentq(above, fixed, 2 * fixed, xtol=1e-12)) / fixed) ** 2


def _spreads(base: float, target: float, share_b: float) -> tuple[float, float]:
    """Return the standard deviation of a rate difference per visitor: under the null, and true."""
    pooled = (1 - share_b) * base + share_b * target
    null = pooled * (1 - pooled) / (share_b * (1 - share_b))
    alternative = base * (1 - base) / (1 - share_b) + target * (1 - target) / share_b
    return math.sqrt(null), math.sqrt(alternative)


def _inside(**numbers: float) -> None:
    for name, value in numbers.items():
        if not 0 < value < 1:
            raise InputError(f"{name} = {value} must be between 0 and 1 (0.05 for 5%)")
