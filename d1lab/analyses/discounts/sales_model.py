"""A week's sales as orders times units per order, of weeks with a sale only.

A week without a sale shows no price, so it is not known whether it was discounted. Leaving such
weeks out makes slow sellers look as if discounts hardly mattered; counting them as regular makes
any discount look good. So orders are taken for what they are: counts of which zero is never seen.
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
"""The expected value and its variance, of a linear predictor."""

_SLOWEST = -5.0  # log of orders a week: a SKU that never had two orders in a week says no more
_STEPS, _LONGEST_STEP, _STILL = 60, 3.0, 1e-5


class Sales(NamedTuple):
    """The causes' coefficients on log units, and what each SKU moves them by."""

    slopes: Floats
    influence: Floats  # SKU x cause; the squares of a cause sum to its variance
    leverage: Floats  # SKU x cause: the share of what the orders tell of the cause
    identified: Any  # whether a cause differs from all mixtures of others and of weeks
    orders: Solution
    per_order: Solution


def sales(units: Floats, orders: Floats, sku: Codes, week: Codes, causes: Any) -> Sales:
    """Effects of causes on units, with an effect per SKU and week.

    Args:
        units: One per item; >= orders.
        orders: Likewise; >= 1, above 1 at least once for each SKU.
        sku: As `fixed_effects.design` takes it.
        week: Likewise.
        causes: A column per cause, dense or sparse.

    Orders are zero-truncated Poisson, units per order Poisson, both by pseudo maximum likelihood
    (Gourieroux, Monfort & Trognon 1984, Econometrica 52): what counts is that the means are right;
    the influences, and so the errors, do not take the variances to be Poisson's.
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
    """Mean and variance of a Poisson count that is above zero, of the logarithm of its rate.

    >>> [round(float(moment), 4) for moment in truncated(np.log(2.0))]
    [2.313, 1.589]
    """
    rate = np.exp(np.maximum(predictor, _SLOWEST))
    mean = rate / -np.expm1(-rate)
    return mean, mean * (1 + rate - mean)


def _maximised(
    by: Design, observed: Floats, start: Floats, family: Family
) -> tuple[Solution, Floats]:
    """The likelihood's maximum by iterated weighted least squares, and what it leaves over."""
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
