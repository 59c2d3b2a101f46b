"""Write-back to the app's own tables: only named columns, with audit and rollback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from d1lab import catalog, outbox
from d1lab.config_sections import PushTable
from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import InputError, PushError, UnknownName
from d1lab.lab import Lab
from d1lab.pull import pull
from d1lab.push import plan, push, rollback
from d1lab.warehouse import open_warehouse

STORES = "SELECT id, name, score, rated_at, share FROM stores ORDER BY id"
NAMED = {
    "stores": PushTable(key=["id"], columns=["score", "share"]),
    "results": PushTable(key=["store", "day"], columns=["total"]),
}


@pytest.fixture
def db(tmp_path: Path) -> Iterator[SqliteDatabase]:
    """An app without shops: a table of its own, a table for results, and d1lab's records."""
    database = SqliteDatabase.create(tmp_path / "d1.sqlite")
    database.execute(
        "CREATE TABLE stores (id INTEGER PRIMARY KEY, name TEXT NOT NULL, score INTEGER, "
        "rated_at DATETIME, share DECIMAL(5,2))"
    )
    database.execute("INSERT INTO stores (id, name, score) VALUES (1, 'North', 7), (2, 'South', 0)")
    database.execute("CREATE TABLE results (store TEXT, day DATE, total REAL, UNIQUE (store, day))")
    migrate(database)
    yield database
    database.close()


@pytest.fixture
def lab(db: SqliteDatabase, tmp_path: Path) -> Iterator[Lab]:
    """A lab in a run, on the app's warehouse."""
    folder = tmp_path / "data"
    pull(db, folder, database="app")
    with open_warehouse(folder) as con:
        run_dir = folder / "runs" / "r1"
        yield Lab(con, database="app", folder=folder, run_dir=run_dir, push_tables=NAMED)


def test_named_columns_are_written_and_rolled_back(db: SqliteDatabase, lab: Lab) -> None:
    """Values are rounded to the app's declared type, and missing rows are not inserted."""
    before = db.query(STORES).rows
    frame = pd.DataFrame({"id": [1, 2, 3], "score": [8, 9, 1], "share": [0.6003, None, 1.0]})
    lab.stage(frame, table="stores")
    [wanted] = plan(db, lab.run_dir, named=NAMED).tables
    assert (wanted.changed, wanted.created, wanted.missing) == (2, 0, 1)
    assert db.query(STORES).rows == before
    [done] = push(db, lab.run_dir, report="scores", named=NAMED).tables
    assert (done.status, done.changed, done.missing_keys) == ("pushed", 2, ((3,),))
    assert db.query(STORES).rows == [(1, "North", 8, None, 0.6), (2, "South", 9, None, None)]
    audited = db.query("SELECT table_name, action, status, columns_written FROM d1lab_pushes").rows
    assert audited == [("stores", "push", "done", "score, share")]
    db.execute("UPDATE stores SET score = 5 WHERE id = 2")  # the app's, meanwhile
    [undone] = rollback(db, lab.run_dir).tables
    assert (undone.restored, undone.left) == (1, 1)
    assert db.query(STORES).rows == [before[0], (2, "South", 5, None, None)]


def test_a_table_for_results_gets_rows(db: SqliteDatabase, lab: Lab) -> None:
    """It has only named columns, so rows are inserted, and a rollback deletes them."""
    frame = pd.DataFrame({"store": ["1"], "day": pd.to_datetime(["2026-05-01"]), "total": [2.5]})
    lab.stage(frame, table="results")
    [done] = push(db, lab.run_dir, named=NAMED).tables
    assert done.created == 1
    assert db.query("SELECT * FROM results").rows == [("1", "2026-05-01", 2.5)]
    rollback(db, lab.run_dir)
    assert db.query("SELECT * FROM results").rows == []


def test_no_other_column_is_staged(lab: Lab) -> None:
    """Neither a column of the app nor an unknown one can be staged."""
    with pytest.raises(UnknownName, match="no column 'name'"):
        lab.stage(pd.DataFrame({"id": [1], "name": ["x"]}), table="stores")
    with pytest.raises(InputError, match="key columns missing"):
        lab.stage(pd.DataFrame({"score": [1]}), table="stores")
    with pytest.raises(UnknownName, match=r"no table 'store'.*mean 'stores'"):
        lab.stage(pd.DataFrame({"id": [1], "score": [1]}), table="store")


def test_no_other_column_is_pushed(db: SqliteDatabase, lab: Lab) -> None:
    """The settings are checked again at the push, whatever the outbox contains."""
    columns = (catalog.Column("id", "integer"), catalog.Column("name", "text", "analysis"))
    declared = catalog.Table("stores", ("id",), columns)
    outbox.stage(pd.DataFrame({"id": [1], "name": ["x"]}), declared, lab.run_dir)
    with pytest.raises(PushError, match="columns that d1lab does not own: name"):
        push(db, lab.run_dir, named=NAMED)
    with pytest.raises(UnknownName, match="stores"):
        push(db, lab.run_dir)
    assert db.query("SELECT name FROM stores").rows == [("North",), ("South",)]


def test_a_key_without_an_index_is_rejected(db: SqliteDatabase, lab: Lab) -> None:
    """Such a key does not identify one row, and the message says what to check."""
    named = {"stores": PushTable(key=["name"], columns=["score"])}
    columns = (catalog.Column("name", "text"), catalog.Column("score", "integer", "analysis"))
    declared = catalog.Table("stores", ("name",), columns)
    outbox.stage(pd.DataFrame({"name": ["North"], "score": [1]}), declared, lab.run_dir)
    with pytest.raises(PushError, match=r"UNIQUE index on the key of stores.*\[push\.tables\]"):
        push(db, lab.run_dir, named=named)


def test_tables_of_the_catalog_cannot_be_named(lab: Lab) -> None:
    """The catalog decides what is written to the guide's tables and to d1lab's own."""
    lab._push_tables = {"inventory_impact": PushTable(key=["sku"], columns=["starting_inventory"])}
    with pytest.raises(InputError, match="Remove the setting"):
        lab.stage(pd.DataFrame(), table="inventory_impact")


def test_a_column_is_key_or_result() -> None:
    """A column cannot be both."""
    with pytest.raises(ValueError, match="id: a column is either in the key or written"):
        PushTable(key=["id"], columns=["id", "score"])
