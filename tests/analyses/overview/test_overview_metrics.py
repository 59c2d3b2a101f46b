"""Every column of the overview's metrics, counted again in Python on a drawn shop."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from d1lab.metrics import evaluate, shipped_metric
from tests.support.drawn_shop import (
    UNTIL,
    Line,
    cost_of,
    draw,
    earned,
    given,
    inside,
    opened,
    rows_of,
    same,
)

LINES = draw(5, 400)
FIRST = min(line.day for line in LINES)


@pytest.fixture(scope="module")
def con() -> Iterator[Any]:
    with opened(LINES) as con:
        yield con


def _share(part: Decimal | None, whole: Decimal) -> float | None:
    return float(part / whole) if part is not None and whole > 0 else None


def _figures(lines: list[Line]) -> dict[str, Any]:
    revenue, savings = earned(lines), given(lines)
    orders = {line.order_id for line in lines if line.type == "order"}
    buyers = {line.customer_id for line in lines if line.type == "order"} - {None}
    costs = [(line.revenue, cost) for line in lines if (cost := cost_of(line)) is not None]
    costed = sum((revenue for revenue, _ in costs), Decimal(0)) if costs else None
    margin = sum((revenue - cost for revenue, cost in costs), Decimal(0)) if costs else None
    return {
        "revenue": revenue,
        "orders": len(orders),
        "order_value": float(revenue / len(orders)) if orders else None,
        "gross_margin_rate": _share(margin, costed or Decimal(0)),
        "given_share": _share(savings, revenue + savings) if lines else None,
        "customers": len(buyers),
        "costed_share": _share(costed, revenue) if lines else None,
    }


def test_periods_are_whole_and_end_on_the_day(con):
    """By 7, 28, and 91 days; 190 days hold two of 91, six of 28, and 27 of 7."""
    rows = []
    for length, count in ((7, 27), (28, 6), (91, 2)):
        for back in reversed(range(count)):
            last = UNTIL - timedelta(days=length * back)
            days = {"first_day": last - timedelta(days=length - 1), "last_day": last}
            rows.append({"length_days": length, **days, **_figures(inside(LINES, length, back))})
    same(rows_of(con, "shop_periods"), rows)


@pytest.mark.parametrize("days", [190, 91, 90, 28, 27, 7, 6])
def test_margin_is_that_of_the_last_and_longest_period(days):
    """Of a shop whose first line is so many days ago; one without a whole week has none."""
    first = LINES[0]._replace(day=UNTIL - timedelta(days=days - 1))
    with opened([first, *inside(LINES, days - 1)]) as con:
        periods = rows_of(con, "shop_periods")
        longest = [row for row in periods if row["length_days"] == periods[-1]["length_days"]]
        names = ("length_days", "gross_margin_rate")
        assert rows_of(con, "shop_margin") == [
            {name: row[name] for name in names} for row in longest[-1:]
        ]


def test_a_period_begins_with_the_first_day():
    """Seven days are a week, six are none; one line is all of them, none has no share."""
    for ago, count in ((6, 1), (5, 0)):
        with opened(
            [LINES[0]._replace(day=UNTIL - timedelta(days=ago), revenue=Decimal(3))]
        ) as con:
            assert [float(row["revenue"]) for row in rows_of(con, "shop_periods")] == [3.0] * count
            shares = [row["share"] for row in rows_of(con, "data_health", days=ago + 1)]
            assert set(shares) <= {0.0, 1.0}
            assert {row["share"] for row in rows_of(con, "data_health", days=ago)} == {None}


@pytest.mark.parametrize(
    "amounts",
    [
        [("order", 0.5, 0.25)],
        [("order", 3, 1), ("refund", -3, -1)],
        [("order", 3, 1), ("refund", -4, -1)],
        [("order", 2, -2)],
        [("refund", -3, -1)],
    ],
)
def test_shares_are_of_any_amount_above_0(amounts):
    """Of less than 1, too; of nothing, or less, there is none, and a refund is no order."""
    lines = [
        LINES[0]._replace(
            type=kind, sku="sku0", units=1, day=UNTIL - timedelta(days=6),
            revenue=Decimal(str(revenue)), discount_amount=Decimal(str(saved)),
        )
        for kind, revenue, saved in amounts
    ]  # fmt: skip
    with opened(lines) as con:
        same(rows_of(con, "shop_periods"), [_figures(lines)])


def test_days_and_totals_of_each_shop(con):
    known = evaluate(con, shipped_metric("shop_days"), {})
    rows = [dict(zip(known.columns, row, strict=True)) for row in known.fetchall()]
    days = sorted({line.day for line in LINES})
    wanted = []
    for day in days:
        lines = [line for line in LINES if line.day == day]
        orders = len({line.order_id for line in lines if line.type == "order"})
        amounts = {"revenue": earned(lines), "savings": given(lines)}
        wanted.append({"shop": "s", "day": day, "orders": orders, **amounts})
    same([row for row in rows if row["shop"] == "s"], wanted)
    totals = evaluate(con, shipped_metric("shop_overview"), {})
    found = [dict(zip(totals.columns, row, strict=True)) for row in totals.fetchall()]
    assert [row["shop"] for row in found] == ["other", "s"]
    bought = [line for line in LINES if line.type == "order"]
    orders = len({line.order_id for line in bought})
    total = {
        "shop": "s",
        "first_day": days[0],
        "last_day": days[-1],
        "orders": orders,
        "customers": len({line.customer_id for line in LINES} - {None}),
        "skus": len({line.sku for line in LINES}),
        "revenue": earned(LINES),
        "savings": given(LINES),
        "discounted_share": sum(line.is_use for line in bought) / len(bought),
        "average_order_value": float(earned(LINES) / orders),
    }
    same(found[1:], [total])


@pytest.mark.parametrize("days", [7, 30])
def test_data_health_counts_what_is_missing(con, days):
    lines = inside(LINES, days)
    counts = {
        "discount_without_code": sum(bool(i.discount_id and not i.discount_code) for i in lines),
        "refunds": sum(line.type == "refund" for line in lines),
        "without_amount": 0,
        "without_customer": sum(line.customer_id is None for line in lines),
        "without_title": sum(line.product_title is None for line in lines),
    }
    rows = [
        {"check_name": name, "found": found, "lines": len(lines), "share": found / len(lines)}
        for name, found in counts.items()
    ]
    same(rows_of(con, "data_health", days=days), rows)


UNKNOWN = """
CREATE TABLE product_costs (shop VARCHAR, sku VARCHAR, unit_cost DOUBLE, valid_from DATE,
    valid_until DATE);
