"""Planner: days and visitors that the next test of a shop needs, by the rule that decides it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from d1lab.analyses.ab_tests.model import Metric
from d1lab.analyses.ab_tests.plans import WEEK_DAYS
from d1lab.errors import InputError
from d1lab.stats import power, sequential

LIFTS = (0.05, 0.1, 0.2)
"""Lifts that the report plans for."""

LONGEST_DAYS = 364
"""Beyond a year, a shop is not the same: such a test is not planned."""

FEWEST_ORDERS = 50
"""Orders in eight weeks below which a shop's variance is not known."""

_DAILY_LOOKS = 28


class Traffic(NamedTuple):
    """What a test of a shop can count on."""

    orders_per_day: float
    rate: float | None  # orders per visitor; None if visitors are unknown
    spread: Mapping[Metric, float]  # (mean of squares) / (mean)^2 of a buyer's value; 1 for counts


class SizedTest(NamedTuple):
    """Size of a test that detects a lift, by one metric and rule."""

    metric: Metric
    lift: float
    rule: str  # 'with an end' or 'without an end'
    orders: int  # of both variants
    visitors: int | None  # None if the conversion rate is unknown
    days: int | None  # in whole weeks; None if more than a year
    reason: str | None = None  # for missing days


def traffic(row: Mapping[str, Any], *, rate: float | None = None) -> Traffic:
    """Return the traffic of a shop from its row of the metric `ab_test_traffic`.

    Args:
        row: The row of the shop.
        rate: Conversion rate to use instead of the one of the shop's tests.

    Raises:
        InputError: The shop has too few orders to plan with.
    """
    if not (row["orders"] or 0) >= FEWEST_ORDERS:
        raise InputError(
            f"no plan: {row['orders'] or 0:,} orders in eight weeks, at least {FEWEST_ORDERS} are "
            "required to know how they vary."
        )
    spread: dict[Metric, float] = {"conversions": 1.0}
    counts: tuple[tuple[Metric, str], ...] = (
        ("revenue", "orders"),
        ("profit", "orders_with_cost"),
    )
    for metric, count in counts:
        found = _spread(row[count], row[metric], row[f"{metric}_squares"])
        if found and row[count] >= 0.9 * row["orders"]:
            spread[metric] = found
    known = rate if rate is not None else row["rate"]
    known = None if known is None or not 0 < known < 1 else float(known)
    return Traffic(float(row["orders_per_day"]), known, spread)


def plan(
    shop: Traffic,
    lifts: Iterable[float] = LIFTS,
    *,
    power_wanted: float = 0.8,
    alpha: float = 0.05,
    share_b: float = 0.5,
) -> list[SizedTest]:
    """Return the size of a test for each known metric, lift, and rule.

    The variance of a difference relative to A is c (1 / (1 - s) + (1 + lift) / s) / n, with n
    orders at A's rate, B's share s, and c the mean of squares over the squared mean of a buyer's
    value, minus the rate. A test with an end has weekly looks; one without has daily looks, and is
    tuned to its size.

    Args:
        shop: Traffic of the shop.
        lifts: True lifts of B over A, such as 0.1 for 10%.
        power_wanted: Probability of deciding by the end, inside (alpha, 1).
        alpha: Two-sided significance level.
        share_b: B's share of the visitors.

    Raises:
        InputError: A number is out of range.
    """
    if not (0 < alpha < power_wanted < 1 and 0 < share_b < 1):
        raise InputError("power, alpha, and the share of B must be between 0 and 1")
    return [
        _plan(shop, metric, lift, rule, (power_wanted, alpha, share_b))
        for metric in shop.spread
        for lift in lifts
        for rule in ("with an end", "without an end")
    ]


def _plan(
    shop: Traffic, metric: Metric, lift: float, rule: str, wanted: tuple[float, float, float]
) -> SizedTest:
    if not (lift > -1 and lift != 0):
        raise InputError(f"invalid lift {lift:g}: it must be above -100% and not 0")
    power_wanted, alpha, share_b = wanted
    drift = power.critical_z(alpha) + power.critical_z(2 * (1 - power_wanted))
    relative = shop.spread[metric] - (shop.rate or 0.0)
    spread = 1 / (1 - share_b) + (1 + lift) / share_b
    fixed = relative * (drift / lift) ** 2 * spread
    needed = fixed * _factor(rule, fixed / shop.orders_per_day, power_wanted, alpha)
    orders = math.ceil(needed * (1 + share_b * lift))  # B's orders include the lift
    visitors = None if shop.rate is None else math.ceil(needed / shop.rate)
    days = math.ceil(needed / shop.orders_per_day / WEEK_DAYS) * WEEK_DAYS
    if days > LONGEST_DAYS:
        return SizedTest(metric, lift, rule, orders, visitors, None, "more than a year")
    return SizedTest(metric, lift, rule, orders, visitors, days)


def _factor(rule: str, days: float, power_wanted: float, alpha: float) -> float:
    if rule == "without an end":
        return endless_inflation(power_wanted, alpha)
    looks = min(max(math.ceil(days / WEEK_DAYS), 1), LONGEST_DAYS // WEEK_DAYS)
    return _planned_inflation(looks, power_wanted, alpha)


@lru_cache(maxsize=256)
def _planned_inflation(looks: int, power_wanted: float, alpha: float) -> float:
    times = [look / looks for look in range(1, looks + 1)]
    return power.inflation(times, power=power_wanted, alpha=alpha)


@lru_cache(maxsize=16)
def endless_inflation(power_wanted: float = 0.8, alpha: float = 0.05) -> float:
    """Return the sample size factor of a sequence that is narrowest at its expected size.

    >>> round(endless_inflation(), 2)
    1.72
    """
    times = [look / _DAILY_LOOKS for look in range(1, _DAILY_LOOKS + 1)]
    lines = sequential.sequence_critical(times, sequential.mixture_scale(alpha, 1.0), alpha)
    return power.drift_factor(lines.tolist(), times, power=power_wanted, alpha=alpha)


def sentence(plans: Sequence[SizedTest]) -> str:
    """Return the plan of the first lift above 5% by conversions, in words."""
    chosen = [one for one in plans if one.metric == "conversions" and one.rule == "with an end"]
    first = next((one for one in chosen if one.lift > LIFTS[0]), chosen[0])
    lift = f"{100 * first.lift:+.3g}%"
    if first.days is None:
        return f"A lift of {lift} in conversions takes more than a year to detect."
    visitors = "" if first.visitors is None else f" ({first.visitors:,} visitors)"
    return f"A lift of {lift} in conversions takes {first.days} days{visitors} to detect."


def _spread(count: int | None, total: float | None, squares: float | None) -> float | None:
    if not count or not total or squares is None or total <= 0:
        return None
    return max(float(squares) * count / float(total) ** 2, 1.0)


def rows(plans: Sequence[SizedTest]) -> list[dict[str, Any]]:
    """Return the rows of the planner's table."""
    return [
        {
            "metric": one.metric,
            "lift": one.lift,
            "rule": one.rule,
            "needed_days": one.days,
            "needed_orders": one.orders,
            "needed_visitors": one.visitors,
        }
        for one in plans
    ]
