"""Migrations: d1lab and wrangler agree on which ones were applied."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx2
import pytest

from d1lab.catalog import TABLES
from d1lab.d1 import open_database
from d1lab.d1.database import Statement
from d1lab.d1.migrate import migrate, pending
from d1lab.d1.schema import FOLDER, foreign
from d1lab.d1.sql_tokens import statements
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import D1Error, D1QueryError, InputError
from tests.support.d1_api import D1Api, over_http
from tests.support.schema import shape


@pytest.fixture
def db(tmp_path: Path):
    database = SqliteDatabase.create(tmp_path / "d1.sqlite")
    yield database
    database.close()


def test_migrate_creates_every_declared_column(db: SqliteDatabase):
    """After the migrations, every column of the catalog exists."""
    migrate(db)
    found = db.tables()
    for table in TABLES.values():
        assert {c.name for c in table.columns} <= {c.name for c in found[table.name].columns}


def test_migrate_twice_applies_nothing(db: SqliteDatabase):
    """A recorded migration is not applied again."""
    applied = migrate(db)
    assert applied == sorted(applied)
    assert len(applied) >= 6
    assert migrate(db) == []
    assert pending(db) == []


def test_two_migrations_at_once_both_succeed(tmp_path: Path):
    """Each step is applied by one of the processes, and the other one continues."""
    path = tmp_path / "d1.sqlite"
    SqliteDatabase.create(path).close()
    together, faults = threading.Barrier(4), []

    def run() -> None:
        db = SqliteDatabase(path)
        try:
            together.wait()
            migrate(db)
        except D1Error as error:
            faults.append(error)
        finally:
            db.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    db = SqliteDatabase(path)
    assert faults == []
    assert pending(db) == []
    assert len(db.query("SELECT name FROM d1_migrations").rows) == len(list(FOLDER.glob("*.sql")))
    db.close()


def test_a_migration_whose_response_was_lost_is_not_repeated(tmp_path: Path):
    """The migration took effect, and its record in the database is what counts."""
    db = SqliteDatabase.create(tmp_path / "d1.sqlite")
    lost = []

    def lose(number: int, request: httpx2.Request, found: dict) -> httpx2.Response | None:
        if b"INSERT INTO d1_migrations" not in request.content:
            return None
        lost.append(number)
        return httpx2.Response(502, text="<html>")

    assert migrate(over_http(D1Api(db, lose))) == sorted(p.name for p in FOLDER.glob("*.sql"))
    assert len(lost) == len(list(FOLDER.glob("*.sql")))
    assert pending(db) == []
    db.close()


APPS = """
CREATE TABLE discount_analytics (
  shop TEXT, discount_id TEXT, sku TEXT, times_used INTEGER, PRIMARY KEY (sku, shop, discount_id));
CREATE TABLE "Customer_Insights" (Shop TEXT, customer_id TEXT, rank INTEGER);
CREATE UNIQUE INDEX theirs ON Customer_Insights (customer_id, shop);
CREATE TABLE daily_discount_stats (date DATE, uses INTEGER);
CREATE TABLE inventory_impact (shop TEXT, sku TEXT, date DATE);
CREATE TABLE order_events (id INTEGER PRIMARY KEY, shop TEXT, event_id TEXT, payload JSON);
"""


def test_migrate_leaves_the_apps_tables_as_they_are(db: SqliteDatabase):
    """The app's tables get no column, trigger, or index, even if they have the name of a d1lab
    table.
    """
    db.batch([Statement(sql) for sql in statements(APPS)])
    names = list(db.tables())
    before = {name: shape(db, name) for name in names}
    assert len(migrate(db)) == len(list(FOLDER.glob("*.sql")))
    assert {name: shape(db, name) for name in names} == before
    assert db.query("SELECT name FROM sqlite_schema WHERE type = 'trigger'").rows == []
    assert set(foreign(db.tables())) == {"order_events"}
    assert set(TABLES) - {"customer_insights"} <= set(db.tables())


def test_migrate_adds_the_unique_index_only_without_a_key(db: SqliteDatabase):
    """The guide's upsert needs a unique key on (shop, discount_id, sku)."""
    db.execute(
        "CREATE TABLE discount_analytics (shop TEXT, discount_id TEXT, sku TEXT, times_used)"
    )
    migrate(db)
    _, indexes = shape(db, "discount_analytics")
    assert [row[0] for row in indexes] == ["d1lab_discount_analytics_key"] * 3
    upsert = (
        "INSERT INTO discount_analytics (shop, discount_id, sku) VALUES ('s', 'd', 'k')"
        " ON CONFLICT(shop, discount_id, sku) DO UPDATE SET times_used = times_used + 1"
    )
    db.execute(upsert)
    db.execute(upsert)
    assert db.query("SELECT count(*) FROM discount_analytics").rows == [(1,)]


def test_migrate_restores_the_triggers_of_a_d1lab_table(db: SqliteDatabase):
    """An order_events table with all of d1lab's columns needs its change log in any case."""
    script = (FOLDER / "0002_order_events.sql").read_text()
    db.execute(next(statements(script)))
    migrate(db)
    triggers = db.query("SELECT name FROM sqlite_schema WHERE type = 'trigger' ORDER BY 1").rows
    assert triggers == [("order_events_deleted",), ("order_events_updated",)]


