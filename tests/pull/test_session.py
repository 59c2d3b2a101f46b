"""Complete pulls from a SQLite file, a database that looks remote, and the real engine."""

from __future__ import annotations

import json
import re
from pathlib import Path

import duckdb
import pytest
from filelock import FileLock

from d1lab import catalog, warehouse
from d1lab.d1 import Database, quote
from d1lab.d1.migrate import FOLDER, migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import BudgetError, InputError, LockedError, UnknownName
from d1lab.pull import pull, session
from d1lab.warehouse import next_warehouse, open_warehouse
from tests.pull.conftest import Remote, add_customers, add_events, assert_same

pytestmark = pytest.mark.usefixtures("few_views")

BOUNDS = 3 * len(catalog.TABLES) + 2  # rows read to find out where tables end


def raw(folder: Path, sql: str) -> list[tuple]:
    with open_warehouse(folder) as con:
        return con.sql(sql).fetchall()


def quarantine(folder: Path) -> list[tuple]:
    return raw(
        folder,
        "SELECT table_name, key, column_name, value, reason FROM d1lab.quarantine ORDER BY ALL",
    )


def unlogged(db: Database, *statements: str) -> None:
    """Run statements without the triggers of the change log, as if D1 had been restored."""
    names = ("order_events_updated", "order_events_deleted")
    for name in names:
        db.execute(f"DROP TRIGGER {name}")
    for sql in statements:
        db.execute(sql)
    script = (FOLDER / "0002_order_events.sql").read_text()
    for made in re.findall(r"CREATE TRIGGER.*?END;", script, re.DOTALL):
        db.execute(made.rstrip(";"))


def test_first_pull_has_everything_for_one_row_read_each(db, folder):
    """All columns are exact, and the bill is the rows plus two per table for its bounds."""
    add_events(db, 0, 2_500)
    result = pull(db, folder, database="x")
    assert_same(db, folder)
    assert (result.rows_pulled, result.quarantined, result.skipped) == (2_500, 0, False)
    assert 2_500 <= result.rows_read <= 2_500 + BOUNDS
    assert result.by_table["order_events"].whole
    [(name, url, rows_pulled, rows_read)] = raw(
        folder, "SELECT database, url, rows_pulled, rows_read FROM d1lab.pull"
    )
    assert (name, url, rows_pulled, rows_read) == ("x", db.url, 2_500, result.rows_read)
    [(rows, high)] = raw(
        folder, "SELECT rows, high_rowid FROM d1lab.tables WHERE table_name = 'order_events'"
    )
    assert (rows, high) == (2_500, 2_500)


def test_new_rows_cost_one_row_read_each(db, folder):
    """The target for 10,000 new rows in a million is at most a hundred extra rows read."""
    add_events(db, 0, 3_000)
    pull(db, folder, database="x")
    add_events(db, 3_000, 200)
    result = pull(db, folder, database="x")
    assert_same(db, folder)
    assert result.rows_pulled == 200
    assert 200 <= result.rows_read <= 200 + BOUNDS <= 300
    assert not result.by_table["order_events"].whole


def test_nothing_new_costs_nothing_with_a_bookmark(db, folder):
    """The engine has no bookmark, so only the bounds are looked up there."""
    add_events(db, 0, 50)
    pull(db, folder, database="x")
    result = pull(db, folder, database="x")
    if db.bookmark() is None:
        assert (result.rows_pulled, result.skipped) == (0, False)
        assert result.rows_read <= BOUNDS
    else:
        assert (result.rows_read, result.skipped) == (0, True)


def test_logged_updates_and_deletions_are_detected(db, folder):
    """Each costs three rows: the log's entry, the element in the query, and the row."""
    add_events(db, 0, 500)
    pull(db, folder, database="x")
    db.execute("UPDATE order_events SET revenue = 99.5, quantity = 7 WHERE seq = 17")
    db.execute("DELETE FROM order_events WHERE seq IN (4, 500)")
    result = pull(db, folder, database="x")
    assert_same(db, folder)
    assert result.rows_read <= 3 * 3 + BOUNDS
    assert raw(folder, "SELECT quantity FROM raw.order_events WHERE seq = 17") == [(7,)]


