"""A killed pull resumes: rows that D1 has sent are not requested and billed again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from d1lab.d1 import Database, keyset, open_database
from d1lab.d1.migrate import migrate
from d1lab.pull import http_source as remote
from d1lab.pull import pull
from d1lab.pull.http_source import split
from d1lab.pull.plan import CHANGE_COSTS_ROWS
from d1lab.pull.spool import Span
from d1lab.warehouse import FILE_NAME, open_warehouse
from tests.pull.conftest import Remote, add_customers, add_events, assert_same

pytestmark = pytest.mark.usefixtures("few_views")

ROWS = 6_000


class Died(Exception):
    """The pull was killed at this point."""


def die_after(calls: int):
    """Return a progress callback that raises after some batches."""
    left = calls

    def progress(table: str, done: int, expected: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Died

    return progress


def rows_read(db: Database) -> int:
    return db.meter.by_table["order_events"].rows_read


@pytest.fixture(
    params=["remote", pytest.param("engine", marks=[pytest.mark.engine, pytest.mark.long])]
)
def billed(request: pytest.FixtureRequest, small_pages: None) -> Iterator[Database]:
    """A database with events that bills its rows."""
    if request.param == "engine":
        database = open_database(request.getfixturevalue("engine").fresh())
        migrate(database)
    else:
        database = request.getfixturevalue("remote")
    add_events(database, 0, ROWS)
    yield database
    database.close()


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use several ranges, and several batches in each."""
    monkeypatch.setattr(remote, "MOST_ROWS", 500)
    monkeypatch.setattr(keyset, "MOST_ROWS", 500)
    monkeypatch.setattr(keyset.BatchSize.__init__, "__defaults__", (300, 500))


@pytest.mark.parametrize("calls", [0, 1, 4])
def test_no_row_is_read_twice(billed, folder, calls):
    """Wherever the pull was killed, the rows are the same as after one complete pull."""
    with pytest.raises(Died):
        pull(billed, folder, database="x", progress=die_after(calls))
    assert not (folder / FILE_NAME).exists()
    result = pull(billed, folder, database="x")
    assert rows_read(billed) == ROWS
    assert result.rows_pulled == ROWS
    assert result.rows_read < ROWS + 100
    assert_same(billed, folder)
    assert list((folder / "pull").iterdir()) == []


def test_it_can_be_killed_several_times(billed, folder):
    """Each attempt adds some rows."""
    for _ in range(8):
        with pytest.raises(Died):
            pull(billed, folder, database="x", progress=die_after(0))
    pull(billed, folder, database="x")
    assert rows_read(billed) == ROWS
    assert_same(billed, folder)


def test_an_incremental_pull_resumes(billed, folder):
    """An incremental pull resumes like a first one."""
    pull(billed, folder, database="x")
    add_events(billed, ROWS, 3_000)
    with pytest.raises(Died):
        pull(billed, folder, database="x", progress=die_after(1))
    with open_warehouse(folder) as con:
        assert con.sql("SELECT count(*) FROM raw.order_events").fetchall() == [(ROWS,)]
    pull(billed, folder, database="x")
    assert ROWS + 3_000 <= rows_read(billed) <= ROWS + 3_000 + 10
    assert_same(billed, folder)


def test_changes_after_the_kill_are_detected(billed, folder):
    """The change log is read from the start of the first attempt."""
    with pytest.raises(Died):
        pull(billed, folder, database="x", progress=die_after(3))
    billed.execute("UPDATE order_events SET revenue = 1 WHERE seq IN (5, 2500, 5999)")
    billed.execute("DELETE FROM order_events WHERE seq IN (1, 17, 6000)")
    columns = "shop, event_id, type, order_id, sku, quantity, revenue, occurred_at"
    billed.execute(
        f"INSERT OR REPLACE INTO order_events ({columns}) "
        f"SELECT {columns} FROM order_events WHERE seq = 20"
    )
    add_events(billed, ROWS, 700)
    pull(billed, folder, database="x")
    assert_same(billed, folder)
    pull(billed, folder, database="x")
    assert_same(billed, folder)


def test_a_resumed_table_is_checked_again(remote, folder, small_pages):
    """Its batches come from two states of the database, so the next pull rereads it."""
    add_customers(remote, 1_500)
    with pytest.raises(Died):
        pull(remote, folder, database="x", progress=die_after(2))
    remote.execute("UPDATE customer_insights SET total_savings = 5")
    first = pull(remote, folder, database="x")
    assert first.rows_pulled == 1_500
    second = pull(remote, folder, database="x")
    assert not second.skipped
    assert_same(remote, folder, "customer_insights")
    assert pull(remote, folder, database="x").skipped


def test_a_resumed_pull_of_an_unchanged_database_is_up_to_date(remote, folder, small_pages):
    """Equal bookmarks prove that nothing changed between its batches."""
    add_events(remote, 0, 2_000)
    with pytest.raises(Died):
        pull(remote, folder, database="x", progress=die_after(2))
    pull(remote, folder, database="x")
    assert pull(remote, folder, database="x").skipped


