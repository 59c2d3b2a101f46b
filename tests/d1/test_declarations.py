"""What the SQL of a database's schema declares: comments, and views."""

from __future__ import annotations

import pytest

from d1lab.d1.declarations import Comments, comments_of, read_declarations
from d1lab.d1.sqlite import SqliteDatabase

ORDERS = """CREATE TABLE "orders" ( -- one row per order
  id INTEGER PRIMARY KEY, -- from the till
  -- what the customer paid,
  -- with tax
  "total amount" DECIMAL(10, 2) /* EUR */ DEFAULT (1 + 2),
  status TEXT CHECK (status IN ('open', '-- no comment', 'paid')),
  store_id INTEGER REFERENCES stores (id) -- where it was sold
  , UNIQUE (id, store_id)
)"""


def test_a_comment_belongs_to_the_column_that_it_ends_or_introduces():
    """A quoted text is not a comment, and the columns of a key are not listed again."""
    assert comments_of(ORDERS) == Comments(
        "one row per order",
        {
            "id": "from the till",
            "total amount": "what the customer paid, with tax EUR",
            "store_id": "where it was sold",
        },
    )


@pytest.mark.parametrize("sql", ["CREATE TABLE t (a, b)", "CREATE VIRTUAL TABLE f USING fts5(a)"])
def test_without_comments_there_are_no_descriptions(sql):
    """Virtual tables have none either, because their columns are declared by their module."""
    assert comments_of(sql) == Comments("", {})


def test_a_database_without_views_and_tables_of_the_app_reads_nothing(tmp_path):
    """The schema is read only if it can contain declarations."""
    db = SqliteDatabase.create(tmp_path / "d1.sqlite")
    db.execute(ORDERS)
    before = db.meter.total
    assert read_declarations(db, ()) == ({}, {}, frozenset())
    assert db.meter.total.rows_read == before.rows_read
    db.execute("CREATE VIEW paid AS SELECT * FROM orders")
    assert read_declarations(db, ()).views == {"paid": "CREATE VIEW paid AS SELECT * FROM orders"}
    assert read_declarations(db, ["orders"]).comments["orders"].table == "one row per order"
    db.close()