def test_a_long_change_log_is_not_read(db, folder):
    """If it has more than a third of the table's rows, rereading the table costs less."""
    add_events(db, 0, 300)
    pull(db, folder, database="x")
    db.execute("UPDATE order_events SET quantity = quantity + 1")
    result = pull(db, folder, database="x")
    assert_same(db, folder)
    assert result.by_table["order_events"] == (300, 300, 0, True)


def test_a_replaced_row_is_not_there_twice(db, folder):
    """INSERT OR REPLACE fires no trigger, but the key shows that the older row is gone."""
    add_events(db, 0, 20)
    pull(db, folder, database="x")
    columns = ", ".join(c.name for c in catalog.TABLES["order_events"].columns if c.name != "seq")
    db.execute(
        f"INSERT OR REPLACE INTO order_events ({columns}) "
        f"SELECT {columns} FROM order_events WHERE seq = 3"
    )
    pull(db, folder, database="x")
    assert_same(db, folder)


def test_a_restored_database_is_read_whole(db, folder):
    """The key of the last row shows that rowids were given to other rows."""
    add_events(db, 0, 40)
    pull(db, folder, database="x")
    unlogged(db, "UPDATE order_events SET event_id = 'other-' || seq WHERE seq > 30")
    result = pull(db, folder, database="x")
    assert result.by_table["order_events"].whole
    assert_same(db, folder)


def test_rows_missing_at_the_end_are_detected(db, folder):
    """This also works without an entry in the change log."""
    add_events(db, 0, 40)
    pull(db, folder, database="x")
    unlogged(db, "DELETE FROM order_events WHERE seq > 25 OR seq < 5")
    pull(db, folder, database="x")
    assert_same(db, folder)


def stock(db: Database, days: int) -> None:
    db.execute(
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT ?1) "
        "INSERT INTO inventory_impact (shop, sku, date, starting_inventory) "
        "SELECT 's', 'a', date('2026-01-01', '+' || i || ' days'), i FROM n",
        (days,),
    )


def test_the_tail_is_read_again(db, folder):
    """Changes in the last seven days are detected; older ones only with `full`."""
    stock(db, 30)
    pull(db, folder, database="x", counters="always")
    db.execute("UPDATE inventory_impact SET starting_inventory = 77 WHERE date = '2026-01-28'")
    db.execute("DELETE FROM inventory_impact WHERE date = '2026-01-25'")
    result = pull(db, folder, database="x", counters="always")
    assert_same(db, folder, "inventory_impact")
    tail = result.by_table["inventory_impact"]
    assert (tail.rows_pulled, tail.whole) == (7, False)
    assert tail.rows_read <= 7 + 1  # a rowid that is gone costs as much as one that is there
    db.execute("UPDATE inventory_impact SET starting_inventory = 88 WHERE date = '2026-01-02'")
    pull(db, folder, database="x", counters="always")
    found = raw(folder, "SELECT starting_inventory FROM raw.inventory_impact WHERE _rowid = 2")
    assert found == [(1,)]
    pull(db, folder, database="x", full=True)
    assert_same(db, folder, "inventory_impact")


def test_a_day_far_ahead_does_not_hide_the_tail(db, folder):
    """One invalid date does not change which rows count as recent."""
    stock(db, 30)
    db.execute("INSERT INTO inventory_impact (shop, sku, date) VALUES ('s', 'a', '2999-01-01')")
    pull(db, folder, database="x", counters="always")
    db.execute("UPDATE inventory_impact SET starting_inventory = 77 WHERE date = '2026-01-28'")
    pull(db, folder, database="x", counters="always")
    assert_same(db, folder, "inventory_impact")