def test_tables_without_rowids_resume_by_key(remote, folder, small_pages):
    """They resume after the last key that was read."""
    remote.execute("CREATE TABLE pairs (a INTEGER, b TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID")
    for a in range(40):
        remote.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 50) "
            "INSERT INTO pairs SELECT ?1, 'b' || i FROM n",
            (a,),
        )
    asked: list[str] = []
    remote.before_query = lambda sql, table: asked.append(table)
    with pytest.raises(Died):
        pull(remote, folder, database="x", tables=["pairs"], progress=die_after(2))
    before = asked.count("pairs")
    pull(remote, folder, database="x", tables=["pairs"])
    with open_warehouse(folder) as con:
        found = con.sql("SELECT a, b FROM raw.pairs").fetchall()
    assert sorted(found) == sorted((a, f"b{i}") for a in range(40) for i in range(1, 51))
    assert asked.count("pairs") - before < before + 6


def test_quarantine_survives_a_kill(billed, folder):
    """Values of another type are stored with their batch."""
    billed.execute("UPDATE order_events SET quantity = 'x' WHERE seq IN (1, 100, 6000)")
    with pytest.raises(Died):
        pull(billed, folder, database="x", progress=die_after(3))
    assert pull(billed, folder, database="x").quarantined == 3
    assert rows_read(billed) == ROWS


@pytest.mark.parametrize("reason", ["columns", "age", "url", "damage", "state"])
def test_batches_that_no_longer_match_are_deleted(remote, folder, small_pages, reason):
    """Rows are read again for other columns, old or broken files, or another database."""
    add_events(remote, 0, 3_000)
    with pytest.raises(Died):
        pull(remote, folder, database="x", progress=die_after(4))
    files = sorted((folder / "pull").glob("*/*.arrow"))
    [state] = {path.parent / "sweep.json" for path in files}
    if reason == "columns":
        remote.execute("ALTER TABLE order_events ADD COLUMN extra TEXT DEFAULT 'e'")
    elif reason == "age":
        told = json.loads(state.read_text())
        told["origin"][2] = "2020-01-01T00:00:00"
        state.write_text(json.dumps(told))
    elif reason == "url":
        remote.url = "remote:elsewhere"
    elif reason == "damage":
        for path in files:
            path.write_bytes(path.read_bytes()[:100])
    else:
        state.write_text("{half")
    pull(remote, folder, database="x")
    assert_same(remote, folder)
    assert rows_read(remote) > 3_000


def test_batches_beyond_the_bounds_are_harmless(remote, folder, small_pages):
    """Rows at both ends were deleted in the meantime."""
    add_events(remote, 0, 3_000)
    with pytest.raises(Died):
        pull(remote, folder, database="x", progress=die_after(6))
    remote.execute("DELETE FROM order_events WHERE seq < 700 OR seq > 2200")
    pull(remote, folder, database="x")
    assert_same(remote, folder)


_KILLED = """
import os, signal, sys
from pathlib import Path
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.pull import pull
from tests.pull.conftest import Remote

def progress(table, done, expected):
    if done > 2_500:
        os.kill(os.getpid(), signal.SIGKILL)

pull(Remote(SqliteDatabase(sys.argv[1])), Path(sys.argv[2]), database="x", progress=progress)
"""


def test_a_killed_process_leaves_what_the_next_one_needs(remote, file, folder, tmp_path):
    """After SIGKILL the lock is free, the old warehouse intact, and the batches are there."""
    add_events(remote, 0, 100)
    pull(remote, folder, database="x")
    add_events(remote, 100, ROWS)
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(file.path), str(folder)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    with open_warehouse(folder) as con:
        assert con.sql("SELECT count(*) FROM order_lines").fetchall() == [(100,)]
    before = rows_read(remote)
    pull(remote, folder, database="x")
    assert rows_read(remote) - before <= ROWS - 2_500
    assert_same(remote, folder)


def test_ranges_cover_all_rows_once():
    """For any gaps, the parts add up to the gaps."""
    spans = [Span(-5, 100_000), Span(200_000, 200_001), Span(300_000, 345_678)]
    parts = split(spans)
    assert sum(upto - after for after, upto in parts) == sum(upto - after for after, upto in spans)
    for after, upto in spans:
        inside = [part for part in parts if after <= part.after < upto]
        assert inside[0].after == after
        assert inside[-1].upto == upto
        assert all(one.upto == other.after for one, other in pairwise(inside))
    assert split([]) == []


def test_a_change_costs_three_rows(billed, folder):
    """These are the log's entry, the element in the query, and the row; above that, all is read."""
    pull(billed, folder, database="x")
    billed.execute("UPDATE order_events SET quantity = 3 WHERE seq <= 1500")
    assert pull(billed, folder, database="x").rows_read <= CHANGE_COSTS_ROWS * 1_500 + 100
    assert_same(billed, folder)


def test_the_double_counts_like_d1(remote: Remote, folder, small_pages):
    """The double bills the rows of each batch, so the counts in these tests are D1's."""
    add_events(remote, 0, 1_234)
    before = rows_read(remote) if "order_events" in remote.meter.by_table else 0
    pull(remote, folder, database="x")
    assert rows_read(remote) - before == 1_234
