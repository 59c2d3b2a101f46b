"""The small project that is disturbed: a shop of three products, its files, and its state."""

from __future__ import annotations

import csv
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from datetime import date, timedelta
from pathlib import Path
from tempfile import mkdtemp

import duckdb

from d1lab import files
from d1lab.d1.database import quote
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.warehouse import FILE_NAME
from tests.support import small_shop

Cells = Counter[tuple[object, ...]]
State = dict[str, tuple[tuple[str, ...], list[tuple[object, ...]]]]
"""The columns and rows of each table."""

DATABASE = "shop"
RUN = "20260501T060000-customers-corner"
SECOND = 1.1  # between two undisturbed runs, so that they do not write the same time
HEADER = (
    "Name", "Id", "Email", "Financial Status", "Currency", "Subtotal", "Taxes", "Total",
    "Discount Code", "Discount Amount", "Created at", "Lineitem quantity", "Lineitem name",
    "Lineitem price", "Lineitem sku", "Lineitem discount", "Cancelled at", "Refunded Amount",
)  # fmt: skip


def create(folder: Path) -> Path:
    """Make a project without a database: d1lab.toml, and a file for each command that loads one."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "d1lab.toml").write_text(
        f'database = "{DATABASE}"\n\n[databases.{DATABASE}]\nurl = "sqlite:d1.sqlite"\n'
        'currency = "EUR"\n'
    )
    small_shop.write_events(folder / "events.jsonl")
    _write(folder / "orders.csv", HEADER, _orders())
    skus = list(small_shop.UNITS)
    since = small_shop.FIRST.isoformat()
    costs = [("corner", sku, 4 + place, since) for place, sku in enumerate(skus)]
    _write(folder / "costs.csv", ("shop", "sku", "unit_cost", "valid_from"), costs)
    names = ("shop", "sku", "competitor", "price", "currency", "observed_at")
    prices = [("corner", sku, "acme", 9.5, "EUR", "2026-04-01") for sku in skus]
    _write(folder / "prices.csv", names, prices)
    names = ("Handle", "Title", "Vendor", "Type", "Variant SKU", "Variant Price", "Cost per item")
    products = [(sku, sku.title(), "Mill", "Clothes", sku, 10, 4) for sku in skus]
    _write(folder / "products.csv", names, products)
    stock = [(sku, sku.title(), sku, "Main", 20 + place) for place, sku in enumerate(skus)]
    _write(folder / "stock.csv", ("Handle", "Title", "SKU", "Location", "On hand"), stock)
    return folder


def _orders() -> Iterator[tuple[object, ...]]:
    first = date(2026, 4, 1)
    for number in range(40):
        at = f"{first + timedelta(number // 2)} 10:00:00 +0000"
        email = f"c{number % 7}@shop.example"
        yield (
            f"#{number}", number + 1, email, "paid", "EUR", 20, 0, 20, "", 0, at, 2,
            "Sock", 10, "sock", 0, "", 0,
        )  # fmt: skip


def _write(path: Path, header: tuple[str, ...], rows: object) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)  # pyright: ignore[reportArgumentType]


def d1_state(file: Path) -> State:
    """All of d1lab's and the app's tables in a SQLite file; none where there is no file."""
    if not file.is_file():
        return {}
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        db.text_factory = lambda text: text.decode(errors="replace")
        found = db.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        return {f"d1.{name}": _rows(db, quote(name)) for (name,) in found.fetchall()}


def warehouse_state(folder: Path) -> State:
    """The pulled tables of a warehouse; none where there is no warehouse."""
    if not (folder / FILE_NAME).is_file():
        return {}
    with duckdb.connect(str(folder / FILE_NAME), read_only=True) as con:
        found = con.sql("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'raw'")
        return {
            f"warehouse.{name}": _rows(con, f"raw.{quote(name)}") for (name,) in found.fetchall()
        }


def files_state(folder: Path, *, ignored: Callable[[str], bool]) -> State:
    """The path and digest of each file below a folder."""
    rows: list[tuple[object, ...]] = [
        (str(path.relative_to(folder)), files.digest(path.read_bytes()))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not ignored(str(path.relative_to(folder)))
    ]
    return {"files": (("path", "digest"), rows)}


def _rows(
    con: sqlite3.Connection | duckdb.DuckDBPyConnection, table: str
) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    result = con.execute(f"SELECT * FROM {table}")  # noqa: S608  quoted
    columns = tuple(column[0] for column in result.description or ())
    return columns, [tuple(map(_plain, row)) for row in result.fetchall()]


def _plain(value: object) -> object:
    return value if isinstance(value, (int, float, str, bytes, type(None))) else str(value)


def volatile(one: State, two: State) -> dict[str, frozenset[str]]:
    """The columns of each table that differ between two undisturbed runs: times, run IDs.

    A fault cannot be told from an accident there, so they are not compared.
    """
    found = {}
    for table in one.keys() & two.keys():
        columns, rows = one[table]
        others = two[table][1]
        found[table] = frozenset(
            name
            for place, name in enumerate(columns)
            if Counter(row[place] for row in rows) != Counter(row[place] for row in others)
        )
    return found


def counted(state: State, without: dict[str, frozenset[str]]) -> dict[str, Cells]:
    """The rows of each table and how often each is there, without some columns."""
    found = {}
    for table, (columns, rows) in state.items():
        kept = [p for p, name in enumerate(columns) if name not in without.get(table, frozenset())]
        found[table] = Counter(tuple(row[place] for place in kept) for row in rows)
    return found


def staged(run_dir: Path) -> Path:
    """A run's folder whose outbox holds a segment for each customer."""
    import pyarrow as pa

    from d1lab.outbox import stage

    customers = [f"c{number}" for number in range(7)]
    frame = pa.table(
        {
            "shop": ["corner"] * len(customers),
            "customer_id": customers,
            "customer_segment": ["vip", "regular", "new"] * 2 + ["vip"],
        }
    )
    stage(frame, "customer_insights", run_dir)
    return run_dir


def empty_database(path: Path) -> None:
    """Make an empty D1."""
    SqliteDatabase.create(path).close()


def count_as_app(path: Path) -> None:
    """Count in a table as the app does, for a take-over."""
    with closing(SqliteDatabase(path)) as db:
        db.execute(
            "INSERT INTO product_performance (shop, sku, units_sold_with_discount) "
            "VALUES ('corner', 'sock', 7)"
        )


@contextmanager
def copied(folder: Path) -> Generator[Path]:
    """A copy to work on, removed at the end."""
    copy = Path(mkdtemp(prefix="chaos-"))
    try:
        yield Path(shutil.copytree(folder, copy, dirs_exist_ok=True))
    finally:
        shutil.rmtree(copy)