def test_tables_without_a_rule_are_read_whole(db, folder):
    """Updates and deletions are detected in any row."""
    add_customers(db, 20)
    pull(db, folder, database="x", counters="always")
    db.execute("UPDATE customer_insights SET total_savings = 2.25 WHERE customer_id = 'c3'")
    db.execute("DELETE FROM customer_insights WHERE customer_id = 'c5'")
    result = pull(db, folder, database="x", counters="always")
    assert_same(db, folder, "customer_insights")
    assert result.by_table["customer_insights"] == (19, 19, 0, True)


def test_digest_ignores_own_results(db, folder):
    """Results that a report writes back do not make the next run's data look new."""

    def digests():
        return dict(raw(folder, "SELECT table_name, digest FROM d1lab.tables"))

    db.execute("INSERT INTO customer_insights (shop, customer_id) VALUES ('s', 'c')")
    pull(db, folder, database="x", counters="always")
    before = digests()
    db.execute("UPDATE customer_insights SET customer_segment = 'vip', lifetime_value = 5")
    pull(db, folder, database="x", counters="always")
    assert digests() == before
    db.execute("UPDATE customer_insights SET total_savings = 3")
    pull(db, folder, database="x", counters="always")
    assert {name for name in before if digests()[name] != before[name]} == {"customer_insights"}


def test_digest_ignores_rows_of_results_only(db, folder):
    """A table of results does not make a report due that reads its own earlier results."""
    pull(db, folder, database="x", counters="always")
    names = "('discount_recommendations', 'd1lab_customer_scores', 'd1lab_owned')"
    sql = f"SELECT table_name, digest FROM d1lab.tables WHERE table_name IN {names} ORDER BY 1"
    before = raw(folder, sql)
    assert len(before) == 3
    db.execute(
        "INSERT INTO d1lab_owned (table_name, part, how, since) "
        "VALUES ('inventory_impact', 'x', 'empty', '2026-01-01')"
    )
    db.execute("INSERT INTO d1lab_customer_scores (shop, customer_id) VALUES ('s', 'c')")
    db.execute(
        "INSERT INTO discount_recommendations (shop, sku, made_on, decision) "
        "VALUES ('s', 'k', '2026-01-01', 'hold')"
    )
    assert (
        pull(db, folder, database="x", counters="always")
        .by_table["discount_recommendations"]
        .rows_pulled
        == 1
    )
    assert raw(folder, sql) == before


def test_an_apps_own_tables_and_columns_are_pulled(db, folder):
    """There are names that need quotes, every type, and a composite key without rowids."""
    odd = 'my "table"; --'
    db.execute(
        f'CREATE TABLE {quote(odd)} (id INTEGER PRIMARY KEY, "select" DECIMAL(9,2), "a b" DATETIME,'
        ' "_rowid" TEXT, flag BOOLEAN, any, data BLOB, "naïve 価格" VARCHAR(9), r REAL)'
    )
    db.execute(
        f"INSERT INTO {quote(odd)} VALUES (9007199254740993, 1.5, '2026-01-01', 'mine', 1, 'x', "
        "x'00ff', '🛒', 2.25), (1, 2, 1700000000, NULL, NULL, 5, 'text', NULL, NULL)"
    )
    db.execute("CREATE TABLE pairs (b TEXT, a INTEGER, v REAL, PRIMARY KEY (a, b)) WITHOUT ROWID")
    db.execute("INSERT INTO pairs VALUES ('y', 2, 0.5), ('x', 1, NULL), ('x', 2, 1)")
    db.execute("ALTER TABLE order_events ADD COLUMN channel TEXT")
    add_events(db, 0, 3)
    db.execute("UPDATE order_events SET channel = 'web' WHERE seq = 2")
    pull(db, folder, database="x")
    with open_warehouse(folder) as con:
        found = con.sql(f"SELECT * FROM raw.{quote(odd)} ORDER BY id")
        assert dict(zip(found.columns, map(str, found.types), strict=True)) == {
            "id": "BIGINT", "select": "DOUBLE", "a b": "VARCHAR", "_rowid_": "VARCHAR",
            "flag": "BIGINT", "any": "VARCHAR", "data": "BLOB", "naïve 価格": "VARCHAR",
            "r": "DOUBLE", "_rowid": "BIGINT",
        }  # fmt: skip
        assert found.fetchall() == [
            (1, 2.0, "1700000000", None, None, "5", b"text", None, None, 1),
            (2**53 + 1, 1.5, "2026-01-01", "mine", 1, "x", b"\x00\xff", "🛒", 2.25, 2**53 + 1),
        ]
        pairs = con.sql("SELECT a, b, v, _rowid FROM raw.pairs ORDER BY a, b").fetchall()
        assert pairs == [(1, "x", None, None), (2, "x", 1.0, None), (2, "y", 0.5, None)]
        channels = con.sql("SELECT channel FROM raw.order_events ORDER BY seq").fetchall()
        assert channels == [(None,), ("web",), (None,)]
    assert quarantine(folder) == []


