"""Simulated competitor prices: near real prices, marked as simulated, and reproducible."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta

import duckdb
import numpy as np
import pytest

from d1lab.demo.prices import COMPETITORS, LOOKS, simulate_prices


@pytest.fixture
def orders():
    """200 days of 30 products with steady prices of 2 to 31, and one with daily changes."""
    con = duckdb.connect()
    con.execute(
        """
        CREATE TABLE order_lines AS
        SELECT
            'harbor' AS shop, 'S' || sku AS sku, 'order' AS type,
            DATE '2026-01-01' + day::INTEGER AS day,
            CASE WHEN sku = 30 THEN 5 + day % 7 ELSE 2 + sku END AS list_price,
            40 + sku AS revenue
        FROM range(200) AS d(day), range(31) AS s(sku)
        """
    )
    yield con
    con.close()


def test_simulate_prices_keeps_near_the_shops_own(orders):
    """Within a third of the list price in dollars; each competitor has its own level."""
    rows = simulate_prices(orders, "harbor", skus=25, seed=1)
    ratios = defaultdict(list)
    for row in rows:
        rate = {one.name: one.rate for one in COMPETITORS}[row.competitor]
        ratios[row.competitor].append(float(row.price) / rate / (2 + int(row.sku[1:])))
    assert set(ratios) == {one.name for one in COMPETITORS}
    for competitor in COMPETITORS:
        found = np.array(ratios[competitor.name])
        assert abs(np.median(found) - competitor.level) < 0.06
        assert 0.6 < found.min() < found.max() < 1.4


def test_simulate_prices_takes_steady_products_only(orders):
    """The products with the most revenue, except the one with daily price changes."""
    rows = simulate_prices(orders, "harbor", skus=25, seed=1)
    assert {row.sku for row in rows} <= {f"S{sku}" for sku in range(5, 30)}


def test_simulate_prices_says_so(orders):
    """Marked in the column, in the name, and by an address that cannot be registered."""
    for row in simulate_prices(orders, "harbor", skus=25, seed=1):
        assert row.source == "simulated"
        assert row.competitor.endswith("(simulated)")
        assert str(row.url).split("/")[2].endswith(".example")


def test_simulate_prices_shows_what_can_happen(orders):
    """Weekly observations up to yesterday; some out of stock, in another currency, or old."""
    rows = simulate_prices(orders, "harbor", skus=25, seed=1)
    days = {row.observed_at.date() for row in rows}
    last = date(2026, 7, 18)
    assert days == {last - timedelta(days=7 * i) for i in range(LOOKS)}
    assert rows == sorted(rows, key=lambda row: row.observed_at)
    assert 0.02 < np.mean([not row.in_stock for row in rows]) < 0.2
    assert {row.currency for row in rows} == {"USD", "CAD"}
    newest = defaultdict(lambda: date.min)
    for row in rows:
        pair = (row.sku, row.competitor)
        newest[pair] = max(newest[pair], row.observed_at.date())
    assert 0 < sum(day < last for day in newest.values()) < len(newest) / 4
    assert len(newest) < 25 * len(COMPETITORS)  # nobody sells everything


def test_simulate_prices_is_reproducible(orders):
    """The same seed gives the same rows; another seed does not."""
    first, again, other = (
        simulate_prices(orders, "harbor", skus=25, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