CREATE TABLE order_lines AS
SELECT * FROM (VALUES
    ('s', 'o1', 'order', 'ada', 'mug', 'Mug', NULL, NULL, 1, NULL, NULL, DATE '2026-05-29'),
    ('s', 'o1', 'refund', NULL, 'mug', 'Mug', 'd', NULL, NULL, -4, 1, DATE '2026-05-30'),
    ('s', 'o2', 'order', 'ada', 'tea', NULL, 'd', 'D', 2, 6, 1, DATE '2026-05-30'),
    (NULL, 'o3', 'order', 'bob', 'tea', NULL, NULL, NULL, 2, 6, 0, DATE '2026-05-30'),
    ('s', 'o4', 'order', 'bob', 'tea', NULL, NULL, NULL, 2, 6, 0, NULL)
) AS v (shop, order_id, type, customer_id, sku, product_title, discount_id, discount_code, units,
    revenue, discount_amount, day)
"""


def test_unknown_amounts_days_and_shops_count_nothing():
    """A line without revenue is an order all the same; one without a shop or a day is on no day."""
    with duckdb.connect() as con:
        con.execute(UNKNOWN)
        days = evaluate(con, shipped_metric("shop_days"), {}).fetchall()
        assert [(row[1].day, *map(float, row[2:])) for row in days] == [
            (29, 1, 0, 0), (30, 1, 2, 2),
        ]  # fmt: skip
        found = {row["check_name"]: row for row in rows_of(con, "data_health", days=2)}
        assert {name: row["found"] for name, row in found.items()} == {
            "discount_without_code": 1, "refunds": 1, "without_amount": 2, "without_customer": 1,
            "without_title": 1,
        }  # fmt: skip
        assert found["refunds"]["lines"] == 3
        totals = evaluate(con, shipped_metric("shop_overview"), {})
        row = dict(zip(totals.columns, totals.fetchall()[0], strict=True))
        con.execute(
            "UPDATE order_lines SET shop = order_id;"
            "DELETE FROM order_lines WHERE shop = 'o1' AND type = 'order'"
        )
        shops = evaluate(con, shipped_metric("shop_overview"), {}).fetchall()
        shares = {row[0]: row[-2:] for row in shops}
        assert shares == {
            "o1": (None, None),  # a refund only
            "o2": (1.0, 6.0),
            "o3": (0.0, 6.0),
            "o4": (0.0, 6.0),
        }
        assert {name: row[name] for name in ("shop", "orders", "customers", "skus", "revenue")} == {
            "shop": "s", "orders": 3, "customers": 2, "skus": 2, "revenue": 8,
        }  # fmt: skip
        assert row["discounted_share"] == pytest.approx(1 / 3)


DATED = {
    "order_lines": "day, day AS other",
    "inventory_days": "day, day AS other",
    "daily_discounts": "day, day AS other",
    "discount_totals": "day AS first_used_day, day AS last_used_day, other",
    "customers": "day AS last_purchase_day, other",
    "ab_tests": "day AS started_at, other",
    "ab_test_days": "day, other",
    "products": "day AS updated_day, other",
}
TO_COME = {
    "discount_totals": "last_used_day",
    "customers": "last_purchase_day",
    "ab_tests": "started_at",
}


def test_the_first_and_last_day_come_from_every_table():
    """A time of counters counts only if nothing else has a date; a day to come never does."""
    days = "(VALUES (DATE '2026-05-03', DATE '2026-05-03'), ('2026-05-05', '2026-05-05'))"
    with duckdb.connect() as con:
        con.execute("CREATE MACRO is_to_come(day) AS day > DATE '2026-05-30'")
        con.execute("CREATE MACRO local_day(shop, since) AS since")
        for table in DATED:
            shift = 9 if table == "products" else 0
            for name, columns in DATED.items():
                con.execute(
                    f"CREATE OR REPLACE TABLE {name} AS SELECT 's' AS shop, {columns}"
                    f" FROM {days} AS v (day, other) WHERE '{name}' IN ('{table}', 'products')"
                )
            con.execute("UPDATE products SET updated_day = updated_day + 9")
            if table in TO_COME:
                con.execute(
                    f"INSERT INTO {table} BY NAME SELECT 's' AS shop, DATE '2026-05-31' AS other"
                )
                con.execute(
                    f"UPDATE {table} SET {TO_COME[table]} = '2026-05-31' WHERE other > '2026-05-30'"
                )
            [(shop, first, last)] = evaluate(con, shipped_metric("last_day"), {}).fetchall()
            assert (shop, first.day, last.day) == ("s", 3 + shift, 5 + shift), table
        con.execute(
            "INSERT INTO inventory_days BY NAME SELECT 's' AS shop, DATE '2026-05-02' AS day"
        )
        con.execute("INSERT INTO order_lines BY NAME SELECT 's' AS shop, DATE '2026-05-04' AS day")
        [(shop, first, last)] = evaluate(con, shipped_metric("last_day"), {}).fetchall()
        assert (first.day, last.day) == (2, 4)
        con.execute(
            "INSERT INTO customers BY NAME SELECT shop, DATE '2026-05-07' AS last_purchase_day"
            " FROM (VALUES ('r'), (NULL), ('s')) AS v (shop);"
            "INSERT INTO discount_totals BY NAME SELECT shop, DATE '2026-05-08' AS last_used_day"
            " FROM (VALUES ('q')) AS v (shop);"
            "INSERT INTO discount_totals BY NAME SELECT 'p' AS shop, NULL::DATE AS last_used_day"
        )
        shops = evaluate(con, shipped_metric("last_day"), {}).fetchall()
        assert [(shop, first.day, last.day) for shop, first, last in shops] == [
            ("q", 8, 8),  # when it was first used is not known
            ("r", 7, 7),
            ("s", 2, 7),
        ]