def test_d1labs_own_tables_are_not_pulled(db, folder):
    """The change log and the audit log are not data of the shop."""
    pull(db, folder, database="x")
    tables = raw(folder, "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'raw'")
    assert {name for (name,) in tables} == set(catalog.TABLES)


def test_a_database_without_some_tables_and_columns_is_pulled(file, folder):
    """Declared columns exist in the warehouse as NULL, so that views can read them."""
    file.execute("DROP TABLE ab_test_daily")
    file.execute("ALTER TABLE inventory_impact DROP COLUMN ending_inventory")
    stock(file, 2)
    pull(file, folder, database="x")
    assert raw(folder, "SELECT ending_inventory, starting_inventory FROM raw.inventory_impact") == [
        (None, 0),
        (None, 1),
    ]
    assert raw(folder, "SELECT * FROM raw.ab_test_daily") == []
    file.execute("ALTER TABLE inventory_impact ADD COLUMN ending_inventory INTEGER DEFAULT 5")
    pull(file, folder, database="x")
    assert raw(folder, "SELECT DISTINCT ending_inventory FROM raw.inventory_impact") == [(5,)]


def test_names_match_in_any_case(file, folder):
    """SQLite ignores case, so an app can spell names differently."""
    file.execute("ALTER TABLE inventory_impact RENAME TO aside")
    file.execute("CREATE TABLE Inventory_Impact (SHOP TEXT, Sku TEXT, DATE DATE)")
    file.execute("INSERT INTO Inventory_Impact VALUES ('s', 'a', '2026-01-01')")
    pull(file, folder, database="x")
    assert raw(folder, "SELECT shop, sku FROM raw.inventory_impact") == [("s", "a")]


def test_a_dropped_table_is_removed(db, folder):
    """Its records are removed with it."""
    db.execute("CREATE TABLE extra (a INTEGER)")
    db.execute("INSERT INTO extra VALUES ('x')")
    pull(db, folder, database="x")
    assert len(quarantine(folder)) == 1
    db.execute("DROP TABLE extra")
    pull(db, folder, database="x", accept_dropped=True)
    assert quarantine(folder) == []
    assert raw(folder, "SELECT 1 FROM d1lab.tables WHERE table_name = 'extra'") == []
    with pytest.raises(duckdb.CatalogException):
        raw(folder, "FROM raw.extra")


MISFITS = {
    "quantity": ("'a few'", "not a number"),
    "revenue": ("'abc'", "not a number"),
    "list_price": ("1e12", "out of the range of DECIMAL(18, 6)"),
    "occurred_at": ("'2026-02-30 10:00:00'", "not a time"),
    "product_title": ("x'ff00'", "a blob, or text that is not UTF-8"),
}


def test_values_of_another_type_go_to_quarantine(db, folder):
    """The table has NULL; quarantine has the table, key, column, value, and reason."""
    add_events(db, 0, 12)
    for seq, (column, (value, _)) in enumerate(MISFITS.items(), 3):
        db.execute(f"UPDATE order_events SET {column} = {value} WHERE seq = {seq}")
    result = pull(db, folder, database="x")
    assert result.quarantined == result.by_table["order_events"].quarantined == 5
    assert result.rows_pulled == 12
    assert_same(db, folder)
    shown = {"1e12": "1000000000000", "x'ff00'": "x'ff00'"}
    wanted = []
    for seq, (column, (value, reason)) in enumerate(MISFITS.items(), 3):
        key = {"shop": f"shop-{(seq - 1) % 3}", "event_id": f"e{seq - 1}"}
        wanted.append(("order_events", key, column, shown.get(value, value.strip("'")), reason))
        assert raw(folder, f"SELECT {column} FROM raw.order_events WHERE seq = {seq}") == [(None,)]
    found = [(table, json.loads(key), *rest) for table, key, *rest in quarantine(folder)]
    assert sorted(found, key=repr) == sorted(wanted, key=repr)


