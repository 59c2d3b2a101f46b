"""The requests of a pull over HTTP: few, whatever changed, and the same rows read."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from d1lab.d1 import open_database
from d1lab.d1.migrate import migrate
from d1lab.d1.rest import RestDatabase
from d1lab.d1.schema import read_tables, schema_statements
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.pull import pull
from d1lab.pull.ahead import Ahead, recall, remember
from d1lab.warehouse import open_warehouse, scratch
from tests.pull.conftest import add_customers, add_events, assert_same, expected
from tests.support.d1_api import D1Api, over_http
from tests.support.worker_database import READER, WRITER, WorkerDatabase

pytestmark = pytest.mark.usefixtures("few_views")

APP = """CREATE TABLE orders (id INTEGER PRIMARY KEY, total REAL NOT NULL, -- in euros
  customer INTEGER REFERENCES people (id));
CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT COLLATE NOCASE);
CREATE VIEW dear AS SELECT * FROM orders WHERE total > 100"""


@pytest.fixture
def shop(file: SqliteDatabase, folder: Path) -> SqliteDatabase:
    """An app's database that was pulled once."""
    for statement in APP.split(";"):
        file.execute(statement)
    file.execute("INSERT INTO people VALUES (1, 'a@x.example')")
    file.execute("INSERT INTO orders VALUES (1, 10, 1), (2, 200, 1)")
    add_customers(file, 40)
    add_events(file, 1, 90)
    requests(file, folder)
    return file


def requests(db: SqliteDatabase, folder: Path, **options) -> int:
    """Pull over HTTP; return the number of requests."""
    api = D1Api(db)
    with closing(over_http(api)) as http:
        pull(http, folder, database="x", **options)
    return api.requests


def assert_all(db: SqliteDatabase, folder: Path) -> None:
    for name in ("order_events", "customer_insights"):
        assert_same(db, folder, name)
    with open_warehouse(folder) as con:
        assert con.sql("SELECT id, total FROM raw.orders ORDER BY id").fetchall() == [
            *db.query("SELECT id, total FROM orders ORDER BY id").rows
        ]


def test_a_pull_without_changes_asks_for_the_bookmark(shop: SqliteDatabase, folder: Path):
    """Nothing else."""
    assert requests(shop, folder) == 1


def test_new_rows_take_three_requests(shop: SqliteDatabase, folder: Path):
    """The bookmark; the schema with all bounds; the new rows of all tables."""
    add_events(shop, 91, 7)
    assert requests(shop, folder) == 3
    assert_same(shop, folder)


