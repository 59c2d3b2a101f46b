"""Whether estimates of many shops predict better when they are drawn toward each other.

Each shop's estimate is drawn toward the mean of all, as far as its own error and the spread between
shops demand (empirical Bayes; spread by DerSimonian & Laird 1986, Controlled Clinical Trials 7). It
is judged by a holdout: earlier estimates predict later ones. Without proof that drawing predicts
better, each shop keeps its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Floats = NDArray[np.float64]

LEAST_SHOPS = 12
"""With fewer shops in the holdout, their errors say too little."""

CONFIDENCE = 0.95


class Pooled(NamedTuple):
    """Estimates of all shops, each drawn toward their mean."""

    values: Floats  # one per shop
    mean: float  # weighted by 1 / (error**2 + spread**2)
    spread: float  # standard deviation between the shops' true values


class PoolingVerdict(NamedTuple):
    """Whether drawn estimates predict better than each shop's own."""

    is_better: bool
    shops: int  # in the holdout
    own_error: float | None  # root mean squared error of each shop's own; None without a holdout
    pooled_error: float | None  # of drawn estimates
    reason: str  # one sentence


def pool(values: Sequence[float], errors: Sequence[float]) -> Pooled:
    """Draw estimates toward their mean.

    Args:
        values: One estimate per shop.
        errors: Their standard errors, > 0.

    >>> pool([0.0, 0.2, 0.4], [0.001, 0.001, 0.001]).values.round(3).tolist()
    [0.0, 0.2, 0.4]
    >>> pool([0.1, 0.2, 0.3], [1.0, 1.0, 1.0]).values.round(3).tolist()
    [0.2, 0.2, 0.2]
    """
    own, variances = np.asarray(values, float), np.asarray(errors, float) ** 2
    weights = 1 / variances
    mean = float(weights @ own / weights.sum())
    excess = float(weights @ (own - mean) ** 2) - (len(own) - 1)
    scale = float(weights.sum() - (weights**2).sum() / weights.sum())
    between = max(excess / scale, 0.0) if scale > 0 else 0.0
    weights = 1 / (variances + between)
    mean = float(weights @ own / weights.sum())
    kept = between / (variances + between)
    return Pooled(mean + kept * (own - mean), mean, float(np.sqrt(between)))


def judge_pooling(
    earlier: Sequence[float], errors: Sequence[float], later: Sequence[float]
) -> PoolingVerdict:
    """Judge by a holdout whether drawn estimates predict better than each shop's own.

    Args:
        earlier: One estimate per shop.
        errors: Their standard errors, > 0.
        later: The same shops' later estimates.

    Returns:
        Better only if the mean difference of squared errors is above zero with 95% confidence
        (one-sided, Student's t over shops).

    >>> judge_pooling([0.1], [0.1], [0.2]).reason
    'only 1 shop with an earlier and a later estimate, 12 needed'
    """
    count = len(earlier)
    if count < LEAST_SHOPS:
        shops = f"only {count} shop{'' if count == 1 else 's'}" if count else "no shop"
        reason = f"{shops} with an earlier and a later estimate, {LEAST_SHOPS} needed"
        return PoolingVerdict(False, count, None, None, reason)
    after: Any = np.asarray(later, float)
    own: Floats = (np.asarray(earlier, float) - after) ** 2
    drawn: Floats = (pool(earlier, errors).values - after) ** 2
    gains = own - drawn
    half = float(stdtrit(count - 1, CONFIDENCE)) * float(gains.std(ddof=1)) / np.sqrt(count)
    is_better = float(gains.mean()) - half > 0
    words = "less than" if is_better else "not proven less than"
    own_error, drawn_error = float(np.sqrt(own.mean())), float(np.sqrt(drawn.mean()))
    reason = (
        f"the error of drawn estimates is {drawn_error:.3g}, {words} {own_error:.3g} of each "
        f"shop's own, over {count} shops"
    )
    return PoolingVerdict(is_better, count, own_error, drawn_error, reason)
