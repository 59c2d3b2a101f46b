"""Writes by key are exact for every type, and write only rows that differ."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from d1lab.d1 import Database
from d1lab.d1.write import CHUNK_ROWS, fetch, insert_new, upsert
from d1lab.errors import D1TooBigError, InputError

KEY = ["k", "n"]
COLUMNS = ["k", "n", "v"]
EXACT = [
    ("above 2^53", 1, 2**53 + 1),
    ("smallest", -(2**63), -(2**63)),
    ("whole real", 1, 1.0),
    ("real", 1, 0.1 + 0.2),
    ("tiny", 1, 5e-324),
    ("text of digits", 1, "007"),
    ("empty text", 1, ""),
    ("text with NUL", 1, "a\x00b"),
    ("Unicode é 😀", 1, "ü😀\u2028"),
    ("quote ' \" \\", 1, "'); DROP TABLE t; --"),
    ("JSON", 1, '{"blob": "00"}'),
    ("blob", 1, b"\x00\xff"),
    ("empty blob", 1, b""),
    ("null", 1, None),
]


@pytest.fixture
def db(writable: Database) -> Database:
    writable.execute("CREATE TABLE t (k TEXT, n INTEGER, v, w DEFAULT 'kept', PRIMARY KEY (k, n))")
    return writable


def everything(db: Database, keys: list[tuple]) -> dict:
    return {key: value for key, (value,) in fetch(db, "t", KEY, ["v"], keys).items()}


@pytest.mark.parametrize("send", [upsert, insert_new])
def test_write_keeps_every_value(db: Database, send):
    """A value is read back with the same type and content."""
    assert send(db, "t", KEY, COLUMNS, EXACT) == len(EXACT)
    found = everything(db, [row[:2] for row in EXACT])
    for name, n, value in EXACT:
        assert found[name, n] == value, name
        assert type(found[name, n]) is type(value), name


def test_fetch_keeps_infinities(db: Database):
    """JSON has no infinities, but a fetch returns them."""
    db.execute("INSERT INTO t (k, n, v) VALUES ('up', 1, 9e999), ('down', 1, -9e999)")
    found = everything(db, [("up", 1), ("down", 1)])
    assert found == {("up", 1): float("inf"), ("down", 1): float("-inf")}


@pytest.mark.parametrize("send", [upsert, insert_new])
def test_write_of_the_same_rows_writes_nothing(db: Database, send):
    """Rows that do not differ are neither changed nor billed as written."""
    upsert(db, "t", KEY, COLUMNS, EXACT)
    before = db.meter.by_table["t"].rows_written
    assert send(db, "t", KEY, COLUMNS, EXACT) == 0
    assert db.meter.by_table["t"].rows_written == before


def test_upsert_changes_only_what_differs(db: Database):
    """Of three rows, one is new, one differs, and one is the same."""
    upsert(db, "t", KEY, COLUMNS, [("a", 1, 1), ("b", 1, 1)])
    assert upsert(db, "t", KEY, COLUMNS, [("a", 1, 1), ("b", 1, None), ("c", 1, 1)]) == 2
    assert everything(db, [("a", 1), ("b", 1), ("c", 1)]) == {
        ("a", 1): 1,
        ("b", 1): None,
        ("c", 1): 1,
    }


def test_upsert_leaves_other_columns(db: Database):
    """A column that is not named keeps its value, and `update=` limits what is changed."""
    upsert(db, "t", KEY, COLUMNS, [("a", 1, 1)])
    db.execute("UPDATE t SET w = 'app'")
    upsert(db, "t", KEY, [*COLUMNS, "w"], [("a", 1, 2, "ours")], update=["v"])
    assert db.query("SELECT v, w FROM t").rows == [(2, "app")]


def test_insert_new_keeps_known_rows(db: Database):
    """The first row of a key is kept, within one call and across calls."""
    assert insert_new(db, "t", KEY, COLUMNS, [("a", 1, "first"), ("a", 1, "second")]) == 1
    assert insert_new(db, "t", KEY, COLUMNS, [("a", 1, "third"), ("b", 1, "new")]) == 1
    assert everything(db, [("a", 1), ("b", 1)]) == {("a", 1): "first", ("b", 1): "new"}


def test_insert_takes_rows_as_json(db: Database):
    """A row that is already JSON is sent unchanged."""
    assert insert_new(db, "t", KEY, COLUMNS, ['["a", 1, 9007199254740993]', ("b", 1, 2)]) == 2
    assert everything(db, [("a", 1), ("b", 1)]) == {("a", 1): 2**53 + 1, ("b", 1): 2}


def test_write_goes_in_chunks(db: Database):
    """Rows are split by the limits of a statement and of the size of a parameter."""
    rows = [("a", n, n) for n in range(CHUNK_ROWS + 1)]
    assert upsert(db, "t", KEY, COLUMNS, rows) == len(rows)
    heavy = [("b", n, "x" * 900_000) for n in range(4)]
    assert upsert(db, "t", KEY, COLUMNS, heavy) == 4
    assert db.query("SELECT count(*), max(n) FROM t").rows == [(len(rows) + 4, CHUNK_ROWS)]


def test_fetch_of_many_keys_returns_those_that_exist(db: Database):
    """The result has every key that has a row, in the form in which it was given."""
    insert_new(db, "t", KEY, COLUMNS, [("a", n, -n) for n in range(6_000)])
    found = everything(db, [("a", n) for n in range(0, 12_000, 2)])
    assert found == {("a", n): -n for n in range(0, 6_000, 2)}


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (True, 1),
        (Decimal("10.10"), 10.1),
        (Decimal("9007199254740993"), 2**53 + 1),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 3, 4, 5), "2026-01-02 03:04:05"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))), "2026-01-02 01:04:05"),
        (datetime(2026, 1, 2, 3, 4, 5, 60, tzinfo=UTC), "2026-01-02 03:04:05.000060"),
    ],
)
def test_write_turns_python_values_into_sqlites(db: Database, value, stored):
    """Dates become text in UTC, and decimals the nearest number."""
    upsert(db, "t", KEY, COLUMNS, [("a", 1, value)])
    assert everything(db, [("a", 1)]) == {("a", 1): stored}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("a", 1, float("nan")), "cannot store nan"),
        (("a", 1, float("inf")), "cannot store inf"),
        (("a", 1, Decimal("NaN")), "cannot store nan"),
        (("a", 1, 2**63), "64 bits"),
        (("a", 1, object()), "cannot store a object"),
        (("a", 1, "\ud800"), "cannot be written as JSON"),
        ((None, 1, 1), "non-NULL key"),
        (("a", 1), "a row with k, n, v"),
    ],
)
def test_write_rejects_what_it_cannot_store(db: Database, row, message):
    """A value that would be changed on its way is rejected, and nothing is written."""
    with pytest.raises(InputError, match=message):
        upsert(db, "t", KEY, COLUMNS, [("ok", 1, 1), row])
    assert db.query("SELECT count(*) FROM t").rows == [(0,)]


def test_upsert_rejects_a_key_given_twice(db: Database):
    """Two values for one key have no order, so neither is written."""
    with pytest.raises(InputError, match="duplicate key"):
        upsert(db, "t", KEY, COLUMNS, [("a", 1, 1), ("a", 1, 2)])


def test_write_rejects_a_row_that_is_too_big(db: Database):
    """A row above D1's limit is rejected before it is sent."""
    with pytest.raises(D1TooBigError, match="row too large"):
        insert_new(db, "t", KEY, COLUMNS, [("a", 1, "x" * 1_950_000)])


def test_fetch_takes_keys_that_fill_more_than_one_parameter(db: Database):
    """Long keys of 3 MB are requested in parts, because D1 accepts 2 MB per parameter."""
    keys = [(f"{number:04}" + "k" * 1_000, number) for number in range(3_000)]
    insert_new(db, "t", KEY, COLUMNS, [(*key, key[1]) for key in keys])
    assert fetch(db, "t", KEY, ["v"], keys) == {key: (key[1],) for key in keys}
