"""Columns of the customers' metrics, counted again in Python on a drawn shop."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.support.drawn_shop import (
    UNTIL,
    Line,
    draw,
    earned,
    inside,
    odd,
    opened,
    rows_of,
    same,
)

LINES = draw(3, 500) + odd(4, 60)


@pytest.fixture(scope="module")
def con() -> Iterator[Any]:
    with opened(LINES) as con:
        yield con


def _orders(lines: list[Line]) -> dict[str, dict[str, list[Line]]]:
    """The lines of named customers by customer and order; c24 stands for all walk-ins."""
    found: dict[str, dict[str, list[Line]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        if line.customer_id not in (None, "c24") and line.day <= UNTIL:
            found[line.customer_id][line.order_id].append(line)
    return found


def _day(order: list[Line]) -> date | None:
    return min((line.day for line in order if line.type == "order"), default=None)


def test_scores_count_orders_discounts_and_days(con):
    """Of each customer; prospects are those without a kept purchase, and no walk-in is one."""
    con.execute(
        "CREATE OR REPLACE TABLE customers AS FROM (VALUES ('s', 'c24'), ('s', 'c1'), ('s', 'new'),"
        " ('other', 'z')) AS v (shop, customer_id)"
    )
    rows = []
    found = _orders(LINES)
    for customer in sorted({*found, "new"}):
        orders = list(found.get(customer, {}).values())
        bought = [order for order in orders if _day(order)]
        kept = [order for order in bought if sum(line.units for line in order) > 0]
        days = [day for order in kept if (day := _day(order))]
        back = [line for order in orders for line in order if line.type == "refund"]
        rows.append(
            {
                "shop": "s",
                "customer_id": customer,
                "purchases": len(set(days)),
                "orders": len(kept),
                "discounted_orders": sum(
                    any(line.type == "order" and line.discount_amount > 0 for line in order)
                    for order in kept
                ),
                "spend": sum(map(earned, orders), Decimal(0)) if kept else 0,
                "first_day": min(days, default=None),
                "last_day": max(days, default=None),
                "days": (UNTIL - max(days)).days if days else None,
                "cancelled_orders": len(bought) - len(kept),
                "refunded": -earned(back) if back else 0,
                "confidence": "fixed_rules" if days else None,
            }
        )
    assert {row["purchases"] > 0 for row in rows} == {True, False}
    same(rows_of(con, "customer_scores", mode="quintile"), rows)


def _left(order: list[Line]) -> bool:
    """Whether an order was not fully returned."""
    return sum(line.units for line in order) > 0


@pytest.mark.parametrize("later", [0, 28, 60])
def test_purchases_until_a_day_and_after_it(con, later):
    """What was returned later was kept then; orders of one day are one purchase."""
    end = UNTIL - timedelta(days=later)
    rows = []
    for customer, orders in sorted(_orders(LINES).items()):
        past: dict[date, Decimal] = defaultdict(Decimal)
        after: dict[date, Decimal] = defaultdict(Decimal)
        for order in orders.values():
            then = [line for line in order if line.day <= end]
            day = _day(order)
            if day is None:
                continue
            if sum(line.units for line in then) > 0:
                past[day] += earned(then)
            if day > end and sum(line.units for line in order) > 0:
                after[day] += earned(order)
        now = {
            day: sum(
                (earned(o) for o in orders.values() if _day(o) == day and _left(o)), Decimal(0)
            )
            for day in {_day(o) for o in orders.values() if _day(o) and _left(o)}
        }
        if not past and not now:
            continue
        recent = [money for day, money in past.items() if day > end - timedelta(days=later)]
        spend = sum(past.values(), Decimal(0))
        rest = spend - past[min(past)] if past else Decimal(0)
        rows.append(
            {
                "customer_id": customer,
                "purchases": len(past),
                "repeats": max(len(past) - 1, 0),
                "last_days": (max(past) - min(past)).days if past else None,
                "observed_days": (end - min(past)).days if past else None,
                "mean_spend": float(rest / (len(past) - 1)) if len(past) > 1 else 0.0,
                "spend": spend,
                "recent_purchases": len(recent),
                "recent_spend": sum(recent, Decimal(0)),
                "later_purchases": len(after),
                "later_spend": sum(after.values(), Decimal(0)),
                "purchases_now": len(now),
                "repeats_now": max(len(now) - 1, 0),
                "last_days_now": (max(now) - min(now)).days if now else None,
                "observed_days_now": (UNTIL - min(now)).days if now else None,
                "mean_spend_now": float((sum(now.values()) - now[min(now)]) / (len(now) - 1))
                if len(now) > 1
                else 0.0,
                "spend_now": sum(now.values(), Decimal(0)),
            }
        )
    same(rows_of(con, "purchase_summary", later_days=later), rows)


def _months(day: date) -> int:
    return 12 * day.year + day.month


def test_cohorts_count_who_bought_again_in_each_month(con):
    active: dict[tuple[int, int], set[str]] = defaultdict(set)
    money: dict[tuple[int, int], Decimal] = defaultdict(Decimal)
    for customer, orders in _orders(LINES).items():
        kept = [
            (_months(day), earned(order))
            for order in orders.values()
            if (day := _day(order)) and sum(line.units for line in order) > 0
        ]
        for month, revenue in kept:
            cohort = min(month for month, _ in kept)
            active[cohort, month].add(customer)
            money[cohort, month] += revenue
    rows = []
    for cohort in sorted({cohort for cohort, _ in active}):
        total, customers = Decimal(0), len(active[cohort, cohort])
        for month in range(cohort, _months(UNTIL) + 1):
            total += money[cohort, month]
            rows.append(
                {
                    "month_number": month - cohort,
                    "complete": month < _months(UNTIL),  # 30 May: the month is running
                    "customers": customers,
                    "active_customers": len(active[cohort, month]),
                    "retention": len(active[cohort, month]) / customers,
                    "revenue": money[cohort, month],
                    "cumulative_revenue": total,
                    "cumulative_per_customer": float(total / customers),
                }
            )
    same(rows_of(con, "customer_cohorts"), rows)


def test_weeks_of_customers_end_on_the_day(con):
    named = [line for line in inside(LINES, 21) if line.customer_id not in (None, "c24")]
    rows = []
    for customer in sorted({str(line.customer_id) for line in named}):
        lines = [line for line in named if line.customer_id == customer]
        weeks = [float(earned(inside(lines, 7, back))) for back in (2, 1, 0)]
        rows.append({"shop": "s", "customer_id": customer, "weekly_revenue": weeks})
    assert rows_of(con, "customer_weeks", weeks=3) == rows


def test_recency_counts_both_ends_of_its_days(con):
    """29 days ago is within 30, 30 days is not; a purchase to come is in no count."""
    ago = (-1, 0, 29, 30, 89, 90, 364, 365)
    values = ", ".join(f"('s', DATE '{UNTIL}' - {days}, {days % 3}, 1, 2)" for days in ago)
    con.execute(
        f"CREATE OR REPLACE TABLE customers AS FROM (VALUES {values}, ('s', NULL, NULL, 4, 5),"
        f" ('other', DATE '{UNTIL}', 1, 99, 99)) AS v (shop, last_purchase_day, discounts_used,"
        " average_order_value, savings)"
    )
    [row] = rows_of(con, "customer_recency")
    wanted = {
        "customers": 9,
        "with_last_purchase": 8,
        "within_30_days": 2,
        "within_90_days": 4,
        "within_365_days": 6,
        "median_days_since_purchase": 59.5,
        "average_order_value": 12 / 9,
        "used_a_discount": 5 / 8,
        "savings": 21,
    }
    same([row], [wanted])
