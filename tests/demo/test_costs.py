"""Simulated unit costs: grocery margins, marked as simulated, and reproducible."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal

import duckdb
import pytest

from d1lab.demo.costs import UNKNOWN, simulate_costs

GROUPS = 200


@pytest.fixture
def products(tmp_path):
    """Five products in each of 200 groups, one for fuel, one for coupons, and one without group."""
    path = tmp_path / "products.parquet"
    duckdb.sql(
        f"""
        SELECT id AS product_id, CASE id
            WHEN {5 * GROUPS} THEN 'FUEL'
            WHEN {5 * GROUPS + 1} THEN 'COUPON/MISC ITEMS'
            WHEN {5 * GROUPS + 2} THEN NULL
            ELSE 'GROUP ' || id // 5
        END AS product_category
        FROM range({5 * GROUPS + 3}) AS p(id)
        """
    ).write_parquet(str(path))
    return path


@pytest.fixture
def orders():
    """Two lines per product in each of two shops: 9 units at 10, and 1 unit at 20."""
    con = duckdb.connect()
    con.execute(
        f"""
        CREATE TABLE order_lines AS
        SELECT
            shop, id::VARCHAR AS sku, 'order' AS type, DATE '2026-01-01' + line::INTEGER AS day,
            CASE line WHEN 0 THEN 9 ELSE 1 END AS units,
            CASE line WHEN 0 THEN 10 ELSE 20 END::DECIMAL(18, 6) AS list_price
        FROM range({5 * GROUPS + 3}) AS p(id), range(2) AS l(line),
            (VALUES ('harbor'), ('village')) AS s(shop)
        """
    )
    yield con
    con.close()


def margins(rows):
    """Return the margin of each SKU on its mean list price, (9 x 10 + 20) / 10."""
    return {row.sku: 1 - float(row.unit_cost) / 11 for row in rows}


def test_simulate_costs_leave_a_margin_of_20_to_55_percent(orders, products):
    """Margins cover the whole range; products of a group are within 10 percentage points."""
    rows = simulate_costs(orders, products, "harbor", seed=1)
    found = margins(rows)
    assert 0.199 < min(found.values()) < 0.23
    assert 0.52 < max(found.values()) < 0.551
    groups = defaultdict(list)
    for sku, margin in found.items():
        groups[int(sku) // 5].append(margin)
    assert max(max(group) - min(group) for group in groups.values()) < 0.101
    assert len({round(sum(group) / 5, 2) for group in groups.values()}) > 15


def test_simulate_costs_leave_some_unknown(orders, products):
    """About one group in twenty has no costs, nor have products without a grocery margin."""
    known = {int(sku) for sku in margins(simulate_costs(orders, products, "harbor", seed=1))}
    assert known.isdisjoint({5 * GROUPS, 5 * GROUPS + 1, 5 * GROUPS + 2})
    groups = {sku // 5 for sku in known}
    assert len(known) == 5 * len(groups)
    assert UNKNOWN / 3 < 1 - len(groups) / GROUPS < 2 * UNKNOWN


def test_simulate_costs_say_that_they_are(orders, products):
    """Whole cents, from the shop's first day, marked, sorted by SKU."""
    rows = simulate_costs(orders, products, "harbor", seed=1)
    assert {(row.shop, row.valid_from, row.source) for row in rows} == {
        ("harbor", date(2026, 1, 1), "simulated")
    }
    assert all(row.unit_cost == row.unit_cost.quantize(Decimal("0.01")) > 0 for row in rows)
    assert [row.sku for row in rows] == sorted(row.sku for row in rows)


def test_simulate_costs_are_the_same_again(orders, products):
    """Rows depend on seed and shop; groups without costs are the same in every shop."""
    rows = simulate_costs(orders, products, "harbor", seed=1)
    assert simulate_costs(orders, products, "harbor", seed=1) == rows
    assert simulate_costs(orders, products, "harbor", seed=2) != rows
    village = simulate_costs(orders, products, "village", seed=1)
    assert [row.sku for row in village] == [row.sku for row in rows]
    assert margins(village) != margins(rows)
    assert max(abs(margins(village)[sku] - own) for sku, own in margins(rows).items()) < 0.101