def test_quarantine_follows_the_row(db, folder):
    """A corrected or deleted value is removed; an unchanged one that is reread is listed once."""
    add_events(db, 0, 40)
    db.execute("UPDATE order_events SET quantity = 'x' WHERE seq IN (3, 4, 5)")
    pull(db, folder, database="x")
    assert len(quarantine(folder)) == 3
    db.execute("UPDATE order_events SET quantity = 1 WHERE seq = 3")
    db.execute("DELETE FROM order_events WHERE seq = 4")
    db.execute("UPDATE order_events SET discount_amount = 1 WHERE seq = 5")
    result = pull(db, folder, database="x")
    assert [key for _, key, *_ in quarantine(folder)] == ['{"shop":"shop-1","event_id":"e4"}']
    assert result.quarantined == 1
    pull(db, folder, database="x", full=True)
    assert len(quarantine(folder)) == 1


def test_times_are_utc(db, folder):
    """Offsets are applied, fractions are kept, and days start at midnight."""
    add_events(db, 0, 4)
    times = {
        "2026-03-01T12:30:00+02:00": "2026-03-01 10:30:00",
        "2026-03-01T10:30:00.125Z": "2026-03-01 10:30:00.125",
        "2026-03-01": "2026-03-01 00:00:00",
        "2026-03-01 23:59": "2026-03-01 23:59:00",
    }
    for seq, text in enumerate(times, 1):
        db.execute("UPDATE order_events SET occurred_at = ?2 WHERE seq = ?1", (seq, text))
    pull(db, folder, database="x")
    found = raw(folder, "SELECT occurred_at::VARCHAR FROM raw.order_events ORDER BY seq")
    assert [text for (text,) in found] == list(times.values())


def test_a_budget_stops_a_pull_and_keeps_what_was_read(remote, folder):
    """The budget is never exceeded, the next pull resumes, and no row is read twice."""
    add_events(remote, 0, 5_000)
    before = remote.meter.total.rows_read
    with pytest.raises(BudgetError, match="2,000"):
        pull(remote, folder, database="x", max_rows_read=2_000)
    assert remote.meter.total.rows_read - before <= 2_000
    assert not (folder / warehouse.FILE_NAME).exists()
    result = pull(remote, folder, database="x", max_rows_read=4_000)
    assert_same(remote, folder)
    assert result.rows_read <= 3_000 + 2 * BOUNDS
    assert result.rows_pulled == 5_000
    assert remote.meter.by_table["order_events"].rows_read == 5_000


def test_a_budget_applies_to_a_file(file, folder):
    """A file's rows are counted like D1's."""
    add_events(file, 0, 5_000)
    before = file.meter.total.rows_read
    with pytest.raises(BudgetError):
        pull(file, folder, database="x", max_rows_read=2_000)
    assert file.meter.total.rows_read - before <= 2_000
    pull(file, folder, database="x", max_rows_read=5_000 + BOUNDS)
    assert_same(file, folder)


def test_a_budget_that_is_known_to_be_too_small_fails_early(remote, folder):
    """From the second pull on, the size of tables that are read in full is known."""
    add_customers(remote, 300)
    pull(remote, folder, database="x")
    remote.execute("UPDATE customer_insights SET total_savings = 2")
    before = remote.meter.by_table["customer_insights"].rows_read
    with pytest.raises(BudgetError, match="about 300 rows"):
        pull(remote, folder, database="x", max_rows_read=200, counters="always")
    assert remote.meter.by_table["customer_insights"].rows_read == before


