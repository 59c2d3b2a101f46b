"""The traffic that plans start from, counted again in Python on a drawn shop."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal

from tests.support.drawn_shop import COSTS, UNTIL, Cost, draw, earned, inside, opened, rows_of, same


def test_orders_of_eight_weeks_with_their_squares_and_rate():
    """Profit is known of orders whose lines all have a cost; days count with both sums only."""
    lines = draw(4, 300)
    today = Cost("s", "sku1", Decimal(9), UNTIL)
    later = Cost("s", "sku2", Decimal(1), UNTIL + timedelta(days=1))
    known = sorted([*COSTS, today], key=lambda cost: cost.valid_from)
    costs = {cost.sku: cost.unit_cost for cost in known}
    bought = defaultdict(list)
    for line in inside(lines, 56):
        if line.type == "order":
            bought[line.order_id].append(line)
    values = [earned(order) for order in bought.values()]
    profits = [
        sum((line.revenue - line.units * costs[line.sku] for line in order), Decimal(0))
        for order in bought.values()
        if all(line.sku in costs for line in order)
    ]
    assert 0 < len(profits) < len(values)
    with opened(lines, [*known, later]) as con:
        days = [
            (-1, 9_000, 0),
            (0, 100, 4),
            (55, 300, 6),
            (56, 9_000, 0),
            (9, "NULL", 9),
            (9, 7, "NULL"),
        ]
        rows = ", ".join(f"('s', DATE '{UNTIL}' - {ago}, {n}, {x})" for ago, n, x in days)
        con.execute(
            f"CREATE TABLE ab_test_days AS FROM (VALUES {rows}, ('other', DATE '{UNTIL}', 900, 0))"
            " AS v (shop, day, visitors, conversions)"
        )
        found = rows_of(con, "ab_test_traffic")
    wanted = {
        "orders": len(values),
        "orders_per_day": len(values) / 56,
        "revenue": sum(values, Decimal(0)),
        "revenue_squares": float(sum(value * value for value in values)),
        "orders_with_cost": len(profits),
        "profit": float(sum(profits)),
        "profit_squares": float(sum(profit * profit for profit in profits)),
        "rate": 10 / 400,
    }
    same(found, [wanted])
