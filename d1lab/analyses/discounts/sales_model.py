"""Model of weekly sales as orders times units per order, for weeks with a sale.

A week without a sale has no price, so it is unknown whether it was discounted. Excluding these
weeks biases the lift of slow sellers toward zero, and counting them as regular biases every lift
upward. Orders are therefore modeled as zero-truncated counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from d1lab.stats.fixed_effects import (
    Codes,
    Design,
    Floats,
    Solution,
    design,
    influence,
    leverage,
    solve,
)

Family = Callable[[Floats], tuple[Floats, Floats]]
"""Mean and variance as functions of a linear predictor."""

_SLOWEST = -5.0  # lower limit of log orders per week, for a SKU without two orders in any week
_STEPS, _LONGEST_STEP, _STILL = 60, 3.0, 1e-5


class Sales(NamedTuple):
    """Coefficients of the causes on log units, and the influence of each SKU."""

    slopes: Floats
    influence: Floats  # SKU x cause; the squares of a cause sum to its variance
    leverage: Floats  # SKU x cause: share of the information on the cause in the orders
    identified: Any  # whether a cause is linearly independent of the others and of the weeks
    orders: Solution
    per_order: Solution


def sales(units: Floats, orders: Floats, sku: Codes, week: Codes, causes: Any) -> Sales:
    """Estimate the effects of causes on units, with an effect per SKU and week.

    Args:
        units: Units per item; >= orders.
        orders: Orders per item; >= 1, and above 1 at least once per SKU.
        sku: SKU codes, as for `fixed_effects.design`.
        week: Week codes, as for `fixed_effects.design`.
        causes: Items x causes, dense or sparse.

    Orders are zero-truncated Poisson and units per order Poisson, both fitted by pseudo maximum
    likelihood (Gourieroux, Monfort & Trognon 1984, Econometrica 52). Only the means have to be
    correctly specified; the influences, and therefore the errors, do not assume Poisson variances.
    """
    by = design(sku, week, causes)
    start = np.log(np.maximum(orders, 1.2))
    bought, left_orders = _maximised(by, orders, start, truncated)
    weights = truncated(np.maximum(bought.fitted, _SLOWEST))[1]

    def poisson(predictor: Floats) -> tuple[Floats, Floats]:
        mean = orders * np.exp(predictor)
        return mean, mean

    each, left_units = _maximised(by, units, np.log(units / orders), poisson)
    moved = influence(by, bought, left_orders) + influence(by, each, left_units)
    first = len(bought.coefficients) - by.causes
    slopes = bought.coefficients[first:] + each.coefficients[first:]
    known = bought.identified & each.identified
    return Sales(slopes, moved, leverage(by, bought, weights), known, bought, each)


def truncated(predictor: Floats) -> tuple[Floats, Floats]:
    """Return mean and variance of a zero-truncated Poisson count, given the log of its rate.

    >>> [round(float(moment), 4) for moment in truncated(np.log(2.0))]
    [2.313, 1.589]
    """
    rate = np.exp(np.maximum(predictor, _SLOWEST))
    mean = rate / -np.expm1(-rate)
    return mean, mean * (1 + rate - mean)


def _maximised(
    by: Design, observed: Floats, start: Floats, family: Family
) -> tuple[Solution, Floats]:
    """Maximize the likelihood by iteratively reweighted least squares; return the residuals too."""
    predictor, found = start, None
    for _ in range(_STEPS):
        mean, variance = family(predictor)
        step = np.clip((observed - mean) / variance, -_LONGEST_STEP, _LONGEST_STEP)
        before, found = found, solve(by, predictor + step, variance)
        predictor = np.maximum(found.fitted, _SLOWEST)
        if before and np.abs(found.coefficients - before.coefficients).max() < _STILL:
            break
    assert found is not None
    return found, observed - family(predictor)[0]
