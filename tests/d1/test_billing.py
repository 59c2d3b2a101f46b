"""The embedded database bills the same statements as the real engine does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from d1lab.d1 import Database, Usage, open_database
from d1lab.d1.limits import PLANS, cost, share_of_included
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.d1.write import fetch, insert_new, upsert

ROWS = 2_000
SETUP = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b TEXT, c REAL)",
    "CREATE INDEX t_a ON t (a)",
    "CREATE TABLE u (k TEXT PRIMARY KEY, v, w)",
    "CREATE TABLE x (k TEXT, n INTEGER, v, PRIMARY KEY (k, n)) WITHOUT ROWID",
    "CREATE TABLE z (id INTEGER PRIMARY KEY AUTOINCREMENT, k INTEGER, v)",
    "CREATE UNIQUE INDEX z_k ON z (k)",
    "CREATE TABLE log (id)",
    "CREATE TRIGGER z_updated AFTER UPDATE ON z BEGIN INSERT INTO log VALUES (NEW.id); END",
)


def fill(db: Database) -> None:
    for sql in SETUP:
        db.execute(sql)
    rows = [(i, i // 100, f"b{i}", i / 2) for i in range(1, ROWS + 1)]
    insert_new(db, "t", ["id"], ["id", "a", "b", "c"], rows)
    insert_new(db, "u", ["k"], ["k", "v", "w"], [(f"{i}", i, i) for i in range(500)])
    insert_new(db, "x", ["k", "n"], ["k", "n", "v"], [(f"{i // 10}", i, i) for i in range(500)])
    insert_new(db, "z", ["k"], ["k", "v"], [(i, i) for i in range(500)])


def _filled(url: str, folder: Path) -> Iterator[tuple[Database, Database]]:
    """Create the same tables in the embedded database and in the real engine."""
    embedded = SqliteDatabase.create(folder / "d1.sqlite")
    real = open_database(url)
    fill(embedded)
    fill(real)
    yield embedded, real
    embedded.close()
    real.close()


@pytest.fixture(scope="module")
def both(engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, Database]]:
    """Both databases, for tests that only read."""
    yield from _filled(engine.fresh(), tmp_path_factory.mktemp("bill"))


@pytest.fixture
def own(engine, tmp_path: Path) -> Iterator[tuple[Database, Database]]:
    """Both databases, for a test that writes; each starts with the same rows."""
    yield from _filled(engine.fresh(), tmp_path)


def spent(db: Database, work: Callable[[Database], object]) -> Usage:
    before = db.meter.total
    work(db)
    return db.meter.total - before


def packed(where: str, order: str, columns: str) -> str:
    arrays = ", ".join(f"json_group_array({column})" for column in columns.split())
    return f"SELECT {arrays} FROM (SELECT * FROM {where} ORDER BY {order} LIMIT ?1)"


@pytest.mark.parametrize(
    ("sql", "params"),
    [
        (packed("t WHERE id > 100", "id", "id b"), (500,)),
        (packed("t WHERE id > 1900 AND id <= 5000", "id", "id b"), (500,)),
        (packed("x", "k, n", "k n v"), (100,)),
        (packed("x WHERE k > '~'", "k, n", "k n v"), (100,)),
        (packed("t WHERE id > 9999", "id", "id b"), (500,)),
        (packed("u WHERE rowid > 100", "rowid", "k v"), (100,)),
        ("SELECT * FROM t WHERE id > 500 ORDER BY id LIMIT 100", ()),
        ("SELECT * FROM t WHERE id > 9999 ORDER BY id LIMIT 100", ()),
        ("SELECT * FROM t", ()),
        ("SELECT * FROM t LIMIT 10", ()),
        ("SELECT * FROM t LIMIT 10 OFFSET 1990", ()),
        ("SELECT count(*) FROM t", ()),
        ("SELECT * FROM t WHERE b = 'b7'", ()),
        ("SELECT * FROM t WHERE a = 3", ()),
        ("SELECT * FROM t WHERE id = 7", ()),
        ("SELECT * FROM t WHERE id = 777777", ()),
        ("SELECT * FROM t WHERE id IN (1, 2, 3)", ()),
        ("SELECT * FROM t WHERE id IN (SELECT value FROM json_each(?1))", ("[1, 2, 3, 9999]",)),
        ("SELECT * FROM u WHERE k = '7'", ()),
        ("SELECT * FROM t ORDER BY c LIMIT 10", ()),
        ("SELECT * FROM t ORDER BY a DESC LIMIT 5", ()),
        ("SELECT a, count(*) FROM t GROUP BY a", ()),
        ("SELECT c, count(*) FROM t GROUP BY c", ()),
        ("SELECT DISTINCT c FROM t", ()),
        ("SELECT max(id) FROM t", ()),
        ("SELECT min(id), max(id) FROM t", ()),
        ("SELECT (SELECT min(id) FROM t), (SELECT max(id) FROM t)", ()),
        ("SELECT u.*, t.id FROM u JOIN t ON t.id = u.v WHERE u.k = '7'", ()),
        ("PRAGMA table_info(t)", ()),
    ],
)
def test_rows_read_are_the_engines(both, sql: str, params: tuple):
    """The embedded database counts the rows that D1 bills for pages, scans, keys, and sorts."""
    embedded, real = (spent(db, lambda db: db.query(sql, params)) for db in both)
    assert embedded == real


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO u VALUES ('new', 1, 2)",
        "INSERT INTO u VALUES ('new', 1, 2) ON CONFLICT (k) DO UPDATE SET v = 5",
        "INSERT OR IGNORE INTO u VALUES ('new', 1, 2)",
        "INSERT INTO u VALUES ('7', 1, 2) ON CONFLICT (k) DO UPDATE SET v = 5",
        "INSERT OR REPLACE INTO u VALUES ('7', 1, 2)",
        "INSERT OR IGNORE INTO u VALUES ('7', 1, 2)",
        "INSERT INTO x VALUES ('new', 1, 2)",
        "INSERT INTO t (id, a) VALUES (90001, 1), (90002, 2)",
        "INSERT INTO t (a, b) SELECT a, b FROM t WHERE id <= 10",
        "UPDATE t SET c = 1 WHERE id = 5",
        "UPDATE t SET a = 1 WHERE id = 5",
        "UPDATE t SET c = c WHERE id = 5",
        "UPDATE t SET c = 2 WHERE a = 7",
        "UPDATE t SET a = a + 1 WHERE id <= 10",
        "UPDATE t SET c = 3",
        "UPDATE z SET v = -1 WHERE k = 7",
        "DELETE FROM t WHERE id = 6",
        "DELETE FROM t WHERE a = 9",
        "DELETE FROM x",
    ],
)
def test_rows_written_are_the_engines(own, sql: str):
    """A row is billed once, plus once per index entry, even if an update changes nothing."""
    embedded, real = (spent(db, lambda db: db.execute(sql)) for db in own)
    assert embedded == real


SAME = [(f"{i}", i, i) for i in range(200)]
HALF = [(f"{i}", i, i) for i in range(400, 600)]
MOVED = [(k, -v, w) for k, v, w in SAME]


@pytest.mark.parametrize(
    "work",
    [
        lambda db: upsert(db, "u", ["k"], ["k", "v", "w"], SAME),
        lambda db: upsert(db, "u", ["k"], ["k", "v", "w"], MOVED),
        lambda db: upsert(db, "u", ["k"], ["k", "v", "w"], HALF),
        lambda db: insert_new(db, "u", ["k"], ["k", "v", "w"], HALF),
        lambda db: fetch(db, "u", ["k"], ["v", "w"], [(f"{i}",) for i in range(0, 5_000, 5)]),
        lambda db: fetch(db, "x", ["k", "n"], ["v"], [("1", i) for i in range(50)]),
        lambda db: fetch(db, "z", ["k"], ["v", "id"], [(i,) for i in range(450, 550)]),
        lambda db: upsert(db, "x", ["k", "n"], ["k", "n", "v"], [("1", i, -i) for i in range(50)]),
        lambda db: upsert(db, "t", ["id"], ["id", "b"], [(i, "new") for i in range(1980, 2020)]),
        lambda db: fetch(db, "t", ["id"], ["a"], [(i,) for i in range(1990, 2100)]),
        lambda db: upsert(db, "z", ["k"], ["k", "v"], [(i, "new") for i in range(490, 510)]),
        lambda db: insert_new(db, "z", ["k"], ["k", "v"], [(i, "x") for i in range(505, 515)]),
    ],
)
def test_write_is_billed_as_by_the_engine(own, work):
    """Upserts, updates, and reads by key cost the same for new, changed, and unchanged rows."""
    embedded, real = (spent(db, work) for db in own)
    assert embedded == real


def test_read_over_a_part_is_never_too_low(both):
    """The estimate is an upper bound for an aggregate over a range, which cannot be counted
    exactly.
    """
    embedded, real = (
        spent(db, lambda db: db.query("SELECT sum(c) FROM t WHERE a = 3")) for db in both
    )
    assert real.rows_read <= embedded.rows_read <= ROWS + 100


def test_ranges_are_one_row_off_at_most(both):
    """D1 reads one row more for a page that ends before its limit."""
    sql = packed("t WHERE id > 100 AND id <= 150", "id", "id b")
    embedded, real = (spent(db, lambda db: db.query(sql, (500,))) for db in both)
    assert real.rows_read - embedded.rows_read in (0, 1)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT OR REPLACE INTO u VALUES ('new', 1, 2)",
        "REPLACE INTO u VALUES ('new', 1, 2), ('8', 1, 2)",
        "REPLACE INTO t (id, a) VALUES (7, 1)",
        "REPLACE INTO t (id, a) VALUES (70000, 1)",
        "REPLACE INTO z (k, v) VALUES (88888, 2)",
        "REPLACE INTO z (k, v) VALUES (100, 2)",
    ],
)
def test_replacing_is_billed_as_by_the_engine(own, sql: str):
    """INSERT OR REPLACE reads the row that it replaces, by the key, and nothing for a new key."""
    embedded, real = (spent(db, lambda db: db.execute(sql)) for db in own)
    assert embedded == real


def test_an_index_is_billed_by_the_rows_it_takes(own):
    """CREATE INDEX writes one row per row plus one, and reads about twice the table."""
    embedded, real = (spent(db, lambda db: db.execute("CREATE INDEX t_b ON t (b)")) for db in own)
    assert embedded.rows_written == real.rows_written
    assert embedded.rows_read == pytest.approx(real.rows_read, rel=0.05)


def test_cost_is_cloudflares_price():
    """Beyond the included quota, a million rows cost $0.001 to read and $1 to write."""
    usage = Usage(calls=3, rows_read=25_000_000, rows_written=2_000_000)
    assert cost(usage) == pytest.approx(2.025)
    assert cost(usage, "free") == 0
    assert share_of_included(usage, "free") == 20
    assert share_of_included(usage, "paid") == pytest.approx(0.04)
    assert (PLANS["free"].period, PLANS["paid"].period) == ("day", "month")


def test_a_json_text_that_is_no_list_costs_nothing(tmp_path):
    """The elements of a JSON parameter are billed only if the statement iterates over them."""
    db = SqliteDatabase.create(tmp_path / "d1.sqlite")
    text = json.dumps(list(range(50)))
    assert db.query("SELECT ?1", (text,)).usage == (1, 0, 0)
    assert db.query("SELECT value FROM json_each(?1)", (text,)).usage == (1, 50, 0)
    db.close()
