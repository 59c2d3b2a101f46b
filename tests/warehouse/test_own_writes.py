"""Records of what d1lab wrote, from the first row written to the pull that includes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from d1lab.d1.sqlite import SqliteDatabase
from d1lab.warehouse import FILE_NAME, OwnWrite, followed, noted, own_writes


@pytest.fixture
def db(tmp_path: Path) -> Iterator[SqliteDatabase]:
    """A database with one table and no row."""
    opened = SqliteDatabase.create(tmp_path / "d1.sqlite")
    opened.execute("CREATE TABLE customer_insights (shop TEXT, customer_segment TEXT)")
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a warehouse, in which writes are recorded."""
    (tmp_path / FILE_NAME).touch()
    return tmp_path


def write(db: SqliteDatabase, folder: Path, *, known: bool = True) -> None:
    with noted(db, folder, ["customer_insights"]) as note:
        db.execute("INSERT INTO customer_insights VALUES ('s', 'vip')")
        if known:
            note.add(
                "customer_insights", ["shop"], ["customer_segment"], [("s", "vip")], creates=True
            )


def test_a_note_has_the_tables_before_and_the_rows_afterwards(db, folder):
    """During the write the rows are unknown; at the end it has both bookmarks and the rows."""
    with noted(db, folder, ["customer_insights"]) as note:
        (begun,) = own_writes(folder, db.url)
        assert (begun.tables, begun.ended_at, begun.rows) == (("customer_insights",), None, {})
        db.execute("INSERT INTO customer_insights VALUES ('s', 'vip')")
        note.add("customer_insights", ["shop"], ["customer_segment"], [("s", 1)], creates=False)
    (ended,) = own_writes(folder, db.url)
    assert ended.ended_at is not None
    assert (ended.before, ended.after) == (begun.before, db.bookmark())
    assert ended.before != ended.after
    assert ended.is_alone
    assert ended.rows["customer_insights"] == (("shop",), ("customer_segment",), [["s", 1]], False)


def test_a_block_that_writes_nothing_leaves_no_note(db, folder):
    """There is no note in a folder without a warehouse either."""
    with noted(db, folder, ["customer_insights"]):
        db.query("SELECT 1")
    (folder / FILE_NAME).unlink()
    write(db, folder)
    assert own_writes(folder, db.url) == []


def test_notes_come_in_order_and_of_one_database_only(db, folder):
    """Bookmarks are followed from one write to the next."""
    start = db.bookmark()
    write(db, folder)
    write(db, folder, known=False)
    first, second = own_writes(folder, db.url)
    assert first.after == second.before
    assert followed([first, second], start, alone=True) == second.after
    assert followed([second], start, alone=True) == start
    assert own_writes(folder, "sqlite:other") == []


def test_a_write_beside_another_is_followed_only_if_that_is_allowed():
    """With `alone`, there must be proof that no other process wrote."""
    write = OwnWrite(Path("x"), "u", ("t",), None, "1", "2", False, {})
    assert followed([write], "1", alone=True) == "1"
    assert followed([write], "1", alone=False) == "2"
    assert followed([write], None, alone=False) is None


@pytest.mark.parametrize("text", ["", '{"url": "x", "tab', "[]", "{}", '{"url": 5}', "null"])
def test_an_unreadable_note_means_unknown_rows(db, folder, text):
    """It is not an error: all tables are read again."""
    write(db, folder)
    (note,) = own_writes(folder, db.url)
    note.path.write_text(text)
    (unknown,) = own_writes(folder, db.url)
    assert (unknown.path, unknown.ended_at, unknown.rows) == (note.path, None, {})
    assert {"customer_insights", "discount_recommendations", "d1lab_owned"} <= {*unknown.tables}


def test_rows_of_a_note_are_those_that_were_given(db, folder):
    """Text, numbers, and NULL are kept as JSON."""
    with noted(db, folder, ["t"]) as note:
        db.execute("INSERT INTO customer_insights VALUES ('s', NULL)")
        note.add("t", ["k"], ["v"], iter([("a", None), ("b", 2.5)]), creates=True)
    (kept,) = own_writes(folder, db.url)
    assert kept.rows["t"].rows == [["a", None], ["b", 2.5]]
    assert json.loads(kept.path.read_text())["rows"]["t"]["creates"] is True