def test_max_age_skips_a_fresh_pull(db, folder):
    """The age is counted from the start of the last pull."""
    pull(db, folder, database="x")
    add_events(db, 0, 5)
    result = pull(db, folder, database="x", max_age_seconds=300)
    assert (result.skipped, result.rows_read, result.rows_pulled) == (True, 0, 0)
    with next_warehouse(folder) as con:
        con.execute("UPDATE d1lab.pull SET started_at = started_at - INTERVAL 301 SECOND")
    assert pull(db, folder, database="x", max_age_seconds=300).rows_pulled == 5
    assert not pull(db, folder, database="x", max_age_seconds=300, full=True).skipped


def test_some_tables_only(db, folder):
    """The other tables are unchanged and do not count as up to date."""
    add_events(db, 0, 5)
    stock(db, 3)
    result = pull(db, folder, database="x", tables=["order_events"])
    assert list(result.by_table) == ["order_events"]
    assert raw(folder, "SELECT count(*) FROM raw.inventory_impact") == [(0,)]
    result = pull(db, folder, database="x")
    assert result.rows_pulled == 3
    assert_same(db, folder, "inventory_impact")
    with pytest.raises(UnknownName, match="order_events"):
        pull(db, folder, database="x", tables=["order_event"])


def test_a_database_without_events_is_skipped_too(file, folder):
    """Empty views are not listed under their own names, but they exist."""
    pull(file, folder, database="x")
    assert pull(file, folder, database="x").skipped


def test_some_tables_are_skipped_by_bookmark_and_age(file, folder):
    """The bookmarks are those of the tables, not that of the last complete pull."""
    add_events(file, 0, 5)
    pull(file, folder, database="x", tables=["order_events"])
    assert pull(file, folder, database="x", tables=["order_events"]).skipped
    assert not pull(file, folder, database="x", tables=["order_events", "inventory_impact"]).skipped
    add_events(file, 5, 5)
    assert pull(file, folder, database="x", tables=["order_events"], max_age_seconds=60).skipped
    assert not pull(file, folder, database="x", tables=["order_events"]).skipped
    assert not pull(file, folder, database="x").skipped


def test_a_second_pull_at_the_same_time_is_rejected(file, folder):
    """The second one ends with a clear message, and the lock ends with its process."""
    folder.mkdir()
    with FileLock(folder / "pull.lock"), pytest.raises(LockedError, match="another pull of"):
        pull(file, folder, database="x")
    pull(file, folder, database="x")


def test_the_lock_is_released(file, folder, monkeypatch):
    """It is released immediately, not when Python collects the object."""
    locks: list[FileLock] = []

    def made(*args, **options) -> FileLock:
        locks.append(FileLock(*args, **options))
        return locks[-1]

    monkeypatch.setattr(session, "FileLock", made)
    pull(file, folder, database="x")
    assert [lock.is_locked for lock in locks] == [False]


def test_views_are_updated_even_if_nothing_changed(file, folder, tmp_path, monkeypatch):
    """An edited view takes effect with the next pull, without a row read."""
    views = tmp_path / "views"
    views.mkdir()
    monkeypatch.setattr("d1lab.warehouse.views.VIEWS", views)
    add_events(file, 0, 5)
    (views / "lines.sql").write_text("SELECT count(*) AS n FROM raw.order_events")
    pull(file, folder, database="x")
    assert raw(folder, "FROM lines") == [(5,)]
    (views / "lines.sql").write_text("SELECT 2 * count(*) AS n FROM raw.order_events")
    result = pull(file, folder, database="x")
    assert raw(folder, "FROM lines") == [(10,)]
    assert (result.rows_read, result.rows_pulled) == (0, 0)


def test_a_broken_view_stops_before_the_swap(file, folder, tmp_path, monkeypatch):
    """The old warehouse is kept, and the message names the file."""
    pull(file, folder, database="x")
    views = tmp_path / "views"
    views.mkdir()
    (views / "broken.sql").write_text("SELECT nothing FROM raw.order_events")
    monkeypatch.setattr("d1lab.warehouse.views.VIEWS", views)
    add_events(file, 0, 5)
    with pytest.raises(InputError, match=r"broken\.sql"):
        pull(file, folder, database="x")
    assert raw(folder, "SELECT count(*) FROM d1lab.order_lines") == [(0,)]


