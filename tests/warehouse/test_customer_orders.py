"""The view of customers' orders: each order once as of any day, as grouping the lines gives it."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.support.drawn_shop import UNTIL, Line, draw, opened


def expected(lines: list[Line], day: date) -> dict[tuple[str, str | None, str], tuple[Any, ...]]:
    """Group the lines up to a day by order: day, units, revenue, refunds, and any discount."""
    orders: dict[tuple[str, str | None, str], list[Line]] = defaultdict(list)
    for line in lines:
        if line.customer_id not in (None, "c24") and line.day <= day:
            orders[line.shop, line.customer_id, line.order_id].append(line)
    return {
        key: (
            min((line.day for line in of_order if line.type == "order"), default=None),
            sum(line.units for line in of_order),
            sum(line.revenue for line in of_order),
            -sum((line.revenue for line in of_order if line.type == "refund"), Decimal(0)),
            any(line.type == "order" and line.discount_amount > 0 for line in of_order),
        )
        for key, of_order in orders.items()
    }


def moved(seed: int, lines: list[Line]) -> list[Line]:
    """Move most refunds, and a few lines of orders, to other days."""
    rng = random.Random(seed)
    shifts = {"refund": (0, -2, 3, 11), "order": (*[0] * 9, 5)}
    return [
        line._replace(day=line.day + timedelta(days=rng.choice(shifts[line.type])))
        for line in lines
    ]


@pytest.mark.parametrize("seed", range(3))
def test_each_order_is_there_once_as_of_any_day(seed):
    """Refunds before, on, and after the day of the order, and lines that were added later."""
    lines = moved(seed, draw(seed, 400))
    with opened(lines) as con:
        for back in (0, 1, 7, 30, 31, 90, 200):
            day = UNTIL - timedelta(days=back)
            rows = con.execute(
                "SELECT shop, customer_id, order_id, day, units, revenue, refunded, discounted "
                "FROM customer_orders WHERE shop = 's' AND $day BETWEEN known_from AND known_to",
                {"day": day},
            ).fetchall()
            found = {row[:3]: row[3:] for row in rows}
            assert len(found) == len(rows)
            assert found == expected(lines, day)
