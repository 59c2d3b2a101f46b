"""SQLite files are read exactly, including values that ADBC would convert or cannot read."""

from __future__ import annotations

import sqlite3
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d1lab.d1.database import Budget
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.pull import sqlite_source as file_module
from d1lab.pull.convert import convert
from d1lab.pull.own_changes import OwnChanges
from d1lab.pull.plan import Planner, PullPlan
from d1lab.pull.rhythm import Rhythm
from d1lab.pull.sqlite_source import FileReader
from tests.support.examples import examples

TYPES = ("INTEGER", "REAL", "DECIMAL(9,2)", "TEXT", "DATETIME", "JSON", "BLOB", "", "BOOLEAN")


def planned(db: SqliteDatabase, name: str, budget: Budget) -> PullPlan:
    """Return the plan of a first pull of one table."""
    rhythm = Rhythm("always", date(2026, 5, 8), is_forced=True)
    planner = Planner(
        db,
        None,
        {},
        bookmark=None,
        full=False,
        budget=budget,
        rhythm=rhythm,
        written=OwnChanges((), {}),
    )
    return planner.plan([name])


def table(db: SqliteDatabase, name: str = "t") -> tuple[list[tuple], int]:
    """Return all rows of a table from the file's reader, and the number of values in quarantine."""
    budget = Budget(db.meter)
    plan = planned(db, name, budget)
    [sweep] = plan.sweeps
    assert sweep.table is not None
    rows, unconverted = [], 0
    for record, quarantined in FileReader(db, sweep.table, sweep, budget).batches():
        rows += zip(*(column.to_pylist() for column in record.columns), strict=True)
        unconverted += len(quarantined)
    return sorted(rows, key=lambda row: (row[0] or 0, repr(row))), unconverted


def wanted(db: SqliteDatabase, name: str = "t") -> tuple[list[tuple], int]:
    """Return the same rows value by value, from Python's sqlite3."""
    plan = planned(db, name, Budget(db.meter))
    [sweep] = plan.sweeps
    con = sqlite3.connect(db.path)
    con.text_factory = _text
    found = con.execute(f"SELECT rowid, * FROM {name}").fetchall()
    con.close()
    fitted = [
        convert([row[place] for row in found], field.kind)
        for place, field in enumerate(sweep.layout.read, 1)
    ]
    columns = [[row[0] for row in found], *(each.array.to_pylist() for each in fitted)]
    return list(zip(*columns, strict=True)), sum(len(each.unconverted) for each in fitted)


def insert(db: SqliteDatabase, rows: list[tuple], name: str = "t") -> None:
    """Insert rows unchanged, including infinities and invalid text."""
    con = sqlite3.connect(db.path)
    if rows:
        marks = ", ".join("?" * len(rows[0]))
        con.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)
    con.commit()
    con.close()


def _text(content: bytes) -> str | bytes:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content


@pytest.fixture
def db(tmp_path, monkeypatch) -> SqliteDatabase:
    """A file that is read in batches of a few rows."""
    monkeypatch.setattr(file_module, "BATCH_ROWS", 4)
    monkeypatch.setattr(FileReader, "_batch_rows", lambda self: 4)
    return SqliteDatabase.create(tmp_path / "d1.sqlite")


ODD = {
    "INTEGER": [1.5, "abc", "7", b"12", 2**60],
    "DECIMAL(9,2)": [7, 2**53 + 1, "abc", b"1", 1e300, float("inf")],
    "REAL": [3, "x", b"1"],
    "TEXT": [b"abc", b"\xff", 5],
    "DATETIME": [1_700_000_000, 0.1 + 0.2, b"2026-01-01", "2026-01-01T10:00:00Z"],
    "": [5, 0.1 + 0.2, b"abc", "text"],
    "BLOB": ["text", 5, b"\x00"],
    "JSON": [5, 0.1 + 0.2, "{}", b"{}"],
}
USUAL = {"INTEGER": 1, "DECIMAL(9,2)": 1.5, "REAL": 0.25, "BLOB": b"b"}


