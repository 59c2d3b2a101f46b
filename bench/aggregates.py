"""All counters of the app from ten million events, compared with pandas and SQLite.

    python -m bench aggregates

Each contender builds the four tables of `d1lab aggregate` (discount_analytics,
daily_discount_stats, product_performance, customer_insights) from the same events, with all
columns, in its own process on two threads, as tables in memory. d1lab runs its SQL files on the
warehouse. pandas reads a Parquet file of the same view and uses its usual methods. SQLite runs
equivalent SQL on a table of the events, as a D1 would have to, with its limit of 30 seconds per
query. The sums of every column of every table are compared.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from bench.comparison import Comparison, Target

EVENTS = 10_000_000
CUSTOMERS, SKUS, DISCOUNTS, SHOPS, DAYS = 400_000, 5_000, 120, 20, 730
FOLDER = Path(__file__).parent
AGGREGATES = FOLDER.parent / "d1lab" / "ingest" / "aggregates"
TABLES = tuple(sorted(path.stem for path in AGGREGATES.glob("*.sql")))
SIDES = ("ours", "pandas", "sqlite")
FILES = {"ours": "warehouse.duckdb", "pandas": "order_lines.parquet", "sqlite": "events.sqlite"}

_EVENTS = f"""
CREATE TABLE raw.order_events AS
WITH drawn AS (
    SELECT
        i,
        least(hash(i, 3) % {CUSTOMERS}, hash(i, 4) % {CUSTOMERS})::BIGINT AS customer,
        least(hash(i, 5) % {SKUS}, hash(i, 6) % {SKUS})::BIGINT           AS article,
        (hash(i, 10) % {DISCOUNTS})::BIGINT                               AS discount,
        hash(i, 9) % 3 = 0                                                AS discounted
    FROM range($events) AS t (i)
)
SELECT
    'shop-' || customer % {SHOPS}                                         AS shop,
    'e' || i                                                              AS event_id,
    CASE WHEN hash(i, 1) % 20 = 0 THEN 'refund' ELSE 'order' END          AS type,
    'o' || i // 3                                                         AS order_id,
    CASE WHEN hash(i, 2) % 10 > 0 THEN 'c' || customer END                AS customer_id,
    'SKU-' || article                                                     AS sku,
    'Article ' || article || ' of ' || hash(i, 7) % 3                     AS product_title,
    1 + (hash(i, 8) % 4)::BIGINT                                          AS quantity,
    (100 + article % 9900)::DECIMAL(18, 6) / 100                          AS list_price,
    CASE WHEN discounted THEN 'd' || discount END                         AS discount_id,
    CASE WHEN discounted AND discount % 2 = 0 THEN 'CODE' || discount END AS discount_code,
    CASE WHEN discounted THEN ['percentage', 'fixed', 'shipping'][1 + discount % 3] END
                                                                          AS discount_type,
    CASE WHEN discounted THEN (hash(i, 11) % 90)::DECIMAL(18, 6) / 100 ELSE 0 END
                                                                          AS discount_amount,
    (100 + hash(i, 12) % 9900)::DECIMAL(18, 6) / 100                      AS revenue,
    TIMESTAMP '2024-01-01' + to_seconds(i * ({DAYS} * 86400) // $events)  AS occurred_at
FROM drawn
"""
_TIMES = {
    "date",
    "first_used_at",
    "last_used_at",
    "last_purchase_date",
    "updated_at",
}


def run() -> list[Comparison]:
    """Measure every contender once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_events(folder)
        sides = {side: _measured(side, folder / FILES[side]) for side in SIDES}
    for side in SIDES[1:]:
        require_equal(sides["ours"]["tables"], sides[side]["tables"], side)
    ours = sides["ours"]
    rows = [
        (label, side["seconds"], side["seconds"] / ours["seconds"], side["peak_megabytes"])
        for label, side in zip(("d1lab", "pandas", "SQL in SQLite"), sides.values(), strict=True)
    ]
    made = ", ".join(f"{ours['tables'][table]['rows']:,} {table}" for table in TABLES)
    how = (
        f"{EVENTS:,} order events of {SHOPS} shops into all rows that `d1lab aggregate` compares "
        f"with D1: {made}. The time includes reading the events from the warehouse, a "
        "Parquet file, and a SQLite table. The sums of all columns are equal."
    )
    targets = [
        Target(f"time of {label} / d1lab", ratio, 2, at_most=False)
        for label, _, ratio, _ in rows[1:]
    ]
    return [
        Comparison(
            "All counters of the app",
            how,
            ("contender", "seconds", "times d1lab", "peak MB"),
            rows,
            targets,
        )
    ]


def write_events(folder: Path, events: int = EVENTS) -> None:
    """Write the same events to a warehouse, a Parquet file, and a SQLite table."""
    from adbc_driver_sqlite import dbapi

    from d1lab.warehouse.shop_days import prepare_days

    view = (FOLDER.parent / "d1lab" / "warehouse" / "order_lines.sql").read_text()
    with duckdb.connect(folder / FILES["ours"], config={"threads": 2}) as con:
        con.execute("SET enable_progress_bar = false; CREATE SCHEMA raw")
        con.execute(_EVENTS, {"events": events})
        con.execute(
            "CREATE SCHEMA history; CREATE VIEW history.order_events AS FROM raw.order_events"
        )
        con.execute("CREATE MACRO main.in_units(x) AS x::BIGINT")
        prepare_days(con)
        con.execute(f"CREATE VIEW order_lines AS {view}")
        floats = (
            "revenue::DOUBLE AS revenue, discount_amount::DOUBLE AS discount_amount, "
            "list_price::DOUBLE AS list_price"
        )
        lines = f"SELECT * REPLACE ({floats}) FROM order_lines"
        con.execute(f"COPY ({lines}) TO '{folder / FILES['pandas']}' (FORMAT parquet)")
        plain = con.sql(
            f"SELECT * EXCLUDE (_day) REPLACE ({floats}, "
            "strftime(occurred_at, '%Y-%m-%d %H:%M:%S') AS occurred_at) FROM raw.order_events"
        )
        with dbapi.connect(f"file:{folder / FILES['sqlite']}") as lite, lite.cursor() as cursor:
            cursor.adbc_ingest("order_events", plain.to_arrow_reader(100_000))
            lite.commit()


def require_equal(ours: dict[str, Any], theirs: dict[str, Any], side: str) -> None:
    """Raise AssertionError if sums differ, beyond rounding for quotients."""
    for table, sums in ours.items():
        for name, value in sums.items():
            other = theirs[table][name]
            if abs(value - other) > 1e-6 * max(abs(value), 1):
                raise AssertionError(f"{side}, {table}.{name}: {other}, ours {value}")


def ours(path: Path) -> dict[str, Any]:
    """Run d1lab's SQL files on a warehouse."""
    con = duckdb.connect(path, read_only=True, config={"threads": 2})
    con.execute("SET enable_progress_bar = false; SET TimeZone = 'UTC'")
    return {
        table: con.sql((AGGREGATES / f"{table}.sql").read_text()).to_arrow_table()
        for table in TABLES
    }


def pandas(path: Path) -> dict[str, Any]:
    """Compute the same tables with pandas."""
    from bench.aggregates_pandas import tables

    return tables(path)


def sqlite(path: Path) -> dict[str, Any]:
    """Compute the same tables with SQLite, stored in memory."""
    import sqlite3

    con = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    con.execute("ATTACH ':memory:' AS made")
    con.execute("PRAGMA cache_size = -500000")
    con.executescript((FOLDER / "aggregates_sqlite.sql").read_text())
    return {table: _rows(con, table) for table in TABLES}


def _rows(con: Any, table: str) -> Any:
    import pyarrow as pa

    cursor = con.execute(f"SELECT * FROM made.{table}")
    names = [column[0] for column in cursor.description]
    columns = zip(*cursor.fetchall(), strict=True)
    return pa.table(dict(zip(names, map(list, columns), strict=True)))


def fingerprint(table: Any) -> dict[str, float]:
    """Return the number of rows and a sum per column: of numbers, seconds, or text lengths."""
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        con.register("made", table)
        kinds = {name: kind for name, kind, *_ in con.execute("DESCRIBE made").fetchall()}
        sums = [f"coalesce(sum({_number(*one)}), 0)::DOUBLE" for one in kinds.items()]
        ((rows, *values),) = con.execute(f"SELECT count(*), {', '.join(sums)} FROM made").fetchall()
    return {"rows": rows, **dict(zip(kinds, values, strict=True))}


def _number(name: str, kind: str) -> str:
    if name in _TIMES:
        return f"epoch({name}::TIMESTAMP)"
    return f"length({name})" if kind == "VARCHAR" else name


def measure(side: str, path: Path) -> None:
    """Run one contender and print its time, memory, and sums."""
    import resource

    sides: dict[str, Callable[[Path], dict[str, Any]]] = {
        "ours": ours,
        "pandas": pandas,
        "sqlite": sqlite,
    }
    began = time.perf_counter()
    tables = sides[side](path)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    found = {name: fingerprint(table) for name, table in tables.items()}
    print(json.dumps({"seconds": seconds, "peak_megabytes": peak, "tables": found}))


def _measured(side: str, path: Path) -> dict[str, Any]:
    code = f"from bench.aggregates import *; measure({side!r}, Path({str(path)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, cwd=FOLDER.parent
    )
    return json.loads(done.stdout)