CHANGES = {
    "corrected": "UPDATE order_events SET revenue = 77 WHERE seq IN (3, 9)",
    "deleted": "DELETE FROM order_events WHERE seq = 5",
    "the last one": "DELETE FROM order_events WHERE seq = 90",
    "all of these": (
        "UPDATE order_events SET revenue = 77 WHERE seq IN (3, 9);"
        "DELETE FROM order_events WHERE seq IN (5, 90);"
        "INSERT INTO orders VALUES (3, 30, 1); UPDATE people SET email = 'b@x.example'"
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_corrected_and_deleted_rows_take_three_requests_too(shop, folder: Path, change):
    """Which order lines were corrected is asked with the bounds, and the lines with new rows."""
    if change == "all of these":
        add_events(shop, 91, 7)
    for statement in CHANGES[change].split(";"):
        shop.execute(statement)
    assert requests(shop, folder, counters="always") == 3
    assert_all(shop, folder)
    assert requests(shop, folder, counters="always") == 1


def test_many_corrected_rows_are_read_from_the_log_or_with_the_table(shop, folder: Path):
    """More than are asked ahead of time: whatever that takes, the rows are the same."""
    add_events(shop, 91, 900)
    assert requests(shop, folder) == 3
    shop.execute("UPDATE order_events SET revenue = 77 WHERE seq <= 300")
    assert requests(shop, folder) <= 6
    shop.execute("UPDATE order_events SET revenue = 88 WHERE seq <= 400")
    assert requests(shop, folder) <= 6
    assert_all(shop, folder)


@pytest.mark.engine
@pytest.mark.parametrize("way", ["rest", pytest.param("gateway", marks=pytest.mark.long)])
def test_new_rows_take_two_requests_on_the_engine(engine, folder: Path, way):
    """The local engine has no bookmark; a batch of all PRAGMAs and bounds is one request there."""
    worker = WorkerDatabase(engine)
    url = worker.gateway if way == "gateway" else worker.url
    with closing(open_database(url, read_token=READER, write_token=WRITER)) as db:
        migrate(db)
        add_customers(db, 40)
        add_events(db, 1, 90)
        pull(db, folder, database="x")
        add_events(db, 91, 7)
        before = db.meter.total
        pull(db, folder, database="x")
        spent = db.meter.total - before
        assert spent.calls == 2
        assert spent.rows_read <= 7 + 43  # and the ends of all tables
        assert_same(db, folder)


def test_a_changed_schema_is_found(shop: SqliteDatabase, folder: Path):
    """The guess was wrong: the tables that differ are asked for as they are."""
    shop.execute("ALTER TABLE orders ADD COLUMN note TEXT")
    shop.execute("CREATE TABLE added (id INTEGER PRIMARY KEY)")
    shop.execute("INSERT INTO added VALUES (7)")
    shop.execute("DROP VIEW dear")
    shop.execute("ALTER TABLE people RENAME TO buyers")
    assert requests(shop, folder, counters="always", accept_dropped=True) <= 10
    assert_all(shop, folder)
    with open_warehouse(folder) as con:
        assert con.sql("FROM raw.added").fetchall() == [(7, 7)]
        assert "note" in con.sql("FROM orders").columns


def test_a_dropped_table_is_no_damaged_answer(shop: SqliteDatabase, folder: Path):
    """The PRAGMAs of a table that is gone return no row: they are asked without expecting one."""
    before = schema_statements(read_tables(shop))
    shop.execute("DROP TABLE orders")
    api = D1Api(shop)
    with closing(over_http(api)) as http:
        ahead = Ahead(http)
        ahead.foresee(before)
        assert "orders" not in ahead.tables()
    assert api.requests == 1


@pytest.mark.parametrize("counters", ["daily", "always"])
def test_foreseen_rows_are_billed_once_and_for_their_table(shop, folder: Path, counters):
    """As a pull that asks one by one, and one more: the end of the log of changes.

    With a limit on rows, nothing is foreseen.
    """
    add_events(shop, 91, 7)
    shop.execute("UPDATE order_events SET revenue = 77 WHERE seq IN (3, 9)")
    other = folder.with_name("other")
    other.mkdir()
    (other / "warehouse.duckdb").write_bytes((folder / "warehouse.duckdb").read_bytes())
    told = []
    for place, limit in ((folder, None), (other, 10**6)):
        with closing(over_http(D1Api(shop))) as http:
            result = pull(http, place, database="x", counters=counters, max_rows_read=limit)
            told.append((result.rows_read, result.by_table, http.meter.total.rows_read))
    rows_read, by_table, billed = told[1]
    lines = by_table["order_events"]
    by_table["order_events"] = lines._replace(rows_read=lines.rows_read + 1)
    assert told[0] == (rows_read + 1, by_table, billed + 1)
    assert_same(shop, other)


@pytest.mark.parametrize("refused", [1, 2])
def test_what_is_refused_together_is_asked_one_by_one(shop: SqliteDatabase, folder: Path, refused):
    """An error of the batch with the schema, or with the rows, does not end the pull."""
    add_events(shop, 91, 7)

    def refuse(number: int, _request, _answer) -> httpx2.Response | None:
        errors = [{"code": 7500, "message": "D1_ERROR: result too large"}]
        body = {"success": False, "errors": errors, "result": None}
        return httpx2.Response(400, json=body) if number == refused else None

    with closing(over_http(D1Api(shop, refuse))) as http:
        pull(http, folder, database="x")
    assert_same(shop, folder)


def test_the_schema_is_remembered_as_it_was(shop: SqliteDatabase):
    """Keys, references, and the names of rowids; an older warehouse remembers nothing."""
    shop.execute("CREATE TABLE w (a TEXT, b INTEGER, PRIMARY KEY (b, a)) WITHOUT ROWID")
    shop.execute("CREATE TABLE h (rowid TEXT NOT NULL UNIQUE, _rowid_ TEXT, oid TEXT)")
    tables = read_tables(shop)
    with closing(scratch()) as con:
        con.execute("CREATE SCHEMA d1lab")
        assert recall(con) == {}
        remember(con, tables.values())
        assert recall(con) == tables


def test_ahead_passes_on_what_it_does_not_know(shop: SqliteDatabase):
    """It stands for the database in whatever a pull does."""
    with closing(over_http(D1Api(shop))) as http:
        ahead = Ahead(http)
        assert isinstance(http, RestDatabase)
        assert ahead.query("SELECT 1").rows == [(1,)]
        assert (ahead.bookmark(), ahead.size_bytes()) == (http.bookmark(), http.size_bytes())
        assert ahead.others_mark() is None
        assert ahead.execute("DELETE FROM orders").changes == 2
        assert len(expected(shop, "order_events")) == 90
        ahead.close()
