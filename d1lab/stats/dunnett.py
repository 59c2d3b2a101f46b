"""Comparisons of several treatments with one control: Dunnett's test.

The estimates of all differences share the control, so they are correlated, and the test needs less
correction than for independent differences. Dunnett (1955), JASA 50:1096-1121; with each group's
own variance: Hasler & Hothorn (2008), Biometrical Journal 50:793-800.

The correlation of two differences is the product of their loads, sqrt(variance of the control's
mean / variance of the difference). So the probability is a double integral: over the control, and
over the standard error.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from d1lab.stats.means import t_critical
from d1lab.stats.power import critical_z

Floats = NDArray[np.float64]

_NODES = 160
_FAR = 9.0  # normal quantile beyond which nothing is left in double precision
_TAIL = 1e-15


def dunnett_p(t: ArrayLike, freedom: ArrayLike, loads: ArrayLike) -> Floats:
    """Return the two-sided p-value of each difference, adjusted for all of them.

    It is the probability that the largest of all |t| reaches this one if no treatment differs.

    Args:
        t: t statistic of each treatment minus the control.
        freedom: Degrees of freedom of each; can be infinite.
        loads: sqrt(variance of the control's mean / variance of the difference), inside (0, 1).

    >>> dunnett_p([2.0], [30.0], [0.7]).round(6).tolist()
    [0.054625]
    """
    sizes, degrees = np.abs(np.atleast_1d(np.asarray(t, float))), _each(freedom, t)
    found = [_exceeding(float(c), float(v), loads) for c, v in zip(sizes, degrees, strict=True)]
    single = _two_sided(sizes, degrees)
    return np.clip(found, single, single * len(sizes))


def dunnett_levels(alpha: float, freedom: ArrayLike, loads: ArrayLike) -> list[float]:
    """Return the level at which each difference is tested alone, so that all have `alpha` together.

    Args:
        alpha: Two-sided error rate of all comparisons together, inside (0, 1).
        freedom: As for `dunnett_p`.
        loads: As for `dunnett_p`.

    >>> [round(level, 6) for level in dunnett_levels(0.05, [30.0, 30.0], [0.5**0.5, 0.5**0.5])]
    [0.027284, 0.027284]
    """
    degrees = _each(freedom, loads)
    return [alpha] if len(degrees) == 1 else [_level(alpha, float(v), loads) for v in degrees]


def _level(alpha: float, freedom: float, loads: ArrayLike) -> float:
    """Invert `_exceeding`: between no correction and Bonferroni's."""
    from scipy.optimize import brentq

    def excess(c: float) -> float:
        return _exceeding(c, freedom, loads) - alpha

    count = np.atleast_1d(np.asarray(loads)).size
    low, high = (float(t_critical(freedom, critical_z(a))) for a in (alpha, alpha / count))
    found = brentq(excess, low, high, xtol=1e-13)
    return float(_two_sided(np.array([found]), np.array([freedom]))[0])


def _each(value: ArrayLike, like: ArrayLike) -> Floats:
    return np.broadcast_to(np.asarray(value, float), np.atleast_1d(np.asarray(like, float)).shape)


def _exceeding(c: float, freedom: float, loads: ArrayLike) -> float:
    """Return P(max |T| >= c), with T as in `dunnett_p`, all with the same degrees of freedom."""
    from scipy.special import ndtr

    z, z_weights = _legendre(-_FAR, _FAR)
    scales, s_weights = _scales(freedom)
    reach = c * scales[:, None]

    def within(load: float) -> Floats:
        rest = np.sqrt(1 - load**2)
        return np.asarray(ndtr((load * z + reach) / rest) - ndtr((load * z - reach) / rest), float)

    each = np.atleast_1d(np.asarray(loads, float)).tolist()
    inside = np.prod([within(load) for load in each], axis=0)
    normal = z_weights * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    return float(1 - s_weights @ inside @ normal)


def _scales(freedom: float) -> tuple[Floats, Floats]:
    """Return nodes and weights of the standard error relative to its true value."""
    from scipy.special import gammaincinv, gammaln

    if np.isinf(freedom):
        return np.ones(1), np.ones(1)
    half = freedom / 2
    ends = [np.sqrt(gammaincinv(half, tail) / half) for tail in (_TAIL, 1 - _TAIL)]
    s, weights = _legendre(*ends)
    density = np.log(2) + half * np.log(half) - gammaln(half)
    density = np.exp(density + (freedom - 1) * np.log(s) - half * s * s)
    weights = weights * density
    return s, weights / weights.sum()


def _legendre(low: float, high: float) -> tuple[Floats, Floats]:
    nodes, weights = _unit_nodes()
    half = (high - low) / 2
    return low + half * (nodes + 1), weights * half


@cache
def _unit_nodes() -> tuple[Floats, Floats]:
    return np.polynomial.legendre.leggauss(_NODES)


def _two_sided(t: Floats, freedom: Floats) -> Floats:
    from scipy.special import ndtr, stdtr

    endless = np.isinf(freedom)
    return 2 * np.where(endless, ndtr(-t), stdtr(np.where(endless, 1.0, freedom), -t))
