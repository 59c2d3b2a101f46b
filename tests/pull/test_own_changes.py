"""After a pull, the warehouse has d1lab's own writes without reading them."""

from __future__ import annotations

import shutil
from contextlib import closing
from datetime import timedelta

import pytest

from d1lab.d1.sqlite import SqliteDatabase
from d1lab.pull import pull
from d1lab.warehouse import FILE_NAME, noted, open_warehouse, own_writes, utc_now
from tests.pull.conftest import add_customers, add_events, assert_same

pytestmark = pytest.mark.usefixtures("few_views")

FEW = 40  # rows that tell where the tables end


@pytest.fixture
def days_later(monkeypatch: pytest.MonkeyPatch):
    """Let pulls happen some days from now."""

    def later(days: int) -> None:
        monkeypatch.setattr("d1lab.pull.session.utc_now", lambda: utc_now() + timedelta(days))

    return later


@pytest.fixture(params=[pytest.param("file", marks=pytest.mark.long), "remote"])
def pulled(request, folder):
    """A database of 300 customers that was pulled, as a file and as one that looks remote."""
    db = request.getfixturevalue(request.param)
    add_customers(db, 300)
    add_events(db, 0, 50)
    pull(db, folder, database="x")
    return db


def label(db, folder, segment: str = "vip", meanwhile=lambda: None) -> None:
    """Write a segment to every customer and a recommendation, as a push does."""
    with noted(db, folder, ["customer_insights", "discount_recommendations"]) as note:
        db.execute("UPDATE customer_insights SET customer_segment = ?1", (segment,))
        meanwhile()
        db.execute(
            "INSERT INTO discount_recommendations (shop, sku, made_on, decision) "
            "VALUES ('s', 'k', '2026-01-01', ?1) "
            "ON CONFLICT (shop, sku, made_on) DO UPDATE SET decision = excluded.decision",
            (segment,),
        )
        labels = [("s", f"c{number}", segment) for number in range(1, 301)]
        key = ("shop", "customer_id")
        note.add("customer_insights", key, ["customer_segment"], labels, creates=False)
        advice = [("s", "k", "2026-01-01", segment)]
        key = ("shop", "sku", "made_on")
        note.add("discount_recommendations", key, ["decision"], advice, creates=True)


def assert_labels(db, folder) -> None:
    assert_same(db, folder, "customer_insights")
    assert_same(db, folder, "discount_recommendations")


def test_own_results_are_not_read_again(pulled, folder):
    """There are two writes, and the second replaces the rows of the first."""
    label(pulled, folder, "new")
    label(pulled, folder, "vip")
    result = pull(pulled, folder, database="x")
    assert result.rows_read <= FEW
    assert_labels(pulled, folder)
    assert own_writes(folder, pulled.url) == []
    assert pull(pulled, folder, database="x").skipped


def test_a_customer_that_a_push_adds_changes_no_digest_until_the_app_counts(pulled, folder):
    """The digest makes reports due: the segment of a new customer does not run its report again."""

    def digests() -> set[tuple[str, str]]:
        sql = "SELECT shop, digest FROM d1lab.shop_digests WHERE table_name = 'customer_insights'"
        with open_warehouse(folder) as con:
            return set(con.sql(sql).fetchall())

    def counted(sql: str) -> set[tuple[str, str]]:
        pulled.execute(sql)
        pull(pulled, folder, database="x", counters="always")
        return digests()

    before = digests()
    with noted(pulled, folder, ["customer_insights"]) as note:
        for customer in ("c9", "new"):
            pulled.execute(
                "INSERT INTO customer_insights (shop, customer_id, customer_segment) "
                "VALUES ('s', ?1, 'vip') ON CONFLICT (shop, customer_id) DO UPDATE SET "
                "customer_segment = excluded.customer_segment",
                (customer,),
            )
        rows = [("s", "c9", "vip"), ("s", "new", "vip")]
        note.add("customer_insights", ("shop", "customer_id"), ["customer_segment"], rows,
                 creates=True)  # fmt: skip
    pull(pulled, folder, database="x")
    assert_same(pulled, folder, "customer_insights")
    assert digests() == before
    app = "INSERT INTO customer_insights (shop, customer_id) VALUES ('s', 'registered')"
    assert (registered := counted(app)) != before
    set_saved = "UPDATE customer_insights SET total_savings = {} WHERE customer_id = 'new'"
    assert counted(set_saved.format(8)) != registered
    assert counted(set_saved.format("NULL")) == registered
    assert counted("DELETE FROM customer_insights WHERE customer_id = 'new'") == registered
    with open_warehouse(folder) as con:
        assert con.sql("FROM d1lab.own_rows").fetchall() == []  # nothing is left of it


