"""Recommendation rule per product: discount, test, keep the regular price, or none.

Products sold below cost and those that are always discounted come first: neither needs an estimate.
Otherwise, the rule considers only depths within the observed range. It recommends a discount only
if the probability of a higher profit is at least 80%, and never if the stock on hand would not last
until the next delivery. It recommends a test only if the result is worth more than the test costs.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from d1lab.errors import InputError
from d1lab.stats.power import sample_size

Decision = Literal["discount", "hold", "test"]

ENOUGH = 0.8  # minimum probability of a gain for recommending a discount
STEP = 0.05
DEEPEST = 0.95
LEVEL = 1.645  # normal quantile of 90% intervals
LONGEST_TEST_DAYS = 182
TEST_COST = 50.0  # of setting up and reading one test, in the shop's currency (convention)
_QUADRATURE = np.linspace(-5, 5, 101)  # standard deviations of the slope
LEARNING_DAYS = 14  # without its discount, for a product that is always discounted

REASONS = {
    "below_cost": "sold below its unit cost: end the discount or raise the price",
    "always_on": "always discounted: switch it off for two weeks to learn what it sells",
    "short_cover": "stock runs out before a new delivery could arrive",
    "no_gain": "a discount is unlikely to pay for itself",
    "loses_revenue": "a discount would reduce revenue, so it loses money at any unit cost",
    "no_cost": "unit cost missing, so profit is unknown",
    "no_slope": "not enough sales both with and without a discount",
    "without_help": "sells without a discount, and none has been tried",
    "too_rare": "too few sales for a test within six months",
    "not_worth_it": "a gain is possible, but a test would cost more than it could show",
    "gain": "the probability of a gain is at least 80%",
    "unsure": "a gain is possible but uncertain",
}
"""Reasons for a decision or for having none, in words."""


class Product(NamedTuple):
    """Inputs of the rule for one product; NaN or None if missing."""

    price: float  # paid per unit in regular weeks; > 0
    cost: float | None  # per unit; >= 0
    units: float  # expected over the horizon at the regular price; > 0
    slope: float | None  # price elasticity
    error: float | None  # its standard error
    least_depth: float | None  # range of observed depths, inside (0, 1)
    most_depth: float | None
    cover_days: float | None = None  # days of supply; None without a stock ledger
    base_rate: float | None = None  # share of the shop's orders with the product
    orders_per_day: float | None = None  # of the shop
    paid: float | None = None  # price per unit of late, after discounts
    always_discounted: bool = False
    horizon_days: float = 28  # of `units`
    drift: float = 0.0  # part of `error`: how far slopes change over time; >= 0, below `error`


class PlannedTest(NamedTuple):
    """A/B test plan: half of the customers get the discount."""

    orders: int  # of both variants
    days: int
    target_rate: float  # share of orders with the product at break-even


class Recommendation(NamedTuple):
    """Recommendation for one product; a field is None if it does not apply or is unknown."""

    decision: Decision | None  # None: no recommendation
    reason: str  # one of `REASONS`
    depth: float | None  # depth to discount or to test
    units: float | None  # expected over the horizon under the decision
    profit: float | None  # expected over the horizon under the decision
    gain: float | None  # expected profit at the depth minus profit at the regular price
    gain_low: float | None  # 90% interval of the gain
    gain_high: float | None
    chance: float | None  # probability that the gain is above 0
    break_even_margin: float | None  # at the best depth
    plan: PlannedTest | None = None


class DepthGains(NamedTuple):
    """Expected result of each depth over the horizon, with one item per depth."""

    depth: NDArray[np.float64]
    lift: NDArray[np.float64]  # expected units at the depth per unit at the regular price
    gain: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    chance: NDArray[np.float64]


def depths(least: float, most: float) -> NDArray[np.float64]:
    """Return the depths in 5% steps within the observed range, or else its middle.

    >>> depths(0.12, 0.31).tolist(), depths(0.11, 0.13).tolist()
    ([0.15, 0.2, 0.25, 0.3], [0.12])
    """
    first, last = math.ceil(least / STEP - 1e-9), math.floor(min(most, DEEPEST) / STEP + 1e-9)
    steps = np.arange(max(first, 1), last + 1, dtype=np.float64)
    if not len(steps):
        steps = np.array([min((least + most) / 2, DEEPEST) / STEP])
    return np.asarray(np.round(steps * STEP, 2), dtype=np.float64)


def gains(product: Product, cost: float, at: NDArray[np.float64]) -> DepthGains:
    """Compute the expected gain of each depth, its 90% interval, and the probability of a gain.

    Args:
        product: Product with a slope and its error.
        cost: Cost per unit; 0 to compare revenue.
        at: Depths, inside (0, 1).

    Raises:
        InputError: The product has no slope, or a number is out of range.

    Units at depth d are units x (1 - d)^slope with a normal slope, so they are log-normal. What is
    unknown about the slope raises their mean (E[f(x)] > f(E[x]), as f is convex). Its change over
    time does not: it has no direction, so it widens the interval around the same mean.
    """
    slope, error = product.slope, product.error
    if (
        slope is None
        or error is None
        or not (product.price > 0 and product.units > 0 and error > 0)
    ):
        raise InputError(f"gains require price, units, and error above 0, and a slope: {product}")
    log = np.log(1 - at)
    keep, margin = product.price * (1 - at) - cost, product.price - cost

    def gain(lift: Any) -> Any:
        return product.units * (lift * keep - margin)

    middle = slope - product.drift**2 * log / 2  # of the slope, so that drift leaves the mean
    lift = np.exp(middle * log + (error * log) ** 2 / 2)
    ends = [gain(np.exp((middle + side * LEVEL * error) * log)) for side in (1, -1)]
    low, high = np.minimum(*ends), np.maximum(*ends)
    return DepthGains(at, lift, gain(lift), low, high, _chance(middle, error, log, keep, margin))


def _chance(slope: Any, error: float, log: Any, keep: Any, margin: float) -> Any:
    """Return P((1 - d)^slope x keep > margin)."""
    from scipy.special import ndtr

    if margin <= 0:  # each unit sells at a loss, so a lift cannot raise profit
        return np.zeros_like(log)
    needed = np.log(margin / np.where(keep > 0, keep, np.nan)) / log  # the slope that breaks even
    chance = cast("Any", ndtr((needed - slope) / error))
    return np.where(keep > 0, chance, 0.0)


def recommend(product: Product, *, lead_time_days: float = 14) -> Recommendation:
    """Recommend a discount, a test, or the regular price for one product.

    Args:
        product: Inputs for the product.
        lead_time_days: Days from order to delivery; >= 0.

    Raises:
        InputError: A number is out of range.

    >>> mug = Product(10, 3, 100, slope=-3, error=0.2, least_depth=0.1, most_depth=0.3)
    >>> advice = recommend(mug)
    >>> advice.decision, advice.depth, round(advice.gain), round(advice.chance, 2)
    ('discount', 0.3, 469, 1.0)
    """
    if product.cost is not None and product.paid is not None and product.paid < product.cost:
        return _without("hold", "below_cost", product)
    if product.always_discounted:
        return _without("test", "always_on", product)
    if product.cover_days is not None and product.cover_days < lead_time_days:
        return _without("hold", "short_cover", product)
    if product.slope is None:
        return _without(None, "no_slope", product)
    if product.least_depth is None or product.most_depth is None:
        return _without("hold", "without_help", product)
    tried = depths(product.least_depth, product.most_depth)
    revenue = gains(product, 0, tried)
    if revenue.chance.max() <= 1 - ENOUGH:
        return _at(product, revenue, "hold", "loses_revenue", known=False)
    if product.cost is None:
        return _at(product, revenue, None, "no_cost", known=False)
    return _weighed(product, gains(product, product.cost, tried))


def _weighed(product: Product, found: DepthGains) -> Recommendation:
    """Decide by profit: the best depth that is likely to gain, else a test or no discount."""
    sure = np.flatnonzero(found.chance >= ENOUGH)
    if len(sure):
        return _at(product, found, "discount", "gain", best=int(sure[found.gain[sure].argmax()]))
    best = int(found.gain.argmax())
    if found.chance[best] <= 1 - ENOUGH or found.gain[best] <= 0:
        return _at(product, found, "hold", "no_gain", best=best)
    plan = _plan(product, float(found.depth[best]))
    if plan is None:
        return _at(product, found, "hold", "too_rare", best=best)
    value = value_of_test(product, float(found.depth[best]), plan)
    if value <= cost_of_test(product, found, best, plan):
        return _at(product, found, "hold", "not_worth_it", best=best)
    return _at(product, found, "test", "unsure", best=best)._replace(plan=plan)


def value_of_test(product: Product, depth: float, plan: PlannedTest) -> float:
    """Return what the result of a test is worth over half a year after it.

    The expected value of sample information (Raiffa & Schlaifer 1961), by preposterior analysis:
    E[max(E[gain | result], 0)] - max(E[gain], 0). The result is the lift that the test shows, which
    is normal around the true one, with the error of two counts of orders.

    Raises:
        InputError: The product has no slope, error, cost, or base rate.
    """
    slope, error, cost, rate = product.slope, product.error, product.cost, product.base_rate
    if slope is None or not error or cost is None or not rate:
        raise InputError(f"the value of a test requires slope, error, cost, and rate: {product}")
    log = math.log(1 - depth)
    prior = np.exp(-(_QUADRATURE**2) / 2)
    prior /= prior.sum()
    middle = slope - product.drift**2 * log / 2
    lift = np.exp((middle + error * _QUADRATURE) * log)
    gain = product.units * (lift * (product.price * (1 - depth) - cost) - product.price + cost)
    bought = np.minimum(rate * lift, 1)
    variance = lift * (1 - bought) + lift**2 * (1 - rate)  # of the ratio of two binomial shares
    noise = np.sqrt(np.maximum(variance, 1e-9) / (rate * plan.orders / 2))
    low, high = float((lift - 6 * noise).min()), float((lift + 6 * noise).max())
    shown = np.linspace(low, high, 1_001)
    away = (shown[:, None] - lift) / noise
    step = float(shown[1] - shown[0]) / math.sqrt(2 * math.pi)
    joint = np.exp(-(away**2) / 2) * (prior / noise) * step
    informed = float(np.maximum(joint @ gain, 0).sum())
    value = informed - max(float(prior @ gain), 0.0)
    return max(value, 0.0) * LONGEST_TEST_DAYS / product.horizon_days


def cost_of_test(product: Product, found: DepthGains, best: int, plan: PlannedTest) -> float:
    """Return the cost of a test: its work, and half of the customers in the worse variant."""
    lost = abs(float(found.gain[best])) / 2 * plan.days / product.horizon_days
    return TEST_COST + lost


def _plan(product: Product, depth: float) -> PlannedTest | None:
    """Plan a test that detects the break-even lift; None if it would take too long."""
    rate, per_day, cost = product.base_rate, product.orders_per_day, product.cost
    if not rate or not per_day or cost is None:
        return None
    keep = product.price * (1 - depth) - cost
    target = rate * (product.price - cost) / keep if keep > 0 else 1
    if not rate < target < 1:
        return None
    size = sample_size(rate, target)
    orders = size.visitors_a + size.visitors_b
    days = max(math.ceil(orders / per_day), 14)  # whole weeks, at least two
    return PlannedTest(orders, days, target) if days <= LONGEST_TEST_DAYS else None


def _without(decision: Decision | None, reason: str, product: Product) -> Recommendation:
    """Return a decision at the regular price, without an estimate of a gain."""
    return Recommendation(
        decision, reason, None, product.units, _profit(product), None, None, None, None, None
    )


def _at(
    product: Product,
    found: DepthGains,
    decision: Decision | None,
    reason: str,
    *,
    best: int | None = None,
    known: bool = True,
) -> Recommendation:
    at = _likeliest(found) if best is None else best
    depth, lift, gain, low, high, chance = (float(column[at]) for column in found)
    acts = decision == "discount"
    profit = _profit(product)
    return Recommendation(
        decision,
        reason,
        depth if decision != "hold" else None,
        product.units * lift if acts else product.units,
        profit + gain if acts and profit is not None else profit,
        gain if known else None,
        low if known else None,
        high if known else None,
        chance if known else None,
        depth * lift / (lift - 1) if lift > 1 and depth * lift <= lift - 1 else None,
    )


def _likeliest(found: DepthGains) -> int:
    """Return the depth most likely to gain, and among equals the one with the highest gain.

    The chance of a higher revenue is the same at every depth: rounding must not choose among them.
    """
    equal = found.chance >= found.chance.max() - 1e-9
    return int(np.where(equal, found.gain, -np.inf).argmax())


def _profit(product: Product) -> float | None:
    return None if product.cost is None else product.units * (product.price - product.cost)
