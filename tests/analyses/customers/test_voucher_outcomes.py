"""The metric of voucher tests: which orders count, for whom, and in which half."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import duckdb
import pytest

from d1lab.metrics import evaluate, load_metrics
from tests.support.drawn_shop import UNTIL as LAST
from tests.support.drawn_shop import cost_of, draw, earned, given, opened, rows_of, same

METRICS = load_metrics()
UNTIL = date(2026, 4, 30)


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """Customers a and b were sent code BACK10 on March 2 for 30 days; c and d are held out."""
    with duckdb.connect() as con:
        con.execute(TABLES)
        con.execute(ORDERS)
        yield con


TABLES = """
CREATE TABLE voucher_tests AS SELECT 'shop' AS shop, 'winback' AS voucher,
    'Back10' AS discount_code, DATE '2026-03-02' AS sent_on, 30::BIGINT AS window_days;
INSERT INTO voucher_tests VALUES ('shop', 'next', 'N*', '2026-04-20', 30),
    ('other', 'winback', 'BACK10', '2026-03-02', 30);
CREATE TABLE voucher_customers AS
SELECT 'shop' AS shop, 'winback' AS voucher, customer_id, 1::BIGINT AS stratum,
    customer_id < 'c' AS is_sent, 10::DOUBLE AS pace
FROM (VALUES ('a'), ('b'), ('c'), ('d')) AS t (customer_id);
INSERT INTO voucher_customers VALUES ('shop', 'next', 'a', 1, TRUE, 10),
    ('other', 'winback', 'a', 1, TRUE, 10);
CREATE TABLE product_costs AS SELECT 'shop' AS shop, 'A' AS sku, DATE '2026-01-01' AS valid_from,
    NULL::DATE AS valid_until, 4::DECIMAL(18, 6) AS unit_cost;
CREATE TABLE order_lines (shop VARCHAR, customer_id VARCHAR, order_id VARCHAR, type VARCHAR,
    day DATE, sku VARCHAR, units BIGINT, revenue DECIMAL(18, 6), discount_amount DECIMAL(18, 6),
    discount_code VARCHAR, discount_id VARCHAR)
"""

ORDERS = """
INSERT INTO order_lines VALUES
('shop', 'a', 'o1', 'order', '2026-03-02', 'A', 1, 9, 1, 'OTHER, BACK10', 'x'),
('shop', 'a', 'o1', 'order', '2026-03-02', 'A', 1, 10, 0, NULL, NULL),     -- its second line
('shop', 'a', 'o1', 'refund', '2026-04-29', 'A', -1, -10, 0, NULL, NULL),  -- after the window
('shop', 'a', 'o2', 'order', '2026-03-31', 'A', 2, 18, 2, 'BACK100', 'y'), -- last day, other code
('shop', 'a', 'o3', 'order', '2026-04-21', 'A', 1, 99, 1, 'N-7', 'n*'),    -- of the next test
('shop', 'b', 'o4', 'order', '2026-04-01', 'A', 1, 99, 0, NULL, NULL),     -- a day too late
('shop', 'b', 'o5', 'order', '2026-03-01', 'A', 1, 50, 0, NULL, NULL),     -- a day too early
('shop', 'b', 'o5', 'refund', '2026-03-05', 'A', -1, -50, 0, NULL, NULL),
('shop', 'c', 'o6', 'order', '2026-03-09', 'A', 1, 7, 3, 'back10', 'back10'),
('shop', 'd', 'o7', 'order', '2026-03-09', 'A', 1, 10, 0, NULL, NULL),
('shop', 'd', 'o7', 'refund', '2026-03-10', 'A', -1, -10, 0, NULL, NULL),  -- fully returned
('other', 'a', 'o8', 'order', '2026-03-09', 'A', 1, 1000, 0, NULL, NULL),
('shop', 'z', 'o9', 'order', '2026-03-09', 'A', 1, 1000, 0, 'BACK10', 'x'),
('shop', NULL, 'o10', 'order', '2026-03-09', 'A', 1, 1000, 0, 'BACK10', 'x')
"""

FIELDS = "customers buyers orders redeemers redemptions savings revenue revenue_squares profit"


def halves(con: duckdb.DuckDBPyConnection, voucher: str, until: date = UNTIL) -> dict[bool, Any]:
    """Return the figures by half."""
    rows = evaluate(con, METRICS["voucher_outcomes"], {"shop": "shop", "until": until}).df()
    chosen = rows[rows["voucher"] == voucher]
    return {
        bool(row["is_sent"]): tuple(float(row[name]) for name in FIELDS.split())
        for _, row in chosen.iterrows()
    }


def test_orders_of_the_window_count_in_the_half_that_was_drawn(con) -> None:
    """a: 9 + 10 - 10 + 18 = 27 in two orders, one with the code among others; b: nothing; c used
    the code though held out; d returned all. Costs are 4 a unit that was kept.
    """
    found = halves(con, "winback")
    assert found[True] == (2, 1, 2, 1, 1, 1, 27, 27**2, 27 - 3 * 4)
    assert found[False] == (2, 1, 1, 1, 1, 3, 7, 49, 3)


def test_tests_are_apart_and_the_day_of_the_report_limits_them(con) -> None:
    """a's later order is of the next test, by its campaign; on March 8, only one order is known."""
    assert halves(con, "next") == {True: (1, 1, 1, 1, 1, 1, 99, 99**2, 95)}
    early = halves(con, "winback", date(2026, 3, 8))
    assert early[True][:3] == (2, 1, 1)
    assert early[True][6] == 19
    assert early[False][:3] == (2, 0, 0)


