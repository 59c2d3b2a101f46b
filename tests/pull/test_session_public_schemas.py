"""Schemas of public apps: each value is in the warehouse as in SQLite, from every source."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from d1lab.d1 import Database, Statement, open_database, quote
from d1lab.d1.sql_tokens import statements
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.pull import pull
from d1lab.warehouse import open_warehouse
from tests.support.public_schemas import SCHEMAS

KINDS = ["file", "dump", pytest.param("engine", marks=pytest.mark.engine)]


@pytest.fixture(scope="module")
def stored() -> Iterator[sqlite3.Connection]:
    """All schemas in SQLite."""
    with closing(sqlite3.connect(":memory:")) as con:
        con.text_factory = str
        for script in SCHEMAS.values():
            con.executescript(script)
        yield con


@pytest.fixture(scope="module", params=KINDS)
def pulled(request, stored, tmp_path_factory) -> Iterator[duckdb.DuckDBPyConnection]:
    """All schemas in a warehouse, pulled from each kind of source."""
    folder = tmp_path_factory.mktemp("public")
    with closing(_source(request, stored, folder)) as db:
        pull(db, folder / "data", database="public")
    with open_warehouse(folder / "data") as con:
        yield con


def _source(request, stored: sqlite3.Connection, folder: Path) -> Database:
    if request.param == "file":
        path = folder / "d1.sqlite"
        with closing(sqlite3.connect(path)) as copy:
            stored.backup(copy)
        return SqliteDatabase(path)
    if request.param == "dump":
        path = folder / "dump.sql"
        path.write_text("\n".join(stored.iterdump()), encoding="utf-8")
        return open_database(f"dump:{path}")
    db = open_database(request.getfixturevalue("engine").fresh())
    for script in SCHEMAS.values():
        db.batch([Statement(sql) for sql in statements(script)])
    return db


def tables_of(script: str) -> list[str]:
    """Return the tables that a script creates, without those of a virtual table."""
    with closing(sqlite3.connect(":memory:")) as con:
        con.executescript(script)
        listed = con.execute("PRAGMA table_list").fetchall()
    kept = [row[1] for row in listed if row[0] == "main" and row[2] in ("table", "virtual")]
    return [name for name in kept if not name.startswith("sqlite_")]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_each_value_is_exact(pulled, stored, schema):
    """In the schema raw, numbers, texts, and blobs are unchanged, and none is in quarantine."""
    for table in tables_of(SCHEMAS[schema]):
        found = stored.execute(f"SELECT * FROM {quote(table)}")
        names = [column[0] for column in found.description]
        listed = ", ".join(f"{quote(_in_warehouse(name))}" for name in names)
        got = pulled.execute(f"SELECT {listed} FROM raw.{quote(table)}").fetchall()
        assert sorted(map(_plain, got)) == sorted(map(_plain, found.fetchall())), table
        aside = "SELECT count(*) FROM d1lab.quarantine WHERE table_name = ?"
        assert pulled.execute(aside, [table]).fetchall() == [(0,)], table


@pytest.mark.parametrize("schema", SCHEMAS)
def test_each_table_has_its_own_name(pulled, stored, schema):
    """The app's name returns the app's rows, whatever the name is."""
    for table in tables_of(SCHEMAS[schema]):
        sql = f"SELECT count(*) FROM {quote(table)}"
        assert pulled.execute(sql).fetchall() == stored.execute(sql).fetchall(), table


def _in_warehouse(name: str) -> str:
    return "_rowid_" if name == "_rowid" else name


def _plain(row: tuple) -> tuple[str, ...]:
    """Return a row as texts, as in a column with numbers and texts; blobs are not converted."""
    return tuple(map(_text, row))


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
    return "NULL" if value is None else str(int(value) if is_whole else value)