@pytest.mark.parametrize("change", ["format", "url", "broken"])
def test_an_unusable_warehouse_is_rebuilt(file, folder, change):
    """The result gives the reason."""
    add_events(file, 0, 5)
    pull(file, folder, database="x")
    path = folder / warehouse.FILE_NAME
    if change == "broken":
        path.write_bytes(b"nonsense" * 10_000)
    else:
        with next_warehouse(folder) as con:
            con.execute(
                "UPDATE d1lab.format SET version = 0"
                if change == "format"
                else "UPDATE d1lab.pull SET url = 'sqlite:elsewhere'"
            )
    result = pull(file, folder, database="x")
    assert result.by_table["order_events"].whole
    assert result.note
    assert_same(file, folder)
    assert pull(file, folder, database="x").note == ""


def test_progress_has_rows_done_and_expected(db, folder):
    """It is called for every batch, and at the end all rows are done."""
    add_events(db, 0, 3_000)
    told = []
    pull(db, folder, database="x", progress=lambda *step: told.append(step))
    steps = [step for step in told if step[0] == "order_events"]
    assert steps[-1] == ("order_events", 3_000, 3_000)
    assert [done for _, done, _ in steps] == sorted(done for _, done, _ in steps)


def test_errors_of_the_database_are_raised_unchanged(remote, folder):
    """They do not become DuckDB errors, and the old warehouse is kept."""
    add_events(remote, 0, 50)
    pull(remote, folder, database="x")
    add_events(remote, 50, 50)

    def refuse(sql: str, table: str) -> None:
        if table == "order_events":
            raise UnknownName("thing", "a", ["b"])

    remote.before_query = refuse
    with pytest.raises(UnknownName):
        pull(remote, folder, database="x")
    assert raw(folder, "SELECT count(*) FROM raw.order_events") == [(50,)]


def test_a_reader_of_the_old_file_is_not_disturbed(db, folder):
    """It keeps reading the old file while the new one is built and afterwards."""
    add_events(db, 0, 10)
    pull(db, folder, database="x")
    with open_warehouse(folder) as con:
        add_events(db, 10, 10)
        pull(db, folder, database="x")
        assert con.sql("SELECT count(*) FROM order_lines").fetchall() == [(10,)]
    assert raw(folder, "SELECT count(*) FROM order_lines") == [(20,)]


def test_the_test_double_is_not_treated_as_a_file(remote, folder):
    """The double stands for a database over HTTP: batches are packed and stored."""
    add_events(remote, 0, 5)
    asked = []
    remote.before_query = lambda sql, table: asked.append(sql)
    pull(remote, folder, database="x")
    assert any("json_group_array" in sql for sql in asked)
    assert isinstance(remote, Remote)
    assert list((folder / "pull").iterdir()) == []


def test_an_apps_table_with_a_name_of_d1labs_is_pulled(tmp_path):
    """The app's rows are next to d1lab's empty table, and the name means the app's table."""
    db = SqliteDatabase.create(tmp_path / "d1.sqlite")
    db.execute("CREATE TABLE order_events (id INTEGER PRIMARY KEY, shop TEXT, payload TEXT)")
    db.execute("INSERT INTO order_events VALUES (1, 'harbor', 'x')")
    migrate(db)
    pull(db, tmp_path, database="x")
    pull(db, tmp_path, database="x")
    assert raw(tmp_path, "SELECT shop, payload FROM raw.app_order_events") == [("harbor", "x")]
    assert raw(tmp_path, "SELECT shop, payload FROM order_events") == [("harbor", "x")]
    assert raw(tmp_path, "SELECT count(*) FROM d1lab.order_lines") == [(0,)]
    assert db.query("SELECT * FROM order_events").rows == [(1, "harbor", "x")]
    db.close()
