"""Dumps of any program can be opened."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from d1lab.d1.connect import open_database
from d1lab.errors import InputError

TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT);\n"


def rows_of(path: Path, sql: str = "SELECT id, x FROM t ORDER BY id") -> list[tuple]:
    with closing(open_database(f"dump:{path}")) as db:
        return db.query(sql).rows


@pytest.mark.parametrize(
    "text",
    [
        "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n"
        f"{TABLE}INSERT INTO t VALUES(1,'a');\nCOMMIT;",
        f"begin;{TABLE}insert into t values(1,'a');end;",
        f"SAVEPOINT s;\r\n{TABLE}INSERT INTO t VALUES(1,'a');\r\nRELEASE s;\r\n",
        f"-- made; do not edit;\n{TABLE}INSERT INTO t VALUES(1,'a'); -- the row\n-- done\n",
        f"/* a; b */\n{TABLE}INSERT /* within */ INTO t VALUES(1,'a'); /* after\nit */\n",
        f"{TABLE}INSERT INTO t VALUES(1,'a') -- no end yet\n;\n/* done */",
        f"\ufeff{TABLE}INSERT INTO t VALUES(1,unistr('\\0061'));\n",
    ],
)
def test_dump_opens_with_anything_around_its_statements(tmp_path: Path, text: str):
    """Transactions, comments, several statements on a line, and a byte order mark are accepted."""
    path = tmp_path / "dump.sql"
    path.write_text(text, encoding="utf-8", newline="")
    assert rows_of(path) == [(1, "a")]


def test_dump_of_powershell_is_in_utf16(tmp_path: Path):
    """PowerShell's `sqlite3 shop.db .dump > dump.sql` writes UTF-16."""
    path = tmp_path / "dump.sql"
    path.write_text(f"{TABLE}INSERT INTO t VALUES(1,'é;\n''x');\n", encoding="utf-16")
    assert rows_of(path) == [(1, "é;\n'x")]


def test_iterdump_opens(tmp_path: Path):
    """Multiline texts, semicolons, a trigger, and AUTOINCREMENT's own table are restored."""
    path = tmp_path / "dump.sql"
    with closing(sqlite3.connect(":memory:")) as made:
        made.executescript(
            "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, x TEXT);"
            "CREATE TRIGGER g AFTER INSERT ON t BEGIN UPDATE t SET x = x || ';'; END;"
            "INSERT INTO t (x) VALUES ('-- a;\nb');"
        )
        path.write_text("\n".join(made.iterdump()), encoding="utf-8")
    assert rows_of(path) == [(1, "-- a;\nb;")]


def test_dump_of_a_virtual_table_opens(tmp_path: Path):
    """`.dump` writes virtual tables directly into the schema."""
    path = tmp_path / "dump.sql"
    path.write_text(
        "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nPRAGMA writable_schema=ON;\n"
        "INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)"
        "VALUES('table','f','f',0,'CREATE VIRTUAL TABLE f USING fts5(x)');\n"
        "CREATE TABLE IF NOT EXISTS 'f_data'(id INTEGER PRIMARY KEY, block BLOB);\n"
        f"{TABLE}INSERT INTO t VALUES(1,'a');\nPRAGMA writable_schema=OFF;\nCOMMIT;\n"
    )
    assert rows_of(path) == [(1, "a")]


def test_unistr_reads_every_escape(tmp_path: Path):
    """SQLite 3.50 and later write control characters as calls of unistr()."""
    path = tmp_path / "dump.sql"
    path.write_text(
        f"{TABLE}INSERT INTO t VALUES(1, unistr('a\\000ab\\u000ac\\+01F600d\\U0001F600e\\\\f'));\n"
        "INSERT INTO t VALUES(2, unistr(NULL));\n"
    )
    assert rows_of(path) == [(1, "a\nb\nc\U0001f600d\U0001f600e\\f"), (2, None)]


def test_dump_that_ended_early_is_rejected(tmp_path: Path):
    """`.dump` ends with ROLLBACK after an error, so the data would be incomplete."""
    path = tmp_path / "dump.sql"
    path.write_text(f"BEGIN TRANSACTION;\n{TABLE}ROLLBACK; -- due to errors\n")
    with pytest.raises(InputError, match="incomplete"):
        rows_of(path)