def test_a_database_of_an_earlier_version_gets_its_columns(db: SqliteDatabase):
    """Those of CUPED and of clusters; rows stay, and the second time nothing is left to do."""
    migrate(db)
    new = {"ab_test_daily": ["covariate", "covariate_profit"], "d1lab_ab_test_inputs": ["unit"]}
    db.execute("INSERT INTO ab_test_daily (test_id, shop, day, variant, visitors, covariate)"
        " VALUES ('t', 's', '2026-01-01', 'a', 7, 1.5)")  # fmt: skip
    db.execute("INSERT INTO d1lab_ab_test_inputs (test_id, shop, unit) VALUES ('t', 's', 'day')")
    before = {name: shape(db, name) for name in new}
    for name, columns in new.items():
        for column in columns:
            db.execute(f"ALTER TABLE {name} DROP COLUMN {column}")
    missing = [f"{name}.{column}" for name, columns in new.items() for column in columns]
    assert pending(db) == missing
    assert migrate(db) == missing
    after = {name: shape(db, name) for name in new}
    for name in new:
        assert sorted(after[name][0]) == sorted(before[name][0])
        assert after[name][1] == before[name][1]
    rows = db.query("SELECT visitors, covariate, covariate_profit FROM ab_test_daily").rows
    assert rows == [(7, None, None)]
    assert db.query("SELECT test_id, unit FROM d1lab_ab_test_inputs").rows == [("t", None)]
    assert pending(db) == migrate(db) == []


def test_files_are_harmless_without_d1labs_checks(db: SqliteDatabase):
    """Applied twice by wrangler, the files only run CREATE IF NOT EXISTS and change no row."""
    files = [path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("[0-9]*.sql"))]
    found = [sql for text in files for sql in statements(text)]
    bare = ["\n".join(line for line in s.splitlines() if line[:2] != "--").strip() for s in found]
    assert {sql.split(" ")[0] for sql in bare} == {"CREATE"}
    assert [sql for sql in bare if " IF NOT EXISTS " not in sql] == []
    db.batch([Statement(sql) for sql in statements(files[0])])  # an app as the guide's
    db.execute("INSERT INTO discount_analytics (shop, discount_id, sku) VALUES ('s', 'd', 'k')")
    db.execute("INSERT INTO customer_insights (shop, customer_id) VALUES ('s', 'c')")
    guides = [name for name, table in TABLES.items() if table.is_guides]
    before = {name: (shape(db, name), db.query(f"SELECT * FROM {name}").rows) for name in guides}
    for _ in "ab":
        db.batch([Statement(sql) for sql in found])
    after = {name: (shape(db, name), db.query(f"SELECT * FROM {name}").rows) for name in guides}
    assert after == before


def test_migrate_is_atomic(db: SqliteDatabase, tmp_path: Path):
    """A migration that fails leaves nothing behind, and earlier ones stay applied."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_good.sql").write_text("CREATE TABLE good (a);")
    (folder / "0002_bad.sql").write_text("CREATE TABLE half (a);\nINSERT INTO nowhere VALUES (1);")
    with pytest.raises(D1QueryError, match=r"0002_bad\.sql failed: no such table: nowhere"):
        migrate(db, folder)
    assert set(db.tables()) == {"good"}
    assert pending(db, folder) == ["0002_bad.sql"]


def test_migrate_keeps_triggers_whole(db: SqliteDatabase, tmp_path: Path):
    """Semicolons inside a trigger do not end the statement."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_trigger.sql").write_text(
        "CREATE TABLE a (x); CREATE TABLE log (x);\n"
        "CREATE TRIGGER noted AFTER INSERT ON a BEGIN\n"
        "  INSERT INTO log VALUES (NEW.x); INSERT INTO log VALUES (';');\nEND;\n"
    )
    migrate(db, folder)
    db.execute("INSERT INTO a VALUES (7)")
    assert db.query("SELECT x FROM log").rows == [(7,), (";",)]


def test_pending_rejects_a_folder_without_migrations(db: SqliteDatabase, tmp_path: Path):
    """A wrong folder is an error and does not count as having nothing to apply."""
    with pytest.raises(InputError, match="has no migrations"):
        pending(db, tmp_path)


MIGRATIONS = {
    "0001_orders.sql": "CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT DEFAULT ';');\n",
    "0002_log.sql": (
        "-- each order is noted; semicolons inside a trigger do not end it\n"
        "CREATE TABLE log (id);\n"
        "CREATE TRIGGER noted AFTER INSERT ON orders BEGIN\n"
        "  INSERT INTO log VALUES (NEW.id);\n"
        "END;\n"
        "ALTER TABLE orders ADD COLUMN total DECIMAL(10,2);\n"
    ),
}


def _write(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in MIGRATIONS.items():
        (folder / name).write_text(text)
    return folder


def test_d1lab_knows_wranglers_migrations(engine):
    """d1lab does not apply again what `wrangler d1 migrations apply` has applied."""
    folder = _write(engine.folder / "migrations")
    db = open_database(engine.fresh())
    name = db.url.rpartition("/")[2]
    assert pending(db, folder) == sorted(MIGRATIONS)
    engine.wrangler("d1", "migrations", "apply", name, "--local")
    assert pending(db, folder) == migrate(db, folder) == []
    db.execute("INSERT INTO orders (id, total) VALUES (1, 2)")
    assert db.query("SELECT id FROM log").rows == [(1,)]
    db.close()


def test_wrangler_knows_d1labs_migrations(engine):
    """`wrangler d1 migrations list` does not list what d1lab has applied."""
    folder = _write(engine.folder / "migrations")
    db = open_database(engine.fresh())
    name = db.url.rpartition("/")[2]
    assert migrate(db, folder) == sorted(MIGRATIONS)
    after = engine.wrangler("d1", "migrations", "list", name, "--local")
    assert "No migrations to apply" in after
    db.close()


def test_the_projects_migrations_run_on_the_engine(engine):
    """Every migration that d1lab ships is SQL that D1 accepts."""
    db = open_database(engine.fresh())
    assert migrate(db) == sorted(path.name for path in FOLDER.glob("*.sql"))
    assert set(TABLES) <= set(db.tables())
    db.close()
