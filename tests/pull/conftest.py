"""Sources to pull from: a SQLite file, a database that looks remote, and the real engine."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from d1lab import catalog
from d1lab.d1 import Database, Result, Statement, TableInfo, Value, open_database, quote
from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.pull.convert import convert
from d1lab.warehouse import open_warehouse
from tests.support.worker_database import READER, WRITER, WorkerDatabase


class Remote:
    """An embedded database that looks remote: batches are packed and stored.

    `before_query` is called with each query before it runs, and can raise an error.
    """

    def __init__(self, inner: SqliteDatabase) -> None:
        self._inner, self.url, self.meter = inner, f"remote:{inner.url}", inner.meter
        self.before_query: Callable[[str, str], None] = lambda sql, table: None

    def query(self, sql: str, params: Sequence[Value] = (), *, table: str = "") -> Result:
        self.before_query(sql, table)
        return self._inner.query(sql, params, table=table)

    def execute(
        self, sql: str, params: Sequence[Value] = (), *, table: str = "", idempotent: bool = False
    ) -> Result:
        return self._inner.execute(sql, params, table=table)

    def batch(
        self, statements: Sequence[Statement], *, table: str = "", idempotent: bool = False
    ) -> list[Result]:
        return self._inner.batch(statements, table=table)

    def tables(self) -> dict[str, TableInfo]:
        return self._inner.tables()

    def bookmark(self) -> str | None:
        return self._inner.bookmark()

    def others_mark(self) -> None:
        """Return None, as D1 does."""

    def size_bytes(self) -> int | None:
        return self._inner.size_bytes()

    def close(self) -> None:
        self._inner.close()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with the migrations applied, to copy."""
    path = tmp_path_factory.mktemp("migrated") / "d1.sqlite"
    db = SqliteDatabase.create(path)
    migrate(db)
    db.close()
    return path


@pytest.fixture
def file(migrated: Path, tmp_path: Path) -> Iterator[SqliteDatabase]:
    """A database file with the migrations applied."""
    db = SqliteDatabase(shutil.copy(migrated, tmp_path))
    yield db
    db.close()


@pytest.fixture
def remote(file: SqliteDatabase) -> Remote:
    """The same file as a database that looks remote."""
    return Remote(file)


@pytest.fixture(
    params=[
        pytest.param("file", marks=pytest.mark.long),  # as the demo, which many tests pull
        "remote",
        pytest.param("engine", marks=[pytest.mark.engine, pytest.mark.long]),
        pytest.param("gateway", marks=[pytest.mark.engine, pytest.mark.long]),
    ]
)
def db(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database of each kind, with the migrations applied."""
    if request.param not in ("engine", "gateway"):
        yield request.getfixturevalue(request.param)
        return
    worker = WorkerDatabase(request.getfixturevalue("engine"))
    url = worker.gateway if request.param == "gateway" else worker.url
    database = open_database(url, read_token=READER, write_token=WRITER)
    migrate(database)
    yield database
    database.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the warehouse."""
    return tmp_path / "data"


EVENT = (
    "shop", "event_id", "type", "order_id", "customer_id", "sku", "quantity", "list_price",
    "discount_amount", "revenue", "occurred_at",
)  # fmt: skip


def add_events(db: Database, first: int, count: int) -> None:
    """Add order events, numbered from `first`."""
    db.execute(
        "WITH RECURSIVE n (i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n LIMIT ?2) "
        f"INSERT INTO order_events ({', '.join(EVENT)}) "
        "SELECT 'shop-' || (i % 3), 'e' || i, iif(i % 10, 'order', 'refund'), 'o' || (i / 3), "
        "nullif('c' || (i % 7), 'c0'), 'sku-' || (i % 11), i % 5, i % 9 + 0.5, 0, i % 13 * 1.25, "
        "datetime('2026-01-01', '+' || i || ' minutes') FROM n",
        (first, count),
    )


def add_customers(db: Database, count: int) -> None:
    """Add customers of shop s, numbered from c1."""
    db.execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?1) "
        "INSERT INTO customer_insights (shop, customer_id, total_savings) "
        "SELECT 's', 'c' || i, 1 FROM n",
        (count,),
    )


def content(con: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str]) -> list[tuple]:
    """Return the rows of a table in the schema raw, in a fixed order."""
    listed = ", ".join(map(quote, columns))
    rows = con.sql(f"SELECT {listed} FROM raw.{quote(table)}").fetchall()
    return sorted(rows, key=repr)


def expected(db: Database, name: str) -> list[tuple]:
    """Return what the warehouse should have of a declared table."""
    columns = catalog.TABLES[name].columns
    listed = ", ".join(quote(column.name) for column in columns)
    found = zip(*db.query(f"SELECT {listed} FROM {quote(name)}").rows, strict=True)
    fitted = [
        _decimals(convert(values, column.type).array.to_pylist(), column)
        for values, column in zip(found, columns, strict=False)
    ]
    return sorted(zip(*fitted, strict=True), key=repr)


def _decimals(values: list, column: catalog.Column) -> list:
    if column.type != "money":
        return values
    return [None if v is None else Decimal(v).quantize(Decimal("0.000001")) for v in values]


def assert_same(db: Database, folder: Path, name: str = "order_events") -> None:
    """Assert that the warehouse's table equals D1's."""
    columns = [column.name for column in catalog.TABLES[name].columns]
    with open_warehouse(folder) as con:
        assert content(con, name, columns) == expected(db, name)
