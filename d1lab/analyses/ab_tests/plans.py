"""Default plan of a test that declares none: a function of its start and of the orders before it.

d1lab computes the same plan whenever it first sees a test, because it uses nothing but the shop's
orders before the first day, and records it in `d1lab_ab_test_plans`.
"""

from __future__ import annotations

from typing import NamedTuple

WEEK_DAYS = 7
SHORT_DAYS, LONG_DAYS = 28, 56
"""Durations in whole weeks, because traffic and buying follow the week."""

BEFORE_DAYS = 28
"""Days before the start whose orders set the duration."""

ENOUGH_ORDERS = 3_200
"""Orders in 28 days that detect a lift of 10% with 80% power, split evenly, with weekly looks."""


class DefaultPlan(NamedTuple):
    """Plan of a test without a declared one."""

    days: int  # 28 or 56
    looks: int  # one a week
    orders_before: int | None  # in the 28 days before the start; None if the shop has no orders
    tuned_conversions: int | None  # expected over `days`; where an endless sequence is narrowest


def default_plan(orders_before: int | None) -> DefaultPlan:
    """Return the default plan: four weeks for a shop with enough orders, otherwise eight.

    Args:
        orders_before: Orders of the shop in the 28 days before the start.

    >>> default_plan(5_000)
    DefaultPlan(days=28, looks=4, orders_before=5000, tuned_conversions=5000)
    """
    days = SHORT_DAYS if (orders_before or 0) >= ENOUGH_ORDERS else LONG_DAYS
    expected = round((orders_before or 0) * days / BEFORE_DAYS)
    return DefaultPlan(days, days // WEEK_DAYS, orders_before, expected or None)
