"""Writes: transactions, rejected statements, and the changes that are reported."""

from __future__ import annotations

import pytest

from d1lab.d1 import Database, Statement
from d1lab.errors import D1LimitError, D1QueryError, D1TooBigError, InputError


@pytest.fixture
def db(writable: Database) -> Database:
    writable.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT NOT NULL)")
    writable.execute("INSERT INTO t VALUES (1, 'one')")
    return writable


def rows(db: Database) -> list:
    return db.query("SELECT k, v FROM t ORDER BY k").rows


def test_batch_takes_effect_as_a_whole(db: Database):
    """There is one result per statement, and later statements see what earlier ones wrote."""
    results = db.batch(
        [
            Statement("INSERT INTO t VALUES (?1, ?2)", (2, "two")),
            Statement("UPDATE t SET v = v || '!' WHERE k > ?1", (0,)),
            Statement("SELECT v FROM t ORDER BY k"),
        ]
    )
    assert [result.changes for result in results] == [1, 2, 0]
    assert results[2].rows == [("one!",), ("two!",)]
    assert sum(result.usage.calls for result in results) == 1


@pytest.mark.parametrize(
    "broken",
    [
        Statement("INSERT INTO t VALUES (?1, NULL)", (3,)),
        Statement("INSERT INTO t VALUES (1, 'again')"),
        Statement("INSERT INTO nowhere VALUES (1)"),
    ],
)
def test_batch_that_fails_leaves_nothing(db: Database, broken: Statement):
    """If one statement fails, the others of its batch are rolled back."""
    with pytest.raises(D1QueryError, match=r"constraint failed|no such table"):
        db.batch([Statement("INSERT INTO t VALUES (2, 'two')"), broken])
    assert rows(db) == [(1, "one")]
    db.execute("INSERT INTO t VALUES (2, 'two')")  # and the database goes on
    assert rows(db) == [(1, "one"), (2, "two")]


def test_batch_with_a_rejected_statement_sends_nothing(db: Database):
    """A statement beyond a limit is found before the first one runs."""
    with pytest.raises(D1LimitError):
        db.batch([Statement("DELETE FROM t"), Statement("VACUUM")])
    assert rows(db) == [(1, "one")]


def test_empty_batch_sends_nothing(db: Database):
    """A batch without statements makes no call."""
    calls = db.meter.total.calls
    assert db.batch([]) == []
    assert db.meter.total.calls == calls


def test_execute_returns_the_rows_of_returning(db: Database):
    """The rows of RETURNING are in the result."""
    result = db.execute("INSERT INTO t VALUES (?1, ?2) RETURNING v, k", (7, "seven"))
    assert (result.columns, result.rows, result.changes) == (("v", "k"), [("seven", 7)], 1)


def test_execute_counts_changes_of_triggers(db: Database):
    """`changes` includes the rows that triggers changed, as on D1."""
    db.execute("CREATE TABLE log (k)")
    db.execute("CREATE TRIGGER noted AFTER UPDATE ON t BEGIN INSERT INTO log VALUES (NEW.k); END")
    assert db.execute("UPDATE t SET v = 'new'").changes == 2


@pytest.mark.parametrize(
    "sql",
    [
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT s",
        "RELEASE s",
        "ATTACH 'other.sqlite' AS other",
        "DETACH main",
        "VACUUM",
        "CREATE TEMP TABLE temporary (a)",
        "CREATE TEMPORARY VIEW temporary AS SELECT 1",
        "CREATE TABLE temp.temporary (a)",
        "CREATE TABLE _cf_mine (a)",
        "PRAGMA journal_mode = WAL",
        "PRAGMA writable_schema = ON",
        "PRAGMA main.user_version = 5",
        "SELECT load_extension('x')",
        f"CREATE TABLE wide ({', '.join(f'c{i}' for i in range(101))})",
    ],
)
def test_execute_rejects_what_d1_does_not_allow(db: Database, sql: str):
    """Transactions, ATTACH, temporary tables, and settings are rejected."""
    with pytest.raises(D1LimitError):
        db.execute(sql)
    assert rows(db) == [(1, "one")]


@pytest.mark.parametrize("sql", ["", "  ", "-- only a comment", ";", "/* and another"])
def test_execute_rejects_an_empty_statement(db: Database, sql: str):
    """A text without a statement is not sent."""
    with pytest.raises(D1QueryError, match="statement is empty"):
        db.execute(sql)


def test_execute_takes_one_statement(db: Database):
    """Two statements are rejected; a trigger with semicolons is one statement."""
    with pytest.raises(D1QueryError, match="more than one statement"):
        db.execute("DELETE FROM t; DELETE FROM t")
    db.execute(
        "CREATE TRIGGER two AFTER DELETE ON t BEGIN\n"
        "  INSERT INTO t VALUES (OLD.k + 1, ';'); DELETE FROM t WHERE k > 5;\nEND; -- done"
    )
    db.execute("DELETE FROM t WHERE k = 1;")
    assert rows(db) == [(2, ";")]


def test_execute_enforces_foreign_keys(db: Database):
    """Foreign keys are enforced, as on D1."""
    db.execute("CREATE TABLE child (k REFERENCES t (k))")
    with pytest.raises(D1QueryError, match="FOREIGN KEY constraint failed"):
        db.execute("INSERT INTO child VALUES (99)")


def test_execute_rejects_a_value_that_is_too_big(db: Database):
    """A value above 2 MB is rejected, and one just below it is stored in full."""
    with pytest.raises(D1TooBigError):
        db.execute("INSERT INTO t VALUES (2, ?1)", ("x" * 2_000_001,))
    db.execute("INSERT INTO t VALUES (2, ?1)", ("x" * 1_900_000,))
    assert db.query("SELECT length(v) FROM t WHERE k = 2").rows == [(1_900_000,)]


def test_tables_follows_changes_of_the_schema(db: Database):
    """A new table or column is listed immediately."""
    db.execute("CREATE TABLE other (a REAL)")
    db.execute("ALTER TABLE t ADD COLUMN w DATETIME DEFAULT 'x'")
    tables = db.tables()
    assert set(tables) == {"t", "other"}
    assert tables["t"].columns[2][:3] == ("w", "DATETIME", "NUMERIC")


def test_tables_omits_shadow_tables(db: Database):
    """A full-text table is listed, but not the tables that store its index."""
    db.execute("CREATE VIRTUAL TABLE words USING fts5(body)")
    assert set(db.tables()) == {"t", "words"}


def test_unhex_works_as_on_d1(db: Database):
    """Blobs are bound as hexadecimal digits; malformed digits become NULL."""
    assert db.query(
        "SELECT unhex('00fF'), unhex('0'), unhex('zz'), unhex(''), unhex(NULL)"
    ).rows == [(b"\x00\xff", None, None, b"", None)]


def test_reads_through_execute_need_no_write_token(db: Database):
    """A SELECT sent through `execute` needs no right to write."""
    assert db.execute("SELECT v FROM t").rows == [("one",)]
    with pytest.raises(InputError, match="statement that writes"):
        db.query("INSERT INTO t VALUES (5, 'x')")
