"""d1lab beside a living app on the real engine: nothing of the app's breaks, nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from d1lab.d1 import Database, open_database
from d1lab.d1.migrate import migrate
from d1lab.ingest.aggregate import aggregate
from tests.support.coexistence import play, require_nothing_lost
from tests.support.counted_truth import require_truth, truth
from tests.support.schema import shape
from tests.support.shop_app import ShopApp
from tests.support.workerd import Engine

TRACK = (
    "INSERT INTO discount_analytics (shop, discount_id, sku, discount_amount)"
    " VALUES (?1, ?2, ?3, 2) ON CONFLICT (shop, discount_id, sku) DO UPDATE SET"
    " times_used = times_used + 1, discount_amount = discount_amount + excluded.discount_amount,"
    " last_used_at = CURRENT_TIMESTAMP"
)
COUNT_DAY = (
    "INSERT INTO daily_discount_stats (shop, date, total_discounts_used) VALUES (?1, ?2, 1)"
    " ON CONFLICT (shop, date) DO UPDATE SET total_discounts_used = total_discounts_used + 1"
)
STATEMENTS: list[tuple[str, tuple[Any, ...]]] = [
    (TRACK, ("harbor", "spring", "SOCK")),
    (TRACK, ("harbor", "spring", "SOCK")),
    (COUNT_DAY, ("harbor", "2026-05-01")),
    (COUNT_DAY, ("harbor", "2026-05-01")),
    *(
        (statement, ())
        for statement in (
            "INSERT INTO customer_insights"
            " VALUES ('harbor', 'c', 1, 2.5, 'fixed', 9, 1, NULL, 'new', 3)",
            "INSERT INTO ab_test_results (test_id, shop) VALUES ('t', 'harbor')",
            "INSERT INTO inventory_impact"
            " VALUES ('harbor', 'SOCK', '2026-05-01', 9, 1, 1, 7, 3, 0.5)",
            "INSERT INTO product_performance (shop, sku) VALUES ('harbor', 'SOCK')",
            "UPDATE customer_insights SET customer_segment = 'vip' WHERE customer_id = 'c'",
            "INSERT INTO analytics_archive SELECT * FROM discount_analytics",
            "DELETE FROM discount_analytics WHERE shop = 'harbor'",
        )
    ),
]
"""The kinds of statements of an app: upserts, by name and by place, and its retention."""


@pytest.fixture
def beside(app: ShopApp) -> Iterator[Database]:
    """d1lab's connection to the app's database."""
    with closing(open_database(app.url)) as db:
        yield db


def test_migrate_changes_nothing_of_the_app(app: ShopApp, app_engine: Engine, beside: Database):
    """Its tables stay as declared; each statement works, and bills the rows it billed before."""
    untouched = ShopApp(app_engine)
    tables = [name for name in beside.tables() if not name.startswith("d1lab")]
    before = {name: shape(beside, name) for name in tables}
    migrate(beside)
    assert {name: shape(beside, name) for name in tables} == before
    billed = [step["written"] for step in app.batch(STATEMENTS)]
    assert billed == [step["written"] for step in untouched.batch(STATEMENTS)]
    assert sum(billed) > len(STATEMENTS)


@pytest.mark.long
def test_pages_tell_what_the_app_has_counted(app: ShopApp, beside: Database, tmp_path: Path):
    """Uses, savings and products as Python counts them, before the app's retention and after."""
    uses = truth(60)
    migrate(beside)
    app.track(*uses)
    app.settle()
    untouched = {name: app.sql(f"SELECT * FROM {name}") for name in ("discount_analytics",
                 "daily_discount_stats", "product_performance")}  # fmt: skip
    kept = aggregate(beside, tmp_path, database="app").kept
    assert set(untouched) == set(kept)
    assert {name: app.sql(f"SELECT * FROM {name}") for name in untouched} == untouched
    require_truth(beside, tmp_path, uses)
    app.archive(before="2999-01-01")
    require_truth(beside, tmp_path, uses)


def test_app_and_d1lab_write_at_once(app: ShopApp, tmp_path: Path):
    """Beside pulls, aggregations, pushes and rollbacks no use of the app's is lost or doubled."""
    require_nothing_lost(play(app, tmp_path, seconds=1))
