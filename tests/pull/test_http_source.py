"""Where D1's statistics are wrong, a pull costs what it costs elsewhere."""

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

FEW = 60  # rows that tell where tables end, what D1 believes of them, and their indexes


def mislead(db: Database) -> None:
    """Let D1 believe that order_events has one row: ANALYZE, as PRAGMA optimize runs it."""
    add_events(db, 0, 1)
    db.execute("ANALYZE order_events")


def steps(file: SqliteDatabase, work) -> int:
    """The steps of SQLite's programs while some work is done: a scan takes two a row."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 100
        return 0

    file._connection.set_progress_handler(step, 100)
    work()
    file._connection.set_progress_handler(None, 0)
    return count


def test_no_new_row_or_correction_scans_the_table(file, remote, folder):
    """The work for ten new rows and three corrected ones does not grow with the table."""
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
    """In the order of a unique index: rows that come meanwhile, beyond the bounds, stay out."""
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


def test_a_dead_pull_by_key_goes_on(remote, folder):
    """What was kept is not read again."""
    mislead(remote)
    add_events(remote, 1, 4_000)
    with pytest.raises(BudgetError):
        pull(remote, folder, database="x", max_rows_read=2_500)
    before = remote.meter.by_table["order_events"].rows_read
    pull(remote, folder, database="x")
    assert_same(remote, folder)
    assert before + 4_001 >= remote.meter.by_table["order_events"].rows_read


def test_a_batch_that_reads_far_more_than_its_rows_is_the_last(remote, monkeypatch):
    """It is given, and then the reader stops and says why, and what cures it."""
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
    """First pull, ten new rows and three corrections of 5,000 rows; a budget; and the cure."""
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
