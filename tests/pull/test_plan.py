"""What a pull reads: order lines always, counters once a day, everything if D1 was replaced."""

from __future__ import annotations

from datetime import timedelta

import pytest

from d1lab.pull import pull
from d1lab.warehouse import open_warehouse, utc_now
from tests.pull.conftest import add_customers, add_events, assert_same

pytestmark = pytest.mark.usefixtures("few_views")

FEW = 40  # rows that tell where the tables end


@pytest.fixture
def days_later(monkeypatch: pytest.MonkeyPatch):
    """Let pulls happen some days from now."""

    def later(days: int) -> None:
        monkeypatch.setattr("d1lab.pull.session.utc_now", lambda: utc_now() + timedelta(days))

    return later


def savings(folder) -> float:
    with open_warehouse(folder) as con:
        return con.sql("SELECT sum(total_savings) FROM raw.customer_insights").fetchall()[0][0]


@pytest.mark.parametrize("kind", [pytest.param("file", marks=pytest.mark.long), "remote"])
def test_counters_wait_for_the_next_day_and_order_lines_do_not(request, kind, folder, days_later):
    """For tables of any size, a new line costs its own read and the lookup of the bounds."""
    db = request.getfixturevalue(kind)
    add_customers(db, 400)
    add_events(db, 0, 300)
    pull(db, folder, database="x")
    add_events(db, 300, 1)
    db.execute("UPDATE customer_insights SET total_savings = 3 WHERE customer_id = 'c7'")
    result = pull(db, folder, database="x")
    assert result.rows_read <= 1 + FEW
    assert (result.rows_pulled, list(result.by_table)) != (0, [])
    assert "customer_insights" not in result.by_table
    assert_same(db, folder)
    assert savings(folder) == 400
    assert pull(db, folder, database="x").skipped
    days_later(1)
    result = pull(db, folder, database="x")
    assert result.by_table["customer_insights"] == (400, 400, 0, True)
    assert savings(folder) == 402
    assert pull(db, folder, database="x").skipped


@pytest.mark.long
def test_counters_are_read_immediately_on_request(remote, folder):
    """The request is `counters = "always"`, the name of the table, or --full."""
    add_customers(remote, 10)
    pull(remote, folder, database="x")
    for value, options in (
        (2, {"counters": "always"}),
        (3, {"tables": ["customer_insights"]}),
        (4, {"full": True}),
    ):
        remote.execute("UPDATE customer_insights SET total_savings = ?1", (value,))
        pull(remote, folder, database="x")
        assert savings(folder) == 10 * (value - 1)
        pull(remote, folder, database="x", **options)
        assert savings(folder) == 10 * value


def test_a_table_that_was_empty_is_read(remote, folder):
    """An app's first counters are read on the same day."""
    pull(remote, folder, database="x")
    add_customers(remote, 5)
    pull(remote, folder, database="x")
    assert savings(folder) == 5


def test_new_days_of_stock_come_with_every_pull(remote, folder):
    """The tail is reread once a day, and rows above the highest known one always."""
    day = "INSERT INTO inventory_impact (shop, sku, date) VALUES ('s', 'a', ?1)"
    for number in range(10, 30):
        remote.execute(day, (f"2026-01-{number}",))
    pull(remote, folder, database="x")
    remote.execute(day, ("2026-01-30",))
    result = pull(remote, folder, database="x")
    assert result.by_table["inventory_impact"] == (1, 1, 0, False)
    assert_same(remote, folder, "inventory_impact")


def test_another_database_under_the_same_name_is_read_whole(remote, folder):
    """The last order line shows that it was restored or rebuilt, and every table is read."""
    add_events(remote, 0, 30)
    add_customers(remote, 5)
    pull(remote, folder, database="x")
    remote.execute("UPDATE order_events SET event_id = 'other-' || seq")
    remote.execute("UPDATE customer_insights SET total_savings = 9")
    pull(remote, folder, database="x")
    assert_same(remote, folder)
    assert savings(folder) == 45
