"""Simulated stock: consistent with real sales, with stockouts and ledger mismatches."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest

from d1lab.demo.stock import COLUMNS, DAYS, restock, simulate_stock

SOLD = np.random.default_rng(1).poisson(np.linspace(0.05, 4, 300)[:, None], (300, DAYS))


def test_restock_starts_where_the_day_before_ended():
    """Between two days, a count sometimes finds one unit less; there are no other changes."""
    stock = restock(SOLD, np.random.default_rng(2))
    gap = stock.starting[:, 1:] - stock.ending[:, :-1]
    assert set(np.unique(gap)) == {-1, 0}
    assert (gap != 0).mean() < 0.005


def test_restock_explains_each_day():
    """Changes beyond sales are deliveries, or one unit returned or lost."""
    stock = restock(SOLD, np.random.default_rng(2))
    adjustment = stock.ending - stock.starting + SOLD
    assert adjustment.min() == -1
    assert 0.003 < (adjustment == -1).mean() < 0.005
    assert (adjustment > 5).any(axis=1).mean() > 0.9  # nearly every SKU is restocked


def test_restock_runs_out_now_and_then():
    """There are stockouts on some days, and overselling is rare."""
    stock = restock(SOLD, np.random.default_rng(2))
    assert 0.005 < (stock.ending <= 0).mean() < 0.10
    assert 0 < (stock.ending < 0).mean() < 0.02


def test_restock_leaves_what_stops_selling():
    """A SKU that stops selling halfway keeps its stock to the end."""
    sold = SOLD.copy()
    sold[:, DAYS // 2 :] = 0
    ending = restock(sold, np.random.default_rng(2)).ending[:, -1]
    assert (ending > 0).mean() > 0.95


@pytest.fixture
def orders():
    """A shop with 12 SKUs; two stopped selling, and one is fuel."""
    con = duckdb.connect()
    con.execute(
        """
        CREATE TABLE order_lines AS
        SELECT
            'harbor' AS shop, 'S' || sku AS sku, 'order' AS type,
            CASE WHEN sku = 11 THEN 'Gasoline' END AS product_title,
            DATE '2026-01-01' + day::INTEGER AS day,
            1 + (day * sku) % 3 AS units,
            CASE WHEN day % 2 = 0 THEN 'spring' END AS discount_id
        FROM range(200) AS d(day), range(12) AS s(sku)
        WHERE (day + sku) % 4 = 0 AND (sku NOT IN (2, 3) OR day < 100)
        """
    )
    yield con
    con.close()


def test_simulate_stock_keeps_the_sales(orders):
    """Units sold equal those of the events on every recorded day."""
    stock = simulate_stock(orders, "harbor", skus=8, dead=2, seed=1)
    assert tuple(stock.schema.names) == COLUMNS
    wrong = orders.sql(
        """
        SELECT count(*) FROM stock LEFT JOIN order_lines AS o
        ON stock.sku = o.sku AND stock.date = o.day
        WHERE units_sold_with_discount
            <> coalesce(CASE WHEN discount_id IS NOT NULL THEN o.units END, 0)
        OR units_sold_regular_price <> coalesce(CASE WHEN discount_id IS NULL THEN o.units END, 0)
        """
    ).fetchall()
    assert wrong == [(0,)]
    by_sku = dict(orders.sql("SELECT sku, count(*) FROM stock GROUP BY sku").fetchall())
    assert len(by_sku) == 8
    assert {"S2", "S3"} <= set(by_sku)
    assert "S11" not in by_sku
    assert sorted(by_sku.values())[0] < 0.7 * DAYS < sorted(by_sku.values())[1]


def test_simulate_stock_is_reproducible(orders):
    """The same seed gives the same rows; another seed does not."""
    first, again, other = (
        simulate_stock(orders, "harbor", skus=8, dead=2, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
