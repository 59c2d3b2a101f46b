"""Packed batches return each row once and exactly, within D1's limits, for one row read each."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d1lab.d1 import Database, Result, Usage, Value, batches, open_database, quote
from d1lab.d1.batches import Batch, BatchSize
from d1lab.d1.database import Budget
from d1lab.d1.keyset import BatchReader
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import (
    BudgetError,
    D1OverloadedError,
    D1QueryError,
    D1TooBigError,
    UnpagedTableError,
)
from tests.support.examples import examples


@pytest.fixture(autouse=True)
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record pauses instead of making them."""
    pauses: list[float] = []
    monkeypatch.setattr(batches, "sleep", pauses.append)
    return pauses


def reader(db: Database, table: str, *, budget: int | None = None, **how) -> BatchReader:
    info = db.tables()[table]
    columns = [column.name for column in info.columns]
    return BatchReader(db, info, columns, budget=Budget(db.meter, budget), **how)


def rows(found: Sequence[Batch]) -> list[tuple[Value, ...]]:
    return list(chain.from_iterable(zip(*batch.columns, strict=True) for batch in found))


def numbers(db: Database, count: int) -> None:
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)")
    db.execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?1) "
        "INSERT INTO t SELECT i, 'row ' || i FROM n",
        (count,),
    )


def test_rows_come_once_in_order_and_cost_one_row_read_each(writable):
    """The bill is the number of rows: there is no OFFSET and no second read."""
    numbers(writable, 3_500)
    before = writable.meter.total.rows_read
    batches = reader(writable, "t")
    before = writable.meter.total.rows_read
    found = list(batches.by_rowid(0, 3_500))
    assert rows(found) == [(i, f"row {i}") for i in range(1, 3_501)]
    assert list(chain.from_iterable(batch.rowids for batch in found)) == list(range(1, 3_501))
    assert found[-1].upto == 3_500
    assert writable.meter.total.rows_read - before == 3_500


def test_bounds_are_kept(writable):
    """The lower bound is exclusive, the upper one inclusive, and gaps cost nothing."""
    numbers(writable, 30)
    writable.execute("DELETE FROM t WHERE id BETWEEN 11 AND 20")
    found = list(reader(writable, "t").by_rowid(5, 25))
    assert [row[0] for row in rows(found)] == [*range(6, 11), *range(21, 26)]


def test_values_are_exact(writable):
    """Integers beyond 2^53, whole reals, NULs, quotes, and other scripts are returned unchanged."""
    values = [9007199254740993, -(2**63), 1.5, "a'\"\\", "naïve 価格 🛒", "nul\x00inside", None, ""]
    writable.execute("CREATE TABLE t (a)")
    for value in values:
        writable.execute("INSERT INTO t VALUES (?1)", (value,))
    for packed in (True, False):
        assert [
            row[0] for row in rows(list(reader(writable, "t", packed=packed).by_rowid(0, 99)))
        ] == values


def test_reals_and_infinities_are_exact_from_the_engine(engine):
    """D1 packs reals with 17 digits and keeps infinities, which plain responses turn to null."""
    db = open_database(engine.fresh())
    db.execute("CREATE TABLE t (a REAL)")
    db.execute("INSERT INTO t VALUES (0.1 + 0.2), (1.0), (9e999), (-9e999), (5e-324), (1.79e308)")
    [batch] = reader(db, "t").by_rowid(0, 9)
    assert batch.columns == [[0.1 + 0.2, 1.0, float("inf"), float("-inf"), 5e-324, 1.79e308]]
    assert {type(value) for value in batch.columns[0]} == {float}
    db.close()


def test_blobs_are_read_wrapped(writable):
    """A blob in a text column makes D1 reject the batch, so it is read as hexadecimal digits."""
    writable.execute("CREATE TABLE t (a TEXT, b BLOB, c INTEGER)")
    writable.execute(
        "INSERT INTO t VALUES ('plain', x'00ff', 1), (x'c3a9', 'text', 2.5), (NULL, NULL, 'x')"
    )
    expected = [("plain", b"\x00\xff", 1), (b"\xc3\xa9", "text", 2.5), (None, None, "x")]
    assert rows(list(reader(writable, "t").by_rowid(0, 9))) == expected


