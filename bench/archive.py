"""Metrics over 24 months of archive, compared with the same rows in D1's part of the warehouse.

Two warehouses of the same database: in one, all rows are live. In the other, all closed months of
`order_events` and `inventory_impact` have left D1. Each metric that reads them is computed in both,
over the whole time, and the CPU times are added by analysis.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from time import process_time
from typing import Any

from bench.comparison import Comparison, Target
from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.lab.lab import Lab
from d1lab.metrics import FOLDER, Metric, load_metrics
from d1lab.ops.archive import archive
from d1lab.pull import pull
from d1lab.warehouse import open_warehouse

EVENTS, SKUS, DAYS = 500_000, 400, 730
UNTIL = "2025-12-30"
TABLES = ("order_events", "inventory_impact")
REPEATS = 5
MOST = 1.5

_EVENTS = """
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?1)
INSERT INTO order_events (shop, event_id, type, order_id, customer_id, sku, quantity, list_price,
    discount_id, discount_amount, revenue, occurred_at)
SELECT 'shop', 'e' || i, 'order', 'o' || (i / 3), 'c' || (i * 7919 % 20000),
    'sku-' || (i * 31 % ?2), 1 + i % 3, 10.5, iif(i % 4, NULL, 'd' || (i % 20)), iif(i % 4, 0, 1.5),
    9.25 * (1 + i % 3) - iif(i % 4, 0, 1.5),
    datetime('2024-01-01', '+' || (i * ?3 * 86400.0 / ?1) || ' seconds')
FROM n
"""
_STOCK = """
WITH RECURSIVE s (k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM s LIMIT ?1),
    d (j) AS (SELECT 0 UNION ALL SELECT j + 1 FROM d LIMIT ?2)
INSERT INTO inventory_impact (shop, sku, date, starting_inventory, ending_inventory,
    units_sold_with_discount, units_sold_regular_price)
SELECT 'shop', 'sku-' || k, date('2024-01-01', '+' || j || ' days'), (k * 17 + j * 3) % 40 + 2,
    (k * 17 + j * 3) % 40, 1, 1
FROM d, s
"""


def run() -> list[Comparison]:
    """Measure all metrics in both warehouses, in turns."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        rows, files = build(home)
        labs = {part: _open(home / part) for part in ("live", "archived")}
        times = measured(labs)
        sizes = {part: (home / part / "warehouse.duckdb").stat().st_size for part in labs}
    table = [
        (analysis, live * 1000, archived * 1000, archived / live)
        for analysis, (live, archived) in sorted(times.items())
    ]
    how = (
        f"{EVENTS:,} order events and {SKUS * DAYS:,} inventory days of {DAYS} days; {rows:,} rows "
        f"are in {files} archive files of the second warehouse. CPU milliseconds, fastest of "
        f"{REPEATS}, for all metrics of an analysis over all days. Warehouse files: "
        f"{sizes['live'] / 1e6:.1f} MB live, {sizes['archived'] / 1e6:.1f} MB archived."
    )
    target = Target("slowest analysis, archived / live", max(row[3] for row in table), MOST)
    columns = ("analysis", "live", "archived", "archived / live")
    return [Comparison("24 months of archive", how, columns, table, [target])]


def build(home: Path, events: int = EVENTS, skus: int = SKUS) -> tuple[int, int]:
    """Fill a database, pull it twice, and archive the second time; return rows and files."""
    with closing(SqliteDatabase.create(home / "d1.sqlite")) as db:
        migrate(db)
        fill(db, events, skus)
        pull(db, home / "live", database="shop")
        shutil.copytree(home / "live", home / "archived")
        done = archive(
            db, home / "archived", database="shop", keep_days=1, tables=TABLES, delete=True
        )
    return sum(month.rows for month in done.months), len(done.months)


def fill(db: SqliteDatabase, events: int = EVENTS, skus: int = SKUS) -> None:
    """Insert the events and the stock of two years."""
    db.execute(_EVENTS, (events, skus, DAYS))
    db.execute(_STOCK, (skus, DAYS))


def measured(labs: dict[str, Lab]) -> dict[str, tuple[float, float]]:
    """Return the CPU seconds of each analysis: live, archived."""
    times: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    known = load_metrics()
    for path in sorted(FOLDER.glob("*/*.sql")):
        metric = known[path.stem]
        params = parameters(metric)
        if not {"order_lines", "inventory_days"} & {*metric.reads} or None in params.values():
            continue
        for place, lab in enumerate(labs.values()):
            times[path.parent.name][place] += _fastest(lab, metric, params)
    return {name: (live, archived) for name, (live, archived) in times.items()}


def _open(folder: Path) -> Lab:
    con = open_warehouse(folder)
    con.execute("SET enable_progress_bar = false")
    return Lab(con, database="shop", folder=folder, shop="shop")


def parameters(metric: Metric) -> dict[str, Any]:
    """Values by the names that parameters have; None for one that is not known."""
    usual = {"shop": "shop", "until": UNTIL, "as_of": UNTIL, "since": "2024-01-01"}
    usual |= {"mode": "quintile", "sku": "sku-1", "currency": "USD"}
    lengths = {"days": DAYS, "weeks": DAYS // 7}
    return {
        name: usual.get(name, lengths.get(name.rpartition("_")[2])) for name in metric.parameters
    }


def _fastest(lab: Lab, metric: Metric, params: dict[str, Any]) -> float:
    best = float("inf")
    for _ in range(REPEATS):
        start = process_time()
        lab.metric(metric.name, **params)
        best = min(best, process_time() - start)
    return best
