"""SQLite's views in DuckDB return the same rows, or are omitted with a reason."""

from __future__ import annotations

import sqlite3
from decimal import Decimal

import duckdb
import pytest

from d1lab.warehouse.sqlite_views import as_duckdb

ROWS = [(7, 2, "Ab", 1.5), (-7, 2, "cb", None), (8, 0, "AB", 0.25), (None, 3, None, 4.0)]


@pytest.fixture
def both():
    """The same table in SQLite and in DuckDB."""
    lite, duck = sqlite3.connect(":memory:"), duckdb.connect()
    lite.execute("CREATE TABLE t (a INTEGER, b INTEGER, s TEXT, r REAL)")
    duck.execute("CREATE TABLE t (a BIGINT, b BIGINT, s VARCHAR, r DOUBLE)")
    for con in (lite, duck):
        con.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", ROWS)
    yield lite, duck
    lite.close()
    duck.close()


@pytest.mark.parametrize(
    "select",
    [
        "SELECT a / b AS q, a / 2.0, r / b, a / r FROM t ORDER BY s",
        "SELECT s FROM t WHERE s LIKE 'a%' ORDER BY s",
        "SELECT s FROM t WHERE s NOT LIKE '%B' ORDER BY s",
        "SELECT a, s FROM t ORDER BY a LIMIT 2",
        "SELECT a, s FROM t ORDER BY a DESC LIMIT 3",
        "SELECT b, count(*), sum(a), avg(r), min(s), max(r) FROM t GROUP BY b ORDER BY b",
        "SELECT upper(s) || '!', coalesce(a, -1), nullif(b, 2), substr(s, 2) FROM t ORDER BY b, s",
        "WITH big AS (SELECT * FROM t WHERE a > 0) SELECT t.b FROM t JOIN big USING (a) ORDER BY 1",
        "SELECT a FROM t WHERE b IN (SELECT b FROM t WHERE r > 1) UNION SELECT 9 ORDER BY 1",
        "SELECT CASE WHEN a > 0 THEN 'up' ELSE 'down' END AS way FROM t ORDER BY way, b",
        "SELECT s, row_number() OVER (PARTITION BY b ORDER BY a) FROM t ORDER BY b, a",
    ],
)
def test_the_rows_are_sqlites(both, select):
    """Integers divide to integers, LIKE ignores case, and NULL sorts first."""
    lite, duck = both
    _, adapted = as_duckdb(duck, f"CREATE VIEW v AS {select}")
    found = duck.execute(adapted).fetchall()
    plain = [tuple(float(v) if isinstance(v, Decimal) else v for v in row) for row in found]
    assert plain == lite.execute(select).fetchall()


@pytest.mark.parametrize(
    ("select", "cause"),
    [
        ("SELECT CAST(r AS INTEGER) FROM t", "INTEGER"),
        ("SELECT date('now')", "DATE"),
        ("SELECT datetime(s) FROM t", "datetime"),
        ("SELECT max(a, b) FROM t", "max"),
        ("SELECT strftime('%Y', a, 'unixepoch') FROM t", "strftime"),
        ("SELECT r % 2 FROM t", "%"),
        ("SELECT total(a) FROM t", "total"),
        ("SELECT a FROM t WHERE s IS 'Ab'", "syntax"),
    ],
)
def test_a_view_that_may_differ_is_omitted_with_the_cause(both, select, cause):
    """A different figure without a warning would be worse than none."""
    with pytest.raises(ValueError, match=cause):
        as_duckdb(both[1], f"CREATE VIEW v AS {select}")


def test_a_list_of_columns_is_kept(both):
    """CREATE VIEW can list its columns."""
    assert as_duckdb(both[1], 'CREATE VIEW v ("a b", c) AS SELECT a, b FROM t') == (
        '("a b", c)',
        "SELECT a, b FROM t",
    )


@pytest.mark.parametrize(
    ("select", "is_same"),
    [
        ("SELECT s, a FROM t", True),
        ("SELECT * FROM t WHERE a > 1", True),
        ("SELECT s FROM t WHERE a > 1 ORDER BY a", True),
        ("SELECT DISTINCT a FROM t", True),
        ("SELECT a FROM t WHERE s = 'AB'", False),
        ("SELECT a FROM t WHERE S IN ('AB')", False),
        ("SELECT s, count(*) FROM t GROUP BY s", False),
        ("SELECT a FROM t ORDER BY s", False),
        ("SELECT max(s) FROM t", False),
        ("SELECT DISTINCT s FROM t", False),
        ("SELECT DISTINCT * FROM t", False),
        ("SELECT s FROM t UNION SELECT 'x'", False),
        ("SELECT t.a FROM t JOIN t AS u USING (s)", False),
        ("SELECT a FROM t ORDER BY a COLLATE NOCASE", False),
    ],
)
def test_columns_that_ignore_case_are_shown_but_not_compared(both, select, is_same):
    """SQLite finds 'AB' by 'ab' in a column COLLATE NOCASE, and groups, joins, and sorts by it."""
    create = f"CREATE VIEW v AS {select}"
    if is_same:
        as_duckdb(both[1], create, {"s"})
    else:
        with pytest.raises(ValueError, match=r"collation|COLLATE"):
            as_duckdb(both[1], create, {"s"})
