"""Indexes are proposed for scans of large tables only, as migrations that end them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from d1lab.d1.analytics import QueryUsage
from d1lab.d1.migrate import migrate
from d1lab.d1.query_plans import QueryPlans
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.ops.advise import Advice, advise, lines

RETENTION = "DELETE FROM discount_analytics WHERE created_at < ?1"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[SqliteDatabase]:
    """The guide's tables, with 1,500 discounts."""
    with closing(SqliteDatabase.create(tmp_path / "d1.sqlite")) as db:
        migrate(db)
        db.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1500) "
            "INSERT INTO discount_analytics (shop, discount_id, sku) SELECT 'a', i, 's' FROM n"
        )
        yield db


def _advised(db: SqliteDatabase, home: Path, queries: str = "") -> Advice:
    return advise(db, home / "shop", queries=queries)


def test_the_guides_retention_scans_and_an_index_ends_that(db: SqliteDatabase, tmp_path: Path):
    """Its seven statements: three scan, one of them needs all rows; the price is that of 1,500."""
    found = _advised(db, tmp_path)
    assert [(s.rows, s.scanned) for s in found.statements].count(
        (1500, ("discount_analytics",))
    ) == 3
    assert len(found.statements) == 7
    [index] = found.indexes
    assert (index.table, index.columns) == ("discount_analytics", ("created_at",))
    assert (index.rows_read_once, index.rows_written_once, index.saved_rows_a_run) == (
        3000,
        1501,
        1500,
    )
    assert len(index.statements) == 2
    [duplicate] = found.duplicates
    assert (duplicate.name, duplicate.same_as) == ("idx_shop_discount", "uq_shop_discount_sku")
    assert "saves up to 1,500 rows read a run" in "".join(lines(found))


def test_nothing_changes_before_migrate_and_then_the_scan_is_gone(
    db: SqliteDatabase, tmp_path: Path
):
    """The files are migrations, and the price is what the embedded D1 bills."""
    found = _advised(db, tmp_path)
    with closing(QueryPlans(db)) as plans:
        assert plans.plan(RETENTION).scanned == ("discount_analytics",)
    before = db.meter.total
    names = migrate(db, Path(found.folder))
    assert names == [found.duplicates[0].file, found.indexes[0].file]
    written = db.meter.total.rows_written - before.rows_written
    assert 0 < written - found.indexes[0].rows_written_once < 20  # the drop, and the records
    with closing(QueryPlans(db)) as plans:
        assert plans.plan(RETENTION).scanned == ()
        assert "idx_shop_discount" not in plans.indexes("discount_analytics")
    again = _advised(db, tmp_path)
    assert (again.indexes, again.duplicates, list(Path(again.folder).iterdir())) == ((), (), [])


def test_other_statements_come_from_a_file_and_from_cloudflare(db: SqliteDatabase, tmp_path: Path):
    """An index takes both columns of a comparison; how often it runs gives what a month saves."""
    sql = "SELECT sku FROM discount_analytics AS d WHERE times_used > ?2 AND discount_amount = ?1"
    busiest = [QueryUsage(f"{sql};", 7_000, 10_500_000, 0)]
    found = advise(db, tmp_path / "shop", queries="SELECT nope FROM x;", busiest=busiest)
    index = next(each for each in found.indexes if "times_used" in each.columns)
    assert index.columns == ("discount_amount", "times_used")
    assert index.saved_dollars_a_month == pytest.approx(30_000 * 1500 * 0.001 / 1e6)
    assert index.saved_rows_a_month == 30_000 * 1500
    migration = Path(found.folder, index.file)
    assert "rows read a run, $0.045 beyond the included quota a month" in migration.read_text()
    advise(db, tmp_path / "shop", busiest=busiest, plan="free")
    assert "a run, 30% of the free plan's rows read a day." in migration.read_text()
    [invalid] = [each for each in found.statements if each.source == "file"]
    assert invalid.plan == "no such table: x"


def test_a_small_table_needs_no_index(db: SqliteDatabase, tmp_path: Path):
    """Nor does a statement that reads all rows on purpose."""
    found = _advised(
        db, tmp_path, "SELECT * FROM daily_discount_stats WHERE total_discounts_used = 1"
    )
    assert {index.table for index in found.indexes} == {"discount_analytics"}
