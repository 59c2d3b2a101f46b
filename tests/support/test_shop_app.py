"""The app that tests run beside d1lab counts, shows and archives as the guide's does."""

from __future__ import annotations

from contextlib import closing

import pytest

from d1lab.d1 import open_database
from tests.support.shop_app import AppError, ShopApp, Use

FIRST = Use("harbor", "spring", "SOCK", 2.5, "2026-05-01T10:00:00Z")
NEXT_DAY = FIRST._replace(amount=1.5, at="2026-05-02T10:00:00Z")
OTHER = FIRST._replace(sku="HAT")


def counters(app: ShopApp) -> list[tuple[int, float]]:
    """Uses and savings by day, as the queue counted them."""
    rows = app.sql("SELECT * FROM daily_discount_stats ORDER BY date")
    return [(row["total_discounts_used"], row["total_revenue_impact"]) for row in rows]


def test_app_misses_the_first_use_of_each_pair(app):
    """Three uses of two pairs: one is counted at once, all three by the queue."""
    app.track(FIRST, NEXT_DAY, OTHER)
    rows = app.sql("SELECT * FROM discount_analytics ORDER BY id")
    assert [(row["sku"], row["times_used"], row["discount_amount"]) for row in rows] == [
        ("SOCK", 1, 4.0),
        ("HAT", 0, 2.5),
    ]
    assert {row["revenue_after_discount"] for row in rows} == {None}
    app.settle()
    assert counters(app) == [(2, 5.0), (1, 1.5)]
    products = app.sql("SELECT sku, units_sold_with_discount AS units FROM product_performance")
    assert {row["sku"]: row["units"] for row in products} == {"SOCK": 2, "HAT": 1}


def test_dashboard_shows_what_was_used_again(app):
    """A pair's first use has no time of use: the dashboard passes over it."""
    app.track(FIRST, NEXT_DAY, OTHER)
    shown = app.dashboard("harbor", since="2026-01-01")
    assert shown == {"discounts": 1, "uses": 1, "savings": 4.0, "skus": 1}
    assert app.dashboard("kiosk", since="2026-01-01")["uses"] is None


def test_a_batch_delivered_again_counts_double(app):
    """A consumer that stopped half-way, and the queue's second try: four counts of three uses."""
    with pytest.raises(AppError, match="stopped after 1"):
        app.deliver(FIRST, NEXT_DAY, OTHER, stop_after=1)
    app.deliver(FIRST, NEXT_DAY, OTHER)
    assert counters(app) == [(3, 7.5), (1, 1.5)]


def test_archive_moves_old_rows(app):
    """Whole rows, and only those made before the day."""
    app.track(FIRST, OTHER)
    app.sql("UPDATE discount_analytics SET created_at = '2026-01-31 10:00:00' WHERE sku = 'HAT'")
    assert app.archive(before="2026-02-01") == {"archived": 1, "deleted": 1}
    [row] = app.sql("SELECT * FROM analytics_archive")
    assert (row["sku"], row["discount_amount"]) == ("HAT", 2.5)
    assert [row["sku"] for row in app.sql("SELECT sku FROM discount_analytics")] == ["SOCK"]


def test_d1lab_reads_the_apps_database(app):
    """The app and d1lab see one database, and its file is where the engine says."""
    app.track(FIRST)
    with closing(open_database(app.url)) as db:
        assert db.query("SELECT shop, sku FROM discount_analytics").rows == [("harbor", "SOCK")]
    assert app.file.is_file()