def test_a_file_proves_that_no_other_process_wrote(file, folder, days_later):
    """Nothing is read on later days either; without that proof, everything is read once."""
    add_customers(file, 30)
    pull(file, folder, database="x")
    with noted(file, folder, ["customer_insights"]) as note:
        file.execute("UPDATE customer_insights SET customer_segment = 'vip'")
        rows = [("s", f"c{number}", "vip") for number in range(1, 31)]
        key = ("shop", "customer_id")
        note.add("customer_insights", key, ["customer_segment"], rows, creates=False)
    assert pull(file, folder, database="x").rows_read == 0
    days_later(1)
    assert pull(file, folder, database="x").skipped
    assert_same(file, folder, "customer_insights")


def test_writes_of_the_app_are_detected_on_the_next_day(file, folder, days_later):
    """Between the bookmarks of d1lab's own write, writes of the app cannot be distinguished."""
    add_customers(file, 300)
    pull(file, folder, database="x")

    def app_writes() -> None:
        with closing(SqliteDatabase(file.path)) as app:
            app.execute("UPDATE customer_insights SET total_savings = 8 WHERE customer_id = 'c9'")

    label(file, folder, meanwhile=app_writes)
    assert pull(file, folder, database="x").rows_read <= FEW
    days_later(1)
    pull(file, folder, database="x")
    assert_labels(file, folder)


def test_an_interrupted_write_is_read_again(pulled, folder):
    """The tables are recorded before the first row is written."""
    with pytest.raises(ZeroDivisionError):
        label(pulled, folder, meanwhile=lambda: 1 / 0)
    result = pull(pulled, folder, database="x")
    assert result.by_table["customer_insights"].rows_pulled == 300
    assert_labels(pulled, folder)
    assert pull(pulled, folder, database="x").skipped


@pytest.mark.parametrize(
    "text",
    ["", *(pytest.param(text, marks=pytest.mark.long) for text in ("{}", '{"url": "x", "tab'))],
)
def test_a_broken_note_stops_no_pull(pulled, folder, text):
    """The tables are read again, and the note is deleted."""
    label(pulled, folder)
    (note,) = own_writes(folder, pulled.url)
    note.path.write_text(text)
    result = pull(pulled, folder, database="x")
    assert result.by_table["customer_insights"].rows_pulled == 300
    assert_labels(pulled, folder)
    assert own_writes(folder, pulled.url) == []
    assert pull(pulled, folder, database="x").skipped


def test_unknown_rows_are_read_again(pulled, folder):
    """A rollback records only its tables, and pulls of other tables do not lose that record."""
    with noted(pulled, folder, ["customer_insights"]):
        pulled.execute("UPDATE customer_insights SET customer_segment = 'regular'")
    pull(pulled, folder, database="x", tables=["order_events"])
    pull(pulled, folder, database="x")
    assert_same(pulled, folder, "customer_insights")


def test_new_rows_that_are_partly_known_are_read(pulled, folder):
    """The app's columns of a row that d1lab inserted have defaults that only D1 knows."""
    with noted(pulled, folder, ["customer_insights"]) as note:
        pulled.execute(
            "INSERT INTO customer_insights (shop, customer_id, lifetime_value) "
            "VALUES ('s', 'new', 7)"
        )
        rows = [("s", "new", 7.0)]
        note.add(
            "customer_insights", ("shop", "customer_id"), ["lifetime_value"], rows, creates=True
        )
    result = pull(pulled, folder, database="x")
    assert result.by_table["customer_insights"].rows_pulled == 1
    assert result.rows_read <= FEW
    assert_same(pulled, folder, "customer_insights")


def test_a_table_that_was_read_since_keeps_what_was_read(pulled, folder):
    """The table was read after d1lab's write, so the rows read are newer than the note."""
    label(pulled, folder)
    notes = own_writes(folder, pulled.url)
    kept = [(write.path, write.path.read_bytes()) for write in notes]
    pulled.execute("UPDATE customer_insights SET customer_segment = 'regular'")
    pull(pulled, folder, database="x", full=True)
    for path, text in kept:  # as if the pull had died before it removed them
        path.write_bytes(text)
    add_events(pulled, 50, 1)
    pull(pulled, folder, database="x")
    assert_labels(pulled, folder)


def test_nothing_is_recorded_without_a_warehouse(file, folder, tmp_path):
    """There is no note without a warehouse, or without a written row."""
    with noted(file, tmp_path / "none", ["customer_insights"]):
        add_customers(file, 1)
    assert not (tmp_path / "none").exists()
    pull(file, folder, database="x")
    shutil.copyfile(folder / FILE_NAME, tmp_path / FILE_NAME)
    with noted(file, tmp_path, ["customer_insights"]):
        file.query("SELECT 1")
    assert own_writes(tmp_path, file.url) == []