def test_text_that_is_not_utf8_comes_as_bytes(embedded):
    """Python rejects such text, so it is read as hexadecimal digits and returned as bytes."""
    embedded.execute("CREATE TABLE t (a TEXT)")
    embedded.execute("INSERT INTO t VALUES ('fine'), (CAST(?1 AS TEXT))", (b"\xff\x41",))
    found = list(reader(embedded, "t", packed=False).by_rowid(0, 9))
    assert rows(found) == [("fine",), (b"\xffA",)]


def test_hostile_names_are_only_names(writable):
    """Quotes, keywords, positional aliases, and rowid itself can be column names."""
    table = 'a"; DROP TABLE x; --'
    columns = ["rowid", "c0", "c1", "select", 'q"uote', "with space"]
    listed = ", ".join(map(quote, columns))
    writable.execute(f"CREATE TABLE {quote(table)} ({listed})")
    writable.execute(f"INSERT INTO {quote(table)} VALUES (9, 8, 7, 6, 5, 4), (1, 2, 3, 4, 5, 6)")
    found = list(reader(writable, table).by_rowid(0, 9))
    assert rows(found) == [(9, 8, 7, 6, 5, 4), (1, 2, 3, 4, 5, 6)]
    assert found[0].rowids == [1, 2]


def test_a_table_that_takes_all_names_of_the_rowid_is_read_by_a_unique_index(embedded):
    """Such a table is read by a unique key of NOT NULL columns instead of its rowid."""
    embedded.execute("CREATE TABLE t (rowid, _rowid_, OID, code TEXT NOT NULL UNIQUE)")
    embedded.execute("INSERT INTO t VALUES (7, 8, 9, 'b'), (7, 8, 9, 'a'), (NULL, 1, 2, 'c')")
    table = embedded.tables()["t"]
    assert (table.has_rowid, table.read_by.columns, table.is_unpaged) == (False, ("code",), False)
    pages = reader(embedded, "t")
    pages.size = BatchSize(first=2, most=2)
    assert rows(pages.by_key()) == [(7, 8, 9, "a"), (7, 8, 9, "b"), (None, 1, 2, "c")]


def test_without_such_an_index_one_query_reads_all(embedded, monkeypatch):
    """A nullable key cannot be paged by; a table too large for one query is an error."""
    embedded.execute("CREATE TABLE t (rowid, _rowid_, OID TEXT PRIMARY KEY)")
    embedded.execute("INSERT INTO t VALUES (1, x'00', NULL), (1, 'b', NULL), (2, 0.5, 'c')")
    assert embedded.tables()["t"].is_unpaged
    found = reader(embedded, "t").whole()
    assert sorted(zip(*found.columns, strict=True), key=repr) == [
        (1, "b", None), (1, b"\x00", None), (2, 0.5, "c")
    ]  # fmt: skip
    monkeypatch.setattr("d1lab.d1.keyset.MOST_ROWS", 3)
    with pytest.raises(UnpagedTableError, match=r"'t' was not pulled.*rowid, _rowid_, oid"):
        reader(embedded, "t").whole()


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1_000])
def test_composite_keys_are_walked_once(writable, limit):
    """A table without rowids is read by its key from any start; each query reads one extra row."""
    writable.execute("CREATE TABLE t (b TEXT, v, a INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID")
    for a in range(4):
        for b in ("", "x", "it's", "é"):
            writable.execute("INSERT INTO t VALUES (?1, ?2, ?3)", (b, a, a))
    batches = reader(writable, "t")
    batches.size = BatchSize(first=limit, most=limit)
    before = writable.meter.total
    found = list(batches.by_key())
    cost = writable.meter.total - before
    if writable.url.startswith("wrangler"):  # the embedded bill is an estimate
        assert 16 <= cost.rows_read <= 16 + cost.calls
    wanted = [(b, a, a) for a in range(4) for b in ("", "it's", "x", "é")]
    assert rows(found) == wanted
    for batch in found:
        rest = rows(list(batches.by_key(str(batch.upto))))
        assert rest == wanted[wanted.index(rows([batch])[-1]) + 1 :]


