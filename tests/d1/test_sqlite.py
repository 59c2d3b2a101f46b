"""The embedded database: its file, its bookmark, and threads."""

from __future__ import annotations

import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from d1lab.d1 import Statement, open_database
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import D1OverloadedError, D1QueryError, InputError


def test_create_makes_the_file_and_its_folders(tmp_path: Path):
    """A new database has a rollback journal and can be opened by the next process."""
    path = tmp_path / "data" / "demo" / "d1.sqlite"
    db = SqliteDatabase.create(path)
    db.execute("CREATE TABLE t (a)")
    assert (db.path, db.url) == (path, f"sqlite:{path}")
    db.close()
    with sqlite3.connect(path) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchall() == [("delete",)]
    raw.close()
    again = open_database(f"sqlite:{path}")
    assert set(again.tables()) == {"t"}
    again.close()


def test_create_overwrites_nothing(embedded: SqliteDatabase):
    """An existing file is an error."""
    with pytest.raises(InputError, match="exists"):
        SqliteDatabase.create(embedded.path)


def test_bookmark_changes_with_each_write(embedded: SqliteDatabase):
    """Equal bookmarks mean that nothing changed, and every change gives a new one."""
    marks = [embedded.bookmark()]
    embedded.execute("CREATE TABLE t (a)")
    marks.append(embedded.bookmark())
    embedded.query("SELECT * FROM t")
    with pytest.raises(D1QueryError):
        embedded.batch([Statement("INSERT INTO t VALUES (1)"), Statement("BROKEN")])
    assert embedded.bookmark() == marks[-1]
    embedded.execute("INSERT INTO t VALUES (1)")
    marks.append(embedded.bookmark())
    other = open_database(embedded.url)
    assert other.bookmark() == marks[-1]
    other.execute("UPDATE t SET a = 2")
    other.close()
    marks.append(embedded.bookmark())
    assert len(set(marks)) == 4


def test_bookmark_costs_nothing(embedded: SqliteDatabase):
    """Reading the bookmark makes no call and reads no row."""
    embedded.bookmark()
    embedded.size_bytes()
    assert embedded.meter.total.calls == 0


def test_bookmark_is_unknown_with_a_write_ahead_log(tmp_path: Path):
    """The file's header lags behind the log, so there is no bookmark rather than a wrong one."""
    path = tmp_path / "wal.sqlite"
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA journal_mode = WAL")
    raw.execute("CREATE TABLE t (a)")
    raw.close()
    db = SqliteDatabase(path)
    assert db.bookmark() is None
    db.close()


def test_wranglers_own_file_is_opened_for_reading(tmp_path: Path):
    """The engine has the file open, so writing to it is rejected in every mode."""
    folder = tmp_path / ".wrangler/state/v3/d1/miniflare-D1DatabaseObject"
    SqliteDatabase.create(tmp_path / "d1.sqlite").close()
    folder.mkdir(parents=True)
    shutil.copy(tmp_path / "d1.sqlite", folder / "abc.sqlite")
    db = open_database(f"sqlite:{folder}/abc.sqlite")
    with pytest.raises(InputError, match="read-only"):
        db.execute("CREATE TABLE t (a)")
    db.close()


def test_path_can_contain_any_characters(tmp_path: Path):
    """A path is not a URL: no part of it is read as an option."""
    path = tmp_path / "ü? mode=memory&x#%41.sqlite"
    db = SqliteDatabase.create(path)
    db.execute("CREATE TABLE t (a)")
    db.close()
    assert path.stat().st_size > 0


def test_threads_share_one_database(embedded: SqliteDatabase):
    """Calls of many threads take turns, nothing is lost, and the meter adds up."""
    embedded.execute("CREATE TABLE t (a)")

    def work(number: int) -> int:
        embedded.execute("INSERT INTO t VALUES (?1)", (number,), table="t")
        return len(embedded.query("SELECT a FROM t", table="t").rows)

    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(work, range(60)))
    assert max(seen) == 60
    usage = embedded.meter.by_table["t"]
    assert (usage.calls, usage.rows_written, usage.rows_read) == (120, 60, sum(seen))


def test_a_locked_file_is_reported_as_busy(embedded: SqliteDatabase, monkeypatch):
    """A lock of another process is not reported as an error in the SQL."""
    embedded.execute("CREATE TABLE t (a)")
    embedded._connection.execute("PRAGMA busy_timeout = 1")
    raw = sqlite3.connect(embedded.path, isolation_level=None)
    raw.execute("BEGIN EXCLUSIVE")
    with pytest.raises(D1OverloadedError, match="locked"):
        embedded.execute("INSERT INTO t VALUES (1)")
    raw.execute("ROLLBACK")
    raw.close()
    embedded.execute("INSERT INTO t VALUES (1)")


def test_text_that_is_not_unicode_is_an_error(embedded: SqliteDatabase):
    """Such text is neither guessed nor replaced; the caller reads it with hex()."""
    with pytest.raises(D1QueryError, match="UTF-8"):
        embedded.query("SELECT CAST(x'ff' AS TEXT) AS broken")
    assert embedded.query("SELECT hex(CAST(x'ff' AS TEXT))").rows == [("FF",)]


def test_errors_name_the_statement(embedded: SqliteDatabase):
    """An error shows the statement and what SQLite says about it."""
    with pytest.raises(D1QueryError, match=r"no such table: t, in: SELECT a FROM t$"):
        embedded.query("SELECT a\nFROM t")


def test_closing_twice_is_harmless(embedded: SqliteDatabase):
    """The second close does nothing."""
    embedded.close()
    embedded.close()
