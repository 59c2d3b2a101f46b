"""Statistics that mislead D1 are found and corrected."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from d1lab.d1.sqlite import SqliteDatabase
from d1lab.ops.optimize import Misled, optimize


@pytest.fixture
def db(tmp_path: Path) -> Iterator[SqliteDatabase]:
    """Two tables that were analyzed with one row each; one of them has grown since then."""
    opened = SqliteDatabase.create(tmp_path / "d1.sqlite")
    for name in ("grown", "tiny"):
        opened.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, a TEXT)")
        opened.execute(f"CREATE INDEX {name}_a ON {name} (a)")
        opened.execute(f"INSERT INTO {name} (a) VALUES ('x')")
        opened.execute(f"ANALYZE {name}")
    opened.execute(
        "INSERT INTO grown (a) SELECT value FROM json_each(?1)", (str(list(range(999))),)
    )
    yield opened
    opened.close()


def test_the_table_that_has_grown_is_analyzed_again(db):
    """Afterwards its size is correct and nothing is left to do; the small table is not touched."""
    assert optimize(db, dry_run=True) == [Misled("grown", 1, 1_000, 2_000)]
    assert optimize(db) == [Misled("grown", 1, 1_000, 2_000)]
    assert optimize(db) == []
    assert db.query("SELECT stat FROM sqlite_stat1 WHERE idx = 'grown_a'").rows == [("1000 1",)]


def test_a_dry_run_reads_a_few_rows_and_writes_nothing(db):
    """It reads one row per analyzed index and the ends of the table in question."""
    before = db.meter.total
    optimize(db, dry_run=True)
    spent = db.meter.total - before
    assert (spent.rows_read <= 6, spent.rows_written) == (True, 0)


def test_a_database_that_was_never_analyzed_is_ok(tmp_path):
    """Without sqlite_stat1 there are no outdated statistics."""
    db = SqliteDatabase.create(tmp_path / "d1.sqlite")
    db.execute("CREATE TABLE t (a)")
    assert optimize(db) == []
    db.close()
