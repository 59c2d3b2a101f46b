"""The most used discounts of a period, by hand."""

from __future__ import annotations

from datetime import date

import duckdb

from d1lab.metrics import evaluate, load_metrics

UNTIL = date(2026, 5, 30)
LINES = """
CREATE TABLE order_lines AS
SELECT
    shop, discount_id, discount_code, type, day::DATE AS day, order_id, customer_id,
    savings::DECIMAL(12, 2) AS discount_amount, revenue::DECIMAL(12, 2) AS revenue,
    day::TIMESTAMP AS occurred_at, order_id AS event_id
FROM (VALUES
    ('s', 'd1', 'SPRING', 'order', '2026-05-24', 'o1', 'c1', 2, 8),
    ('s', 'd1', 'SPRING', 'order', '2026-05-30', 'o2', 'c1', 1, 9),
    ('s', 'd1', 'SPRING', 'order', '2026-05-23', 'early', 'c2', 50, 50),
    ('s', 'd1', 'SPRING', 'order', '2026-05-31', 'late', 'c3', 50, 50),
    ('s', 'd1', 'SPRING', 'refund', '2026-05-30', 'o1', 'c1', -2, -8),
    ('s', 'd2', NULL, 'order', '2026-05-25', 'o3', 'c4', 5, 5),
    ('other', 'd2', NULL, 'order', '2026-05-25', 'o4', 'c5', 5, 5),
    ('s', NULL, NULL, 'order', '2026-05-25', 'o5', 'c6', 0, 10)
) AS v (shop, discount_id, discount_code, type, day, order_id, customer_id, savings, revenue)
"""


def test_weeks_end_on_the_day_and_count_refunds():
    """Two weeks to 30 May: 23 May is the last day of the first; a week without a use has 0."""
    with duckdb.connect() as con:
        con.execute(LINES)
        given = {"shop": "s", "until": UNTIL, "weeks": 2}
        found = evaluate(con, load_metrics()["code_weeks"], given).fetchall()
    assert found == [("d1", [50.0, 1.0]), ("d2", [0.0, 5.0])]


def test_a_period_has_its_days_only():
    """Seven days to 30 May begin on 24 May; refunds reduce the amounts, and are no uses."""
    with duckdb.connect() as con:
        con.execute(LINES)
        given = {"shop": "s", "until": UNTIL, "days": 7}
        found = evaluate(con, load_metrics()["top_codes"], given)
        rows = [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
    assert [(r["discount_id"], r["uses"], r["orders"], r["customers"]) for r in rows] == [
        ("d1", 2, 2, 1),
        ("d2", 1, 1, 1),
    ]
    assert [(float(r["savings"]), float(r["revenue"])) for r in rows] == [(1.0, 9.0), (5.0, 5.0)]
    assert [r["discount"] for r in rows] == ["SPRING", "no code recorded: d2"]
    assert [round(r["share_of_uses"], 9) for r in rows] == [0.666666667, 0.333333333]
