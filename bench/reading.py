"""Reading: the rows billed by D1 for a pull depend on changed rows, not on the size of tables.

All figures are rows billed by the real engine and do not depend on the machine. The shops have the
guide's tables: order lines and the app's counters. The benchmark simulates the clock.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import pyarrow as pa

from bench.comparison import Comparison, Target
from d1lab.d1 import Database, Statement, open_database
from d1lab.d1.migrate import migrate
from d1lab.outbox import stage
from d1lab.pull import pull
from d1lab.push import push
from d1lab.warehouse import open_warehouse
from tests.support import workerd

NOON = datetime(2026, 6, 1, 12)
PULLS_A_DAY = 96
_MOST_INSERTED = 50_000  # rows per statement

_ORDERS = """
WITH RECURSIVE n (i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n LIMIT ?2)
INSERT INTO order_events (shop, event_id, type, order_id, customer_id, sku, quantity, list_price,
  discount_id, discount_amount, revenue, occurred_at)
SELECT printf('shop%04d', i % ?3), 'e' || i, 'order', 'o' || (i / ?3 / 3), 'c' || (i / ?3 % ?4),
  's' || (i / ?3 % 97), 1, 9, 'd' || (i / ?3 % 7), 1, 8,
  datetime('2026-01-01', '+' || (i % 216000) || ' minutes')
FROM n
"""
_NUMBERS = "WITH RECURSIVE n (i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n LIMIT ?2)"
_COUNTERS = {
    "customer_insights": "(shop, customer_id, total_discounts_used, total_savings)"
    " SELECT printf('shop%04d', i % ?3), 'c' || (i / ?3), 1, 1 FROM n",
    "discount_analytics": "(shop, discount_id, sku, times_used, last_used_at)"
    " SELECT printf('shop%04d', i % ?3), 'd' || (i / ?3 % 7), 's' || (i / ?3), 1,"
    " datetime('2026-01-01', '+' || (i % 216000) || ' minutes') FROM n",
    "product_performance": "(shop, sku, units_sold_with_discount)"
    " SELECT printf('shop%04d', i % ?3), 's' || (i / ?3), 1 FROM n",
    "inventory_impact": "(shop, sku, date, starting_inventory)"
    " SELECT printf('shop%04d', i % ?3), 's' || (i / ?3 % 97),"
    " date('2025-04-15', '+' || (i / ?3 / 97) || ' days'), 5 FROM n",
}
_VISIT = """
UPDATE customer_insights SET total_discounts_used = total_discounts_used + 1
WHERE shop = 'shop0000' AND customer_id = ?1
"""
_USE = """
UPDATE discount_analytics SET times_used = times_used + 1, last_used_at = ?1
WHERE shop = 'shop0000' AND discount_id = ?2 AND sku = ?3
"""
_SALE = """
UPDATE product_performance SET units_sold_with_discount = units_sold_with_discount + 1
WHERE shop = 'shop0000' AND sku = ?1
"""


class Size(NamedTuple):
    """Number of shops and of rows per shop."""

    shops: int
    lines: int
    customers: int
    discounts: int  # discount_analytics: pairs of discount and SKU
    products: int
    stock: int  # inventory_impact: SKUs by days

    @property
    def rows(self) -> int:
        """Return the rows of all shops."""
        return self.shops * sum(self[1:])


KIOSK = Size(40, 6_500, 90, 500, 400, 3_000)
LIVING = Size(1, 182_000, 30_000, 28_000, 3_000, 40_000)


class Day(NamedTuple):
    """Rows read by the pulls of a day."""

    rows_read: int
    rows_changed: int  # order lines and counters written by the app
    counters_read: int  # rows of counters read by the first pull of the day

    @property
    def read_per_change(self) -> float:
        """Rows read per changed row."""
        return self.rows_read / self.rows_changed


def run() -> list[Comparison]:
    """Measure everything."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "engine").mkdir()
        with workerd.running(home / "engine") as engine:
            few, many = KIOSK, KIOSK._replace(shops=160)
            lines = [
                one_line(_open(engine, size), home / f"{size.shops}", size) for size in (few, many)
            ]
            ours = own_push(_open(engine, LIVING), home / "own", LIVING)
            days = living_days(_open(engine, LIVING), home / "days", LIVING, PULLS_A_DAY)
        first, second = reports_twice(home / "project")
    return [
        _second_report(first, second),
        Comparison(
            "One new order line",
            f"Shops in one database, each with {few.lines:,} order lines and their counters. The "
            "app writes one line; a pull follows.",
            ("shops", "rows in D1", "rows pulled", "rows read"),
            [
                (size.shops, size.rows, 1, read)
                for size, read in zip((few, many), lines, strict=True)
            ],
            [
                Target("rows read, 40 shops", lines[0], 1_000),
                Target("rows read, 160 shops", lines[1], 1_000),
            ],
        ),
        Comparison(
            "The pull after d1lab's own push",
            f"One shop of {LIVING.customers:,} customers; the push gives each a segment.",
            ("rows pushed", "rows read by the pull"),
            [(LIVING.customers, ours)],
            [Target("rows read", ours, 100)],
        ),
        Comparison(
            f"{PULLS_A_DAY} pulls a day",
            f"One shop of {LIVING.rows:,} rows. Before each pull the app writes 6 order lines and "
            "updates 18 counters. The first pull of a day reads the counters, discount_analytics "
            "only once a week, because its index proved complete on the first day.",
            ("day", "rows changed", "rows read", "per row changed"),
            [
                (number, day.rows_changed, day.rows_read, day.read_per_change)
                for number, day in enumerate(days, 1)
            ],
            [
                Target(
                    "rows read per row changed, over the week",
                    _of_all(days).read_per_change,
                    20,
                )
            ],
        ),
    ]


