"""The metric of voucher tests: which orders count, for whom, and in which half."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import duckdb
import pytest

from d1lab.metrics import evaluate, load_metrics

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
    4::DECIMAL(18, 6) AS unit_cost;
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