@pytest.mark.parametrize("place", [0, 3, 4, 9, 17])
@pytest.mark.parametrize("declared", ODD)
def test_one_odd_value_anywhere(db, declared, place):
    """In ADBC's first rows it would change the column's type; later it would be an error."""
    for number, odd in enumerate(ODD[declared]):
        name = f"t{number}"
        db.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, v {declared})")
        usual = USUAL.get(declared, "2026-01-01 10:00:00")
        insert(db, [(row, odd if row == place else usual) for row in range(18)], name)
        assert table(db, name) == wanted(db, name)


def test_columns_that_start_with_null(db):
    """Types come from the declaration, not from the first rows."""
    db.execute("CREATE TABLE t (a INTEGER, b DECIMAL(9,2), c TEXT, d BLOB)")
    insert(db, [(None,) * 4] * 9 + [(row, row + 0.5, f"r{row}", b"x") for row in range(3)])
    assert table(db) == wanted(db)


def test_text_that_is_not_utf8(db):
    """DuckDB would reject such text, so it goes to quarantine."""
    db.execute("CREATE TABLE t (a TEXT)")
    insert(db, [("ok",)] * 9)
    db.execute("UPDATE t SET a = CAST(?1 AS TEXT) WHERE rowid = 6", (b"\xff",))
    assert table(db) == wanted(db)
    assert table(db)[1] == 1


def test_negative_rowids_and_gaps(db):
    """Rowids can be any integers."""
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)")
    insert(db, [(rowid, "x") for rowid in (-(2**63), -5, 0, 3, 2**40, 2**63 - 1)])
    assert table(db) == wanted(db)


@pytest.mark.parametrize("odd", [None, "x", b"x", 0.1, 7])
@pytest.mark.parametrize("declared", ["INTEGER", "DATETIME", "TEXT", "DECIMAL(9,2)", ""])
def test_rows_are_read_and_counted_once(db, declared, odd):
    """With any value in every third row, no row is billed a second time."""
    db.execute(f"CREATE TABLE t (a {declared})")
    insert(db, [(odd if row % 3 else row,) for row in range(20)])
    assert table(db) == wanted(db)
    assert db.meter.by_table["t"].rows_read == 20


def test_a_column_of_two_types_stops_the_fast_reader_twice_at_most(db, monkeypatch):
    """After the second failure, the rest is read value by value without another attempt."""
    db.execute("CREATE TABLE t (a INTEGER)")
    insert(db, [("x" if row % 3 else row,) for row in range(3_000)])
    asked = []
    read = FileReader._read
    monkeypatch.setattr(
        FileReader, "_read", lambda self, *at: (asked.append(at), read(self, *at))[1]
    )
    assert table(db) == wanted(db)
    assert len(asked) == 2


def test_wide_rows_come_in_small_batches(tmp_path):
    """Memory does not grow with the width of the rows."""
    db = SqliteDatabase.create(tmp_path / "d1.sqlite")
    db.execute("CREATE TABLE t (a BLOB)")
    for _ in range(40):
        db.execute("INSERT INTO t VALUES (zeroblob(1000000))")
    budget = Budget(db.meter)
    plan = planned(db, "t", budget)
    [sweep] = plan.sweeps
    assert sweep.table is not None
    batches = list(FileReader(db, sweep.table, sweep, budget).batches())
    assert sum(len(batch.record) for batch in batches) == 40
    assert all(len(batch.record) <= 100 for batch in batches)


_VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=3),
    st.text(max_size=4),
    st.sampled_from(["2026-01-01", "2026-01-01T10:00:00Z", "1", "1.5", 0.1 + 0.2]),
)


@settings(max_examples=examples(150))
@given(
    columns=st.lists(st.sampled_from(TYPES), min_size=1, max_size=3),
    rows=st.lists(st.tuples(_VALUES, _VALUES, _VALUES), max_size=14),
)
def test_any_table_is_read_exactly(tmp_path_factory, columns, rows):
    """For any declared types and any values, the rows are the same as read value by value."""
    db = SqliteDatabase.create(tmp_path_factory.mktemp("any") / "d1.sqlite")
    named = ", ".join(f"c{place} {declared}" for place, declared in enumerate(columns))
    db.execute(f"CREATE TABLE t ({named})")
    insert(db, [row[: len(columns)] for row in rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_module, "BATCH_ROWS", 4)
        patch.setattr(FileReader, "_batch_rows", lambda self: 4)
        assert table(db) == wanted(db)
    db.close()
