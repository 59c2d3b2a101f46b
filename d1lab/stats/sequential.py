"""Sequential tests: group-sequential bounds, Beta-Binomial e-process, and confidence sequences.

Three methods keep the false positive rate of a test at alpha with daily reports:

- with a plan (size or end) declared before the start: Lan-DeMets alpha spending of the
  O'Brien-Fleming type, with bounds by numerical integration;
- without a plan, for counts: the Beta-Binomial e-process on B's share of the conversions;
- without a plan, for money: the asymptotic confidence sequence, on the absolute scale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

CONCENTRATION = 100.0
"""Weight of the Beta prior around the declared share, in conversions (k of Lindon and Malek)."""

TUNED_VISITORS = 5_000.0
"""Total visitors at which the sequence is narrowest, for a test without a planned size."""

_NODES = 128  # Gauss-Legendre nodes; more change no bound by 1e-9
FARTHEST = 12.0  # integration limit in standard deviations; no weight beyond it
_SMALLEST = 1e-300  # smallest spent alpha with a finite bound


def spent_alpha(time: ArrayLike, alpha: float = 0.05) -> Floats:
    """Return the two-sided alpha spent at a share of the plan.

    Args:
        time: Share of the planned visitors or days, > 0; above 1 counts as 1.
        alpha: Two-sided, inside (0, 1).

    4 (1 - Phi(z_{1 - alpha/4} / sqrt(t))): Lan & DeMets (1983), Biometrika 70:659-663,
    O'Brien-Fleming type, with half for each side.
    """
    from scipy.special import ndtr, ndtri

    share = np.minimum(np.asarray(time, dtype=np.float64), 1.0)
    return 4 * ndtr(ndtri(alpha / 4) / np.sqrt(share))


def bounds(
    times: Sequence[float] | Floats,
    alpha: float = 0.05,
    information: Sequence[float] | Floats | None = None,
) -> Floats:
    """Compute the critical |z| of each look.

    Args:
        times: Share of the plan at each look, > 0 and not decreasing; above 1 counts as 1.
        alpha: Two-sided, inside (0, 1).
        information: Information at each look, such as visitors; None to use `times`.

    Returns:
        One bound per look; infinite if a look has no alpha to spend.

    >>> bounds([0.2, 0.4, 0.6, 0.8, 1.0]).round(4).tolist()
    [4.8769, 3.357, 2.6803, 2.2898, 2.031]
    """
    spending = spent_alpha(times, alpha)
    known = np.asarray(times if information is None else information, dtype=np.float64)
    found = np.full(len(known), np.inf)
    points, weights, before, spent = np.zeros(1), np.ones(1), 0.0, 0.0
    for look, (allowed, now) in enumerate(zip(spending, known, strict=True)):
        if allowed - spent < _SMALLEST or now <= before:
            continue  # no new information or alpha; kept for the next look
        step = np.sqrt(now - before)
        edge = _edge(points, weights, step, float(allowed - spent), float(np.sqrt(now)))
        found[look] = edge / np.sqrt(now)
        points, weights = continued(points, weights, step, min(edge, FARTHEST * np.sqrt(now)))
        before, spent = now, allowed
    return found


def crossing_probability(
    lines: Sequence[float] | Floats, information: Sequence[float] | Floats
) -> Callable[[float], float]:
    """Return a function of the drift: the probability of crossing a bound, on either side.

    The drift is the expected z at information 1.

    Args:
        lines: Critical |z| of each look, from `bounds`.
        information: Information at each look, increasing.
    """
    from scipy.special import ndtr

    looks = list(_paths(lines, information))

    def crossed(drift: float) -> float:
        total = 0.0
        for path in looks:
            # Paths with a drift are those without one, weighted by their likelihood ratio.
            ratio = np.exp(drift * path.points - drift**2 * path.before / 2)
            ahead = path.points + drift * path.step**2
            above, below = (ahead - path.edge) / path.step, (-path.edge - ahead) / path.step
            total += float((path.weights * ratio * (ndtr(above) + ndtr(below))).sum())
        return total

    return crossed


class _Path(NamedTuple):
    """The process without drift before a look, among paths that have not crossed."""

    points: Floats
    weights: Floats
    before: float  # information of the look before
    step: float  # standard deviation of what this look adds
    edge: float  # its bound


def _paths(
    lines: Sequence[float] | Floats, information: Sequence[float] | Floats
) -> Iterator[_Path]:
    points, weights, before = np.zeros(1), np.ones(1), 0.0
    for line, now in zip(lines, information, strict=True):
        if not np.isfinite(line):
            continue
        step, edge = np.sqrt(now - before), line * np.sqrt(now)
        yield _Path(points, weights, before, step, edge)
        points, weights = continued(points, weights, step, min(edge, FARTHEST * np.sqrt(now)))
        before = now


def repeated_p(
    z: Sequence[float] | Floats,
    times: Sequence[float] | Floats,
    information: Sequence[float] | Floats | None = None,
) -> float:
    """Return the smallest alpha at which one of the looks would have crossed its bound.

    Args:
        z: Statistic at each look, standard normal under the null.
        times: As for `bounds`.
        information: As for `bounds`.

    Jennison & Turnbull (1989), JRSS B 51:305-361: the p-value is below alpha exactly if the
    repeated confidence intervals exclude the null.
    """
    from scipy.special import log_ndtr

    size = np.abs(np.asarray(z, dtype=np.float64))

    def beyond(log_alpha: float) -> float:
        lines = bounds(times, float(np.exp(log_alpha)), information)
        reached = np.isfinite(lines)
        return float((size[reached] - lines[reached]).max(initial=-np.inf))

    if beyond(-1e-9) < 0:
        return 1.0
    naive = cast(
        "float", log_ndtr(-size.max()) + np.log(2)
    )  # lower limit: more looks never lower p
    return float(np.exp(_root(beyond, max(float(naive), -680.0) - 1e-6, -1e-9)))


def log_bayes_factor(
    conversions_a: ArrayLike,
    conversions_b: ArrayLike,
    share_b: float,
    theta: ArrayLike | None = None,
    concentration: float = CONCENTRATION,
) -> Floats:
    """Return the log of the e-process of the null 'B's share of the conversions is theta'.

    Args:
        conversions_a: Conversions of A, or visitors for a sample ratio check.
        conversions_b: Conversions or visitors of B.
        share_b: B's declared share of the visitors, inside (0, 1); center of the prior.
        theta: Share under the null; None for `share_b`.
        concentration: Weight of the prior around the declared share.

    Lindon & Malek (2022), Anytime-valid inference for multinomial count data, arXiv 2011.03567.

    >>> round(float(log_bayes_factor(122, 189, 0.5)), 10)
    4.7904049356
    """
    from scipy.special import betaln, xlog1py, xlogy

    a, b = (np.asarray(x, dtype=np.float64) for x in (conversions_a, conversions_b))
    null = np.asarray(share_b if theta is None else theta, dtype=np.float64)
    prior_a, prior_b = concentration * (1 - share_b), concentration * share_b
    marginal = betaln(prior_b + b, prior_a + a) - betaln(prior_b, prior_a)
    return marginal - xlogy(b, null) - xlog1py(a, -null)


def e_process_p(log_factor: ArrayLike) -> Floats:
    """Return min(1, 1 / Bayes factor), a p-value valid at any stopping time."""
    return np.exp(-np.maximum(np.asarray(log_factor, dtype=np.float64), 0.0))


def share_interval(
    conversions_a: ArrayLike,
    conversions_b: ArrayLike,
    share_b: float,
    alpha: float = 0.05,
    concentration: float = CONCENTRATION,
) -> tuple[Floats, Floats]:
    """Return the interval of B's shares that the e-process does not reject: BF < 1 / alpha.

    Returns:
        The low and the high end; 0 or 1 if one variant has no conversions.
    """
    from scipy.special import expit, logit

    a, b = np.broadcast_arrays(
        *(np.asarray(x, dtype=np.float64) for x in (conversions_a, conversions_b))
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = logit(np.where(a + b > 0, b / np.where(a + b > 0, a + b, 1), share_b))
    centre = np.clip(middle, -700, 700)

    def kept(logits: Floats) -> NDArray[np.bool_]:
        # log(1 - theta) = log theta - logit, without loss of precision near 1.
        log_theta = -np.logaddexp(0, -logits)
        marginal = log_bayes_factor(a, b, share_b, 0.5, concentration) + (a + b) * np.log(0.5)
        return marginal - b * log_theta - a * (log_theta - logits) < -np.log(alpha)

    low = expit(_outermost(kept, centre, np.full(centre.shape, -745.0)))
    high = expit(_outermost(kept, centre, np.full(centre.shape, 745.0)))
    return np.where(b > 0, low, 0.0), np.where(a > 0, high, 1.0)


def rate_ratio(share_of_conversions: ArrayLike, share_b: float) -> Floats:
    """Convert B's share of the conversions to the ratio of the rates B / A."""
    theta = np.asarray(share_of_conversions, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return theta / (1 - theta) * (1 - share_b) / share_b


def mixture_scale(alpha: float = 0.05, tuned_visitors: float = TUNED_VISITORS) -> float:
    """Return r of the asymptotic sequence: sqrt((-2 ln alpha + ln(1 - 2 ln alpha)) / N*).

    >>> round(mixture_scale(), 10)
    0.0398400668
    """
    return float(np.sqrt((-2 * np.log(alpha) + np.log(1 - 2 * np.log(alpha))) / tuned_visitors))


def tuned_concentration(conversions: float, alpha: float = 0.05) -> float:
    """Return the weight of the e-process' prior that makes it narrowest at that many conversions.

    The prior of B's share has the relative variance 1 / (k + 1), as the mixture of the asymptotic
    sequence has r^2. It is at least 1.
    """
    return max(1 / mixture_scale(alpha, conversions) ** 2 - 1, 1.0)


def sequence_critical(visitors: ArrayLike, scale: float, alpha: float = 0.05) -> Floats:
    """Return the half-width of the asymptotic confidence sequence, in standard errors.

    Args:
        visitors: Total visitors of both variants, N > 0.
        scale: r, from `mixture_scale`, fixed at the start of the test.
        alpha: Two-sided, inside (0, 1).

    Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas, Time-uniform central limit theory and
    asymptotic confidence sequences, arXiv 2103.06476.

    >>> round(float(sequence_critical(1000, mixture_scale())) / 1000**0.5, 7)
    0.1063755
    """
    weight = np.asarray(visitors, dtype=np.float64) * scale**2
    return np.sqrt(2 * (weight + 1) / weight * np.log(np.sqrt(weight + 1) / alpha))


def sequence_p(z: ArrayLike, visitors: ArrayLike, scale: float) -> Floats:
    """Return the smallest alpha at which `sequence_critical` is below |z|; at most 1."""
    weight = np.asarray(visitors, dtype=np.float64) * scale**2
    square = np.asarray(z, dtype=np.float64) ** 2
    return np.minimum(1.0, np.sqrt(weight + 1) * np.exp(-square * weight / (2 * (weight + 1))))


def _edge(points: Floats, weights: Floats, step: float, spend: float, scale: float) -> float:
    """Find the bound with tail probability `spend` at the next look, by Newton on its log."""
    from scipy.special import ndtr, ndtri

    edge = -ndtri(min(spend / 2, 0.49)) * scale  # start: the bound if no path had stopped
    for _ in range(60):
        distance = (points - edge) / step
        tail = (weights * ndtr(distance)).sum()
        density = (weights * np.exp(-(distance**2) / 2)).sum() / (np.sqrt(2 * np.pi) * step)
        move = np.log(2 * tail / spend) * tail / density if tail > _SMALLEST else -scale / 4
        edge = max(edge + min(max(move, -scale), scale), 0.0)
        if abs(move) < 1e-13 * scale:
            break
    return float(edge)


def continued(points: Floats, weights: Floats, step: float, edge: float) -> tuple[Floats, Floats]:
    """Return the distribution of the process at a look, among paths that have not crossed."""
    nodes, node_weights = _legendre()
    inside = nodes * edge
    kernel = np.exp(-(((inside[:, None] - points[None, :]) / step) ** 2) / 2)
    density = (kernel * weights).sum(axis=1) / (step * np.sqrt(2 * np.pi))
    return inside, np.maximum(density * node_weights * edge, 1e-320)


def _legendre(cache: list[tuple[Floats, Floats]] = []) -> tuple[Floats, Floats]:  # noqa: B006
    if not cache:
        cache.append(np.polynomial.legendre.leggauss(_NODES))
    return cache[0]


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Find the root of an increasing function between low and high (Illinois method)."""
    below, above = function(low), function(high)
    for _ in range(100):
        if high - low < 1e-12 or above == 0:
            break
        safe = np.isfinite(below) and above > below
        middle = low - below * (high - low) / (above - below) if safe else (low + high) / 2
        middle = min(max(middle, low + 1e-13), high - 1e-13)
        value = function(middle)
        if value < 0:
            low, below, above = middle, value, above / 2
        else:
            high, above, below = middle, value, below / 2
    return high


def _outermost(
    kept: Callable[[Floats], NDArray[np.bool_]], inside: Floats, outside: Floats
) -> Floats:
    """Find the end of a kept set between a point inside and one outside, by bisection."""
    for _ in range(64):
        middle = (inside + outside) / 2
        within = kept(middle)
        inside, outside = np.where(within, middle, inside), np.where(within, outside, middle)
    return inside