def test_profit_needs_the_cost_of_every_line(con) -> None:
    """Without a cost of c's product, the profit of that half alone is not known."""
    con.execute("UPDATE order_lines SET sku = 'B' WHERE order_id = 'o6'")
    found = halves(con, "winback")
    con.execute("UPDATE order_lines SET sku = 'A' WHERE order_id = 'o6'")
    assert found[True][-1] == 15
    assert found[False][-1] != found[False][-1]


def test_waiting_are_the_customers_of_tests_that_are_not_over(con) -> None:
    """The first test ends on March 31; the second has customer a from the day it is assigned."""

    def waiting(until: date) -> list[str]:
        params = {"shop": "shop", "until": until}
        return evaluate(con, METRICS["voucher_waiting"], params).df()["customer_id"].to_list()

    assert waiting(date(2026, 3, 30)) == ["a", "b", "c", "d"]
    assert waiting(date(2026, 3, 31)) == ["a"]
    assert waiting(date(2026, 5, 19)) == []


def test_outcomes_and_waiting_of_a_drawn_shop() -> None:
    """Three tests of strata and halves, of which customers can be in several; counted in Python."""
    rng, lines = random.Random(4), draw(9, 600)
    tests = {"old": ("CODE1", 60, 30), "new": ("code2X", 29, 30), "late": ("d3", 6, 8)}
    members = [
        (name, f"c{n}", rng.randrange(1, 4), rng.random() < 0.5, rng.randrange(999) / 8)
        for name in tests
        for n in range(24)
        if rng.random() < 0.8
    ]
    members += [("new", "nobody", 1, True, 1.004), ("new", "x", 1, False, 2.0)]
    wanted: dict[tuple[Any, ...], dict[str, Any]] = {}
    for name, customer, stratum, is_sent, pace in members:
        code, ago, window = tests[name]
        sent_on = LAST - timedelta(ago)
        last = sent_on + timedelta(window - 1)
        key = (sent_on, name, stratum, is_sent)
        row = wanted.setdefault(
            key,
            {
                "shop": "s", "voucher": name, "stratum": stratum, "is_sent": is_sent,
                "discount_code": code, "sent_on": sent_on, "last_day": last, "customers": 0,
                "pace_sum": 0.0, "buyers": 0, "orders": 0, "redeemers": 0, "redemptions": 0,
                "savings": 0.0, "revenue": 0.0, "revenue_squares": 0.0, "profit": 0.0,
                "profit_squares": 0.0,
            },
        )  # fmt: skip
        orders: dict[str, list[Any]] = {}
        for line in lines:
            if line.customer_id == customer and sent_on <= line.day <= LAST:
                orders.setdefault(line.order_id, []).append(line)
        kept = redeemed = 0
        revenue, profit, saved = 0.0, 0.0, 0.0
        for order in orders.values():
            day = min((line.day for line in order if line.type == "order"), default=None)
            if day is None or day > last:
                continue
            uses = [
                line
                for line in order
                if code.lower() in {str(line.discount_id), str(line.discount_code).lower()}
            ]
            is_kept = sum(line.units for line in order) > 0
            kept += is_kept
            redeemed += is_kept and bool(uses)
            saved += float(given(uses))
            revenue += float(earned(order))
            costs = [cost_of(line) for line in order]
            profit += float("nan") if None in costs else float(earned(order) - sum(costs))
        row["customers"] += 1
        row["pace_sum"] += float(Decimal(pace).quantize(Decimal("0.01"), ROUND_HALF_UP))
        row["buyers"] += kept > 0
        row["orders"] += kept
        row["redeemers"] += redeemed > 0
        row["redemptions"] += redeemed
        row["savings"] += saved
        row["revenue"] += revenue
        row["revenue_squares"] += revenue**2
        row["profit"] += profit
        row["profit_squares"] += profit**2
    rows = [wanted[key] for key in sorted(wanted)]
    for row in rows:
        if row["profit"] != row["profit"]:
            row["profit"] = row["profit_squares"] = None
    assert {row["profit"] is None for row in rows} == {True, False}
    with opened(lines) as con:
        con.execute(
            "CREATE TABLE voucher_customers (shop VARCHAR, voucher VARCHAR, customer_id VARCHAR,"
            " stratum BIGINT, is_sent BOOLEAN, pace DOUBLE);"
            "CREATE TABLE voucher_tests (shop VARCHAR, voucher VARCHAR, discount_code VARCHAR,"
            " sent_on DATE, window_days BIGINT)"
        )
        con.executemany("INSERT INTO voucher_customers VALUES ('s', ?, ?, ?, ?, ?)", members)
        con.execute("INSERT INTO voucher_customers VALUES ('other', 'old', 'c1', 1, TRUE, 9)")
        for name, (code, ago, window) in tests.items():
            for shop in ("s", "other"):
                con.execute(
                    "INSERT INTO voucher_tests VALUES (?, ?, ?, ?, ?)",
                    [shop, name, code, LAST - timedelta(ago), window],
                )
        same(rows_of(con, "voucher_outcomes"), rows)
        waiting = rows_of(con, "voucher_waiting")
    late = sorted({customer for name, customer, *_ in members if name == "late"})
    assert waiting == [{"shop": "s", "customer_id": customer} for customer in late]