def _second_report(first: int, second: int) -> Comparison:
    return Comparison(
        "The second make report",
        "The demo of three shops: `d1lab demo --if-missing` and `d1lab run`, and both again. "
        "Every report was pushed by the first run, and is up to date in the second.",
        ("run", "rows read"),
        [("first", first), ("second", second)],
        [Target("rows read", second, 2_000)],
    )


def _of_all(days: list[Day]) -> Day:
    return Day(*(sum(figures) for figures in zip(*days, strict=True)))


def _open(engine: workerd.Engine, size: Size) -> Database:
    db = open_database(engine.fresh())
    fill(db, size)
    return db


def fill(db: Database, size: Size) -> None:
    """Create the guide's tables with that number of rows."""
    migrate(db)
    tables = ("customer_insights", "discount_analytics", "product_performance", "inventory_impact")
    for table, rows in zip(tables, size[2:], strict=True):
        _insert(db, f"{_NUMBERS} INSERT INTO {table} {_COUNTERS[table]}", 0, size, rows)
    _insert(db, _ORDERS, 0, size, size.lines)


def _insert(db: Database, sql: str, first: int, size: Size, rows: int) -> None:
    values = (size.shops, size.customers) if sql == _ORDERS else (size.shops,)
    end = first + rows * size.shops
    for start in range(first, end, _MOST_INSERTED):
        db.execute(sql, (start, min(_MOST_INSERTED, end - start), *values))


def one_line(db: Database, folder: Path, size: Size) -> int:
    """Return the rows read by the pull after one new order line."""
    pull(db, folder, database="bench")
    db.execute(_ORDERS, (size.shops * size.lines, 1, size.shops, size.customers))
    result = pull(db, folder, database="bench")
    assert result.rows_pulled == 1
    return result.rows_read


def own_push(db: Database, folder: Path, size: Size) -> int:
    """Return the rows read by the pull after a push that changed every customer."""
    pull(db, folder, database="bench")
    names = [f"c{number}" for number in range(size.customers)]
    columns = {"shop": ["shop0000"] * len(names), "customer_id": names}
    frame = pa.table(columns | {"customer_segment": ["vip"] * len(names)})
    run_dir = folder / "runs" / "first"
    stage(frame, "customer_insights", run_dir)
    assert push(db, run_dir).changed == size.customers
    read = pull(db, folder, database="bench").rows_read
    with open_warehouse(folder) as con:
        written = "SELECT count(*) FROM raw.customer_insights WHERE customer_segment = 'vip'"
        assert con.execute(written).fetchall() == [(size.customers,)]
    return read


def living_days(db: Database, folder: Path, size: Size, pulls: int, *, days: int = 7) -> list[Day]:
    """Return the rows read on each day of pulls while the app keeps writing."""
    with _clock(NOON - timedelta(days=1)):
        pull(db, folder, database="bench")
    return [_day(db, folder, size, pulls, number) for number in range(days)]


def _day(db: Database, folder: Path, size: Size, pulls: int, day: int) -> Day:
    read = changed = counters = 0
    for number in range(pulls):
        now = NOON.replace(hour=0) + timedelta(days=day, minutes=1 + number * 1_430 // pulls)
        changed += _write(db, size, day * pulls + number, now)
        with _clock(now):
            result = pull(db, folder, database="bench")
        read += result.rows_read
        counters += sum(t.rows_read for t in result.by_table.values() if t.whole)
    return Day(read, changed, counters)


def _write(db: Database, size: Size, number: int, now: datetime) -> int:
    """Write six lines and six rows of each of three counters; return the rows changed."""
    lines = (size.lines + 6 * number, 6, size.shops, size.customers)
    at = (now - timedelta(minutes=5)).strftime("%Y-%m-%d %H:%M:%S")
    statements = [Statement(_ORDERS, lines)]
    for place in range(6 * number, 6 * number + 6):
        customer, pair, sku = (place % many for many in size[2:5])
        statements += [
            Statement(_VISIT, (f"c{customer}",)),
            Statement(_USE, (at, f"d{pair % 7}", f"s{pair}")),
            Statement(_SALE, (f"s{sku}",)),
        ]
    db.batch(statements)
    return 4 * 6


def reports_twice(root: Path) -> tuple[int, int]:
    """Rows read by all reports of the demo, and by the same commands once more."""
    root.mkdir()
    read = [0]
    for _ in range(2):
        for command in (["demo", "--if-missing"], ["run"]):
            program = Path(sys.executable).with_name("d1lab")
            environment = os.environ | {"D1LAB_ROOT": str(root)}
            subprocess.run([program, *command], check=True, env=environment, cwd=root)
        read.append(rows_read(root / "data" / "demo"))
    return read[1], read[2] - read[1]


def rows_read(folder: Path) -> int:
    """Rows read so far, by the usage log of a database's folder."""
    lines = [
        line
        for file in (folder / "usage").glob("*.jsonl")
        for line in file.read_text().splitlines()
    ]
    return sum(json.loads(line)["rows_read"] for line in lines)


@contextmanager
def _clock(now: datetime) -> Iterator[None]:
    """Set the time of pulls, for d1lab and for D1."""
    under_way = f"datetime('{now:%Y-%m-%d %H:%M:%S}', '-2 minutes')"
    with (
        patch("d1lab.pull.session.utc_now", lambda: now),
        patch("d1lab.pull.bounds.UNDER_WAY", under_way),
    ):
        yield
