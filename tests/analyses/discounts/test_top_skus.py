"""The SKUs with the most discounts of a period, by hand."""

from __future__ import annotations

from datetime import date

import duckdb
import pytest

from d1lab.metrics import evaluate, load_metrics

LINES = """
CREATE TABLE order_lines AS
SELECT
    's' AS shop, 'x' AS sku, 'Tea' AS product_title, discount_id, type, day::DATE AS day, units,
    savings::DECIMAL(12, 2) AS discount_amount, revenue::DECIMAL(12, 2) AS revenue,
    day::TIMESTAMP AS occurred_at, event_id
FROM (VALUES
    ('e1', 'd1', 'order', '2026-05-24', 2, 5, 15),
    ('e2', 'd1', 'order', '2026-05-23', 9, 50, 50),
    ('e3', NULL, 'order', '2026-05-30', 6, 0, 60)
) AS v (event_id, discount_id, type, day, units, savings, revenue)
"""


def test_depth_is_the_share_given_away():
    """Of a list value of 20, 5 were given away; a line without a discount has none."""
    with duckdb.connect() as con:
        con.execute(LINES)
        given = {"shop": "s", "until": date(2026, 5, 30), "days": 7}
        found = evaluate(con, load_metrics()["top_skus"], given)
        [row] = [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
    assert (row["uses"], row["units_with_discount"]) == (1, 2)
    assert (float(row["savings"]), float(row["discounted_revenue"])) == (5.0, 15.0)
    assert float(row["depth"]) == pytest.approx(0.25)
    assert row["share_of_units"] == pytest.approx(0.25)