@settings(max_examples=examples(60))
@given(
    keys=st.sets(
        st.tuples(
            st.one_of(st.integers(-(2**63), 2**63 - 1), st.text(max_size=3), st.binary(max_size=2)),
            st.text(max_size=2),
            st.integers(-3, 3),
        ),
        max_size=25,
    ),
    limit=st.integers(1, 5),
)
def test_any_key_is_walked_once(tmp_path_factory, keys, limit):
    """Keys can have any storage class and contain NULs and blobs."""
    db = SqliteDatabase.create(tmp_path_factory.mktemp("keys") / "d1.sqlite")
    db.execute("CREATE TABLE t (a, b TEXT, c INTEGER, PRIMARY KEY (a, b, c)) WITHOUT ROWID")
    for key in keys:
        db.execute("INSERT INTO t VALUES (?1, ?2, ?3)", key)
    for packed in (True, False):
        batches = reader(db, "t", packed=packed)
        batches.size = BatchSize(first=limit, most=limit)
        found = rows(list(batches.by_key()))
        assert found == db.query("SELECT * FROM t ORDER BY a, b, c").rows
    db.close()


def test_rowids_are_looked_up(writable):
    """Rows are read by rowid, without those that no longer exist."""
    numbers(writable, 50)
    batches = reader(writable, "t")
    batches.size = BatchSize(first=3, most=3)
    found = list(batches.of_rowids([2, 3, 5, 7, 99, 11, 13]))
    assert [row[0] for row in rows(found)] == [2, 3, 5, 7, 11, 13]


class Flaky:
    """A database that fails some queries."""

    def __init__(self, inner: Database, refuse) -> None:
        self._inner, self._refuse = inner, refuse
        self.meter, self.asked = inner.meter, list[tuple[str, tuple[Value, ...]]]()

    def __getattr__(self, name: str):
        return getattr(self._inner, name)

    def query(self, sql: str, params: Sequence[Value] = (), *, table: str = "") -> Result:
        self.asked.append((sql, tuple(params)))
        self._refuse(sql, tuple(params))
        return self._inner.query(sql, params, table=table)


def test_batches_shrink_until_they_pass_and_grow_back(embedded):
    """A batch that is too big is halved, and the size recovers step by step."""
    numbers(embedded, 6_000)

    def refuse(sql, params):
        if params[-1] > 600 and params[0] < 2_000:
            raise D1TooBigError("string or blob too big: SQLITE_TOOBIG")

    db = Flaky(embedded, refuse)
    found = list(reader(db, "t").by_rowid(0, 6_000))
    assert rows(found) == [(i, f"row {i}") for i in range(1, 6_001)]
    sizes = [params[-1] for _, params in db.asked]
    assert sizes[:2] == [1_000, 500]
    assert max(batch.rows for batch in found) > 600


def test_wide_rows_are_read_in_smaller_batches(embedded):
    """The first batch shows how wide the rows are, so later ones stay within D1's limit of 2 MB."""
    embedded.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)")
    embedded.execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 6000) "
        "INSERT INTO t SELECT i, printf('%01500d', i) FROM n"
    )
    refused = []
    db = Flaky(embedded, lambda sql, params: refused.append(params[-1]))
    found = list(reader(db, "t").by_rowid(0, 6_000))
    assert sum(batch.rows for batch in found) == 6_000
    assert all(batch.rows <= 1_000 for batch in found)
    assert len(refused) == len(found)  # none was sent in vain


def test_a_row_too_big_to_pack_is_read_plain(embedded):
    """Packing makes a value longer, so a row may fit only if it is not packed."""
    embedded.execute("CREATE TABLE t (a TEXT)")
    quotes = '"' * 1_500_000  # as JSON: 3 MB
    embedded.execute("INSERT INTO t VALUES ('before'), (?1), ('after')", (quotes,))
    assert rows(list(reader(embedded, "t").by_rowid(0, 9))) == [("before",), (quotes,), ("after",)]


