"""A table whose index shows every update is read by that index once it has proved complete."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from d1lab.pull import pull
from d1lab.warehouse import utc_now
from tests.pull.conftest import assert_same

pytestmark = pytest.mark.usefixtures("few_views")

FEW = 40  # rows that tell where the tables end
USE = (
    "UPDATE discount_analytics SET times_used = times_used + 1, last_used_at = CURRENT_TIMESTAMP "
    "WHERE id = ?1"
)
SILENT = "UPDATE discount_analytics SET times_used = times_used + 1 WHERE id = ?1"


@pytest.fixture(params=[pytest.param("file", marks=pytest.mark.long), "remote"])
def pulled(request, folder):
    """An app's 300 counters from months ago."""
    db = request.getfixturevalue(request.param)
    db.execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 300) "
        "INSERT INTO discount_analytics (shop, discount_id, sku, times_used, last_used_at) "
        "SELECT 's', 'd', 'k' || i, 1, '2026-01-01 00:00:00' FROM n"
    )
    pull(db, folder, database="x")
    return db


@pytest.fixture
def on_day(monkeypatch: pytest.MonkeyPatch, pulled, folder) -> Callable:
    """Pull some days from now."""

    def pulled_later(days: int):
        monkeypatch.setattr("d1lab.pull.session.utc_now", lambda: utc_now() + timedelta(days))
        return pull(pulled, folder, database="x").by_table.get("discount_analytics")

    return pulled_later


@pytest.mark.long
def test_an_index_that_showed_every_change_is_used(pulled, folder, on_day):
    """From the second day on, every pull reads three rows per use and one per new counter."""
    pulled.execute(USE, (7,))
    assert on_day(0) is None
    assert on_day(1).whole
    pulled.execute(USE, (9,))
    pulled.execute("INSERT INTO discount_analytics (shop, discount_id, sku) VALUES ('s','d','new')")
    found = on_day(1)
    assert (found.whole, found.rows_pulled) == (False, 3)  # 7 was used a moment ago, too
    assert found.rows_read <= 3 * 2 + 1 + 3
    assert_same(pulled, folder, "discount_analytics")
    pulled.execute(USE, (11,))
    assert not on_day(3).whole
    assert_same(pulled, folder, "discount_analytics")
    pulled.execute(USE, (12,))
    assert on_day(9).whole


def test_always_reads_the_table_whole(pulled, folder, on_day):
    """The setting detects deletions, and updates that the index does not show."""
    pulled.execute(USE, (7,))
    assert on_day(1).whole
    pulled.execute(SILENT, (9,))
    pulled.execute("DELETE FROM discount_analytics WHERE id = 11")
    found = pull(pulled, folder, database="x", counters="always").by_table["discount_analytics"]
    assert found.whole
    assert_same(pulled, folder, "discount_analytics")


@pytest.mark.parametrize(
    "statement",
    [SILENT, "DELETE FROM discount_analytics WHERE id = ?1"],
)
def test_an_index_that_missed_a_change_is_not_used(pulled, folder, on_day, statement):
    """After an update that it does not show, or a deletion, the table is reread once a day."""
    pulled.execute(USE, (7,))
    pulled.execute(statement, (9,))
    assert on_day(1).whole
    pulled.execute(SILENT, (20,))
    assert on_day(1) is None
    assert on_day(2).whole
    assert_same(pulled, folder, "discount_analytics")


def test_a_dropped_index_is_not_an_error(pulled, folder, on_day):
    """The table is then reread once a day."""
    pulled.execute(USE, (7,))
    assert on_day(1).whole
    pulled.execute("DROP INDEX idx_usage_date")
    pulled.execute(USE, (9,))
    on_day(1)
    assert on_day(2).whole
    assert_same(pulled, folder, "discount_analytics")
