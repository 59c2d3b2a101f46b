"""A pull costs the same if D1's statistics are outdated."""

from __future__ import annotations

from contextlib import closing

import pytest

from d1lab.d1 import Database, open_database
from d1lab.d1.keyset import BatchReader
from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import BudgetError, ScanError
from d1lab.ops.optimize import optimize
from d1lab.pull import pull
from tests.pull.conftest import add_events, assert_same

pytestmark = pytest.mark.usefixtures("few_views")

FEW = 60  # rows that tell where tables end, what D1 believes of them, and their indexes


def mislead(db: Database) -> None:
    """Run ANALYZE, as PRAGMA optimize does, while order_events has one row."""
    add_events(db, 0, 1)
    db.execute("ANALYZE order_events")


def steps(file: SqliteDatabase, work) -> int:
    """Count the steps of SQLite's programs during some work; a scan takes two per row."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 100
        return 0

    file._connection.set_progress_handler(step, 100)
    work()
    file._connection.set_progress_handler(None, 0)
    return count


@pytest.mark.long
def test_no_new_row_or_correction_scans_the_table(file, remote, folder):
    """Ten new rows and three corrections take the same work for a table of any size."""
    mislead(remote)
    add_events(remote, 1, 200)
    pull(remote, folder, database="x")
    taken = []
    for first, more in ((201, 10), (211, 20_000), (20_211, 10)):
        add_events(remote, first, more)
        remote.execute("UPDATE order_events SET quantity = 7 WHERE seq IN (3, 50, 100)")
        taken.append(steps(file, lambda: pull(remote, folder, database="x")))
        assert_same(remote, folder)
    assert taken[2] <= taken[0] + 2_000


def test_a_first_pull_reads_the_table_by_its_key(remote, folder):
    """The table is read in the order of a unique index, without rows added during the pull."""
    mislead(remote)
    add_events(remote, 1, 3_000)
    asked = []

    def insert_once(sql: str, table: str) -> None:
        if "INDEXED BY" in sql and not asked:
            asked.append(sql)
            add_events(remote, 5_000, 3)

    remote.before_query = insert_once
    result = pull(remote, folder, database="x")
    assert asked
    assert 3_001 <= result.rows_read <= 3_001 + 3 + FEW
    remote.before_query = lambda sql, table: None
    assert pull(remote, folder, database="x").rows_pulled == 3
    assert_same(remote, folder)


def test_a_killed_pull_by_key_resumes(remote, folder):
    """Stored rows are not read again."""
    mislead(remote)
    add_events(remote, 1, 4_000)
    with pytest.raises(BudgetError):
        pull(remote, folder, database="x", max_rows_read=2_500)
    before = remote.meter.by_table["order_events"].rows_read
    pull(remote, folder, database="x")
    assert_same(remote, folder)
    assert before + 4_001 >= remote.meter.by_table["order_events"].rows_read


def test_a_batch_that_reads_far_more_than_its_rows_is_the_last(remote, monkeypatch):
    """It is returned, and then the reader raises an error with the reason and the solution."""
    add_events(remote, 0, 3_000)
    table = remote.tables()["order_events"]
    reader = BatchReader(remote, table, ("seq",))
    real = remote.query

    def costly(sql, params=(), *, table=""):
        result = real(sql, params, table=table)
        return result._replace(usage=result.usage._replace(rows_read=50_011))

    monkeypatch.setattr(remote, "query", costly)
    batches = reader.by_rowid(0, 3_000)
    assert next(batches).rows == 1_000
    with pytest.raises(ScanError, match=r"read 50,011.*d1lab optimize"):
        next(batches)


@pytest.mark.engine
def test_the_engine_bills_what_the_docs_promise(engine, folder):
    """The bill is checked for a first pull of 5,000 rows, new rows, corrections, and a budget."""
    with closing(open_database(engine.fresh())) as db:
        migrate(db)
        mislead(db)
        add_events(db, 1, 5_000)
        assert 5_001 <= pull(db, folder, database="x").rows_read <= 5_001 + FEW
        add_events(db, 5_001, 10)
        assert pull(db, folder, database="x").rows_read <= 10 + FEW
        db.execute("UPDATE order_events SET quantity = 7 WHERE seq IN (3, 50, 4000)")
        assert pull(db, folder, database="x").rows_read <= 3 * 3 + FEW
        assert_same(db, folder)
        before = db.meter.total.rows_read
        with pytest.raises(BudgetError):
            pull(db, folder, database="x", full=True, max_rows_read=2_000)
        assert db.meter.total.rows_read - before <= 2_000
        [misled] = optimize(db)
        assert (misled.table, misled.believed_rows) == ("order_events", 1)
        assert optimize(db) == []