def test_an_overloaded_database_is_given_time(embedded, naps):
    """The batches get smaller, and the pauses before them longer."""
    numbers(embedded, 100)
    refusals = iter([True, True, True, False])

    def refuse(sql, params):
        if next(refusals):
            raise D1OverloadedError("D1 DB is overloaded")

    found = list(reader(Flaky(embedded, refuse), "t").by_rowid(0, 100))
    assert len(rows(found)) == 100
    assert naps == [0.5, 1.0, 2.0]


def test_an_error_at_one_row_is_raised(embedded, naps):
    """A batch of one row cannot be halved."""
    numbers(embedded, 10)

    def refuse(sql, params):
        raise D1OverloadedError("D1 DB is overloaded")

    with pytest.raises(D1OverloadedError):
        list(reader(Flaky(embedded, refuse), "t").by_rowid(0, 10))
    assert len(naps) < 20
    assert max(naps) == 10.0


def test_invalid_sql_is_raised_immediately(embedded):
    """A query is retried only if smaller or wrapped batches can help."""
    numbers(embedded, 10)
    batches = reader(embedded, "t")
    embedded.execute("DROP TABLE t")
    with pytest.raises(D1QueryError, match="no such table"):
        list(batches.by_rowid(0, 10))


def test_a_budget_is_never_exceeded(writable):
    """The last batch is limited to what the budget allows, and then the reader stops."""
    numbers(writable, 5_000)
    batches = reader(writable, "t", budget=1_234)
    before = writable.meter.total.rows_read
    found: list[Batch] = []
    with pytest.raises(BudgetError, match=r"1,234 of 1,234 were read"):
        found.extend(batches.by_rowid(0, 5_000))
    assert [row[0] for row in rows(found)] == list(range(1, 1_235))
    assert writable.meter.total.rows_read - before == 1_234


def test_a_budget_that_is_just_enough_is_enough(writable):
    """The bounds show where a table ends, so no extra row is requested."""
    numbers(writable, 1_234)
    batches = reader(writable, "t", budget=1_234)
    assert len(rows(list(batches.by_rowid(0, 1_234)))) == 1_234


def test_threads_share_a_budget(embedded):
    """Rows are reserved before they are read."""
    budget, granted = Budget(embedded.meter, 100), []

    def work():
        for _ in range(50):
            try:
                with budget.take(7) as rows:
                    granted.append(rows)
                    embedded.meter.add("t", Usage(rows_read=rows))
            except BudgetError:
                return

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) == 100 == embedded.meter.total.rows_read


def test_the_alias_of_the_rowid_is_read_once(writable):
    """Only INTEGER PRIMARY KEY is an alias of the rowid: no other key, and not with DESC."""
    for name, key in {
        "plain": "INTEGER PRIMARY KEY",
        "counted": "INTEGER PRIMARY KEY AUTOINCREMENT",
        "turned": "INTEGER PRIMARY KEY DESC",
        "short": "INT PRIMARY KEY",
        "texts": "TEXT PRIMARY KEY",
    }.items():
        writable.execute(f"CREATE TABLE {name} (a TEXT, k {key}, b TEXT)")
        writable.execute(f"INSERT INTO {name} VALUES ('a', 30, 'b'), ('c', 20, 'd')")
    tables = writable.tables()
    assert {name: table.rowid_column for name, table in tables.items()} == {
        "plain": "k",
        "counted": "k",
        "turned": None,
        "short": None,
        "texts": None,
    }
    assert rows(list(reader(writable, "plain").by_rowid(0, 99))) == [("c", 20, "d"), ("a", 30, "b")]
    assert rows(list(reader(writable, "turned").by_rowid(0, 99))) == [
        ("a", 30, "b"),
        ("c", 20, "d"),
    ]
    asked = Flaky(writable, lambda sql, params: None)
    list(reader(asked, "plain").by_rowid(0, 99))
    assert asked.asked[0][0].count("json_group_array") == 3
