"""Compare and set: a row is changed only if it still has the values that were read."""

from __future__ import annotations

import pytest

from d1lab.d1 import Database
from d1lab.d1.compare_and_set import remove, swap
from d1lab.d1.write import fetch, insert_new
from d1lab.errors import InputError

KEY = ["k", "n"]
VALUES = ["v", "w"]


@pytest.fixture
def db(writable: Database) -> Database:
    """A database with three rows: 1 has text and a number, 2 is empty, 3 has a blob and a large
    integer.
    """
    writable.execute(
        "CREATE TABLE t (k TEXT, n INTEGER, v, w, app DEFAULT 'kept', PRIMARY KEY (k, n))"
    )
    rows = [("a", 1, "x", 0.1 + 0.2), ("a", 2, None, None), ("a", 3, b"\x00\xff", 2**53 + 1)]
    insert_new(writable, "t", KEY, [*KEY, *VALUES], rows)
    return writable


def held(db: Database) -> list[tuple]:
    return db.query("SELECT n, v, w FROM t ORDER BY n").rows


def test_swap_changes_rows_that_are_as_expected(db: Database):
    """NULL, doubles, blobs, and integers beyond 2^53 are compared and written exactly."""
    changed = swap(
        db, "t", KEY, VALUES,
        [
            (("a", 1), ("x", 0.1 + 0.2), (None, b"\x01")),
            (("a", 2), (None, None), (2**63 - 1, "y\x00z")),
            (("a", 3), (b"\x00\xff", 2**53 + 1), (1.5, None)),
        ],
    )  # fmt: skip
    assert changed == 3
    assert held(db) == [(1, None, b"\x01"), (2, 2**63 - 1, "y\x00z"), (3, 1.5, None)]
    assert db.query("SELECT DISTINCT app FROM t").rows == [("kept",)]


def test_swap_leaves_rows_that_differ(db: Database):
    """One different column is enough, NULL differs from every value, and no row is inserted."""
    before = held(db)
    changed = swap(
        db, "t", KEY, VALUES,
        [
            (("a", 1), ("x", 0.3), ("new", 1)),
            (("a", 2), (None, 0), ("new", 1)),
            (("a", 3), (None, 2**53 + 1), ("new", 1)),
            (("a", 4), (None, None), ("new", 1)),
        ],
    )  # fmt: skip
    assert (changed, held(db)) == (0, before)


def test_swap_twice_is_harmless(db: Database):
    """The second call finds other values than expected and writes nothing."""
    rows = [(("a", 2), (None, None), (1, 2))]
    assert swap(db, "t", KEY, VALUES, rows) == 1
    written = db.meter.total.rows_written
    assert swap(db, "t", KEY, VALUES, rows) == 0
    assert db.meter.total.rows_written == written


def test_remove_deletes_rows_that_are_as_expected(db: Database):
    """Rows with other values are kept."""
    rows = [(("a", 1), ("x", 0.1 + 0.2)), (("a", 2), (None, 0)), (("a", 3), (b"\x00\xff", 2**53))]
    assert remove(db, "t", KEY, VALUES, rows) == 1
    assert [row[0] for row in held(db)] == [2, 3]


def test_swap_and_remove_find_rows_by_the_key(db: Database):
    """Changing two of 5,000 rows does not scan the table."""
    insert_new(db, "t", KEY, [*KEY, *VALUES], [("b", n, 0, 0) for n in range(5_000)])
    before = db.meter.total
    assert swap(db, "t", KEY, VALUES, [(("b", n), (0, 0), (1, 1)) for n in (7, 8)]) == 2
    assert remove(db, "t", KEY, VALUES, [(("b", n), (1, 1)) for n in (7, 8)]) == 2
    assert (db.meter.total - before).rows_read < 50


def test_swap_rejects_a_row_without_its_key(db: Database):
    """A key that occurs twice is rejected as well, because the second row could never match."""
    with pytest.raises(InputError, match="non-NULL key"):
        swap(db, "t", KEY, VALUES, [((None, 1), (1, 1), (2, 2))])
    with pytest.raises(InputError, match="duplicate key"):
        swap(db, "t", KEY, VALUES, [(("a", 1), (1, 1), (2, 2))] * 2)


MANY = 3_000
ASKED = 200
TABLES = {
    "primary key": ("CREATE TABLE big (k TEXT, n INTEGER, v, w, PRIMARY KEY (k, n))",),
    "without rowid": (
        "CREATE TABLE big (k TEXT, n INTEGER, v, w, PRIMARY KEY (k, n)) WITHOUT ROWID",
    ),
    "unique index": (
        "CREATE TABLE big (id INTEGER PRIMARY KEY, k TEXT, n INTEGER, v, w)",
        "CREATE UNIQUE INDEX big_key ON big (n, k)",
    ),
}


@pytest.fixture(params=TABLES)
def misled(request: pytest.FixtureRequest, writable: Database) -> Database:
    """A table of 3,000 rows with the statistics of one row, so that D1 considers it tiny."""
    for statement in TABLES[request.param]:
        writable.execute(statement)
    for row in ([("a", 0, 0, None)], [("a", n, 0, None) for n in range(1, MANY)]):
        insert_new(writable, "big", KEY, [*KEY, *VALUES], row)
        if len(row) == 1:
            writable.execute("ANALYZE big")
    return writable


def test_outdated_statistics_cost_no_scan(misled: Database):
    """Reading, writing, and deleting 200 rows costs a few rows each, and none for other rows."""
    keys = [("a", n) for n in range(700, 700 + ASKED)]
    asked = [*keys, ("a", -1), ("b", 700)]
    before = misled.meter.total.rows_read
    assert fetch(misled, "big", KEY, VALUES, asked) == dict.fromkeys(keys, (0, None))
    assert swap(misled, "big", KEY, VALUES, [(k, (0, None), (k[1], b"x")) for k in asked]) == ASKED
    assert swap(misled, "big", KEY, VALUES, [(k, (0, None), (1, 1)) for k in asked]) == 0
    found = fetch(misled, "big", KEY, VALUES, asked)
    assert found == {key: (key[1], b"x") for key in keys}
    last = [(key, (key[1] if key[1] > 750 else 0, b"x")) for key in keys]
    assert remove(misled, "big", KEY, VALUES, last) == ASKED - 51
    assert misled.query("SELECT count(*), total(v IS NOT 0) FROM big").rows == [
        (MANY - ASKED + 51, 51)
    ]
    assert misled.meter.total.rows_read - before < 60 * ASKED + MANY
