"""Turnover of 50,000 SKUs over a year, compared with pandas.

Both contenders start from one Parquet file of 18 million ledger rows, with missing, duplicate, and
inconsistent days, and end with all rates of all SKUs. d1lab runs the metric `turnover` in DuckDB,
as in the report. The other one computes the same counts in pandas, sorted once, without a loop over
SKUs. Both then use the same statistics. Each contender runs in its own process on two threads.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb

from bench.comparison import Comparison, Target

SKUS = 50_000
DAYS = 365
UNTIL = "2025-12-31"
COUNTS = [
    "observed_days",
    "in_stock_days",
    "stockout_days",
    "tracked_days",
    "units_sold",
    "starting_units",
    "ending_units",
    "received_units",
    "shrunk_units",
    "gap_days",
    "gap_units",
    "unseen_units",
    "repeated_days",
    "recent_units",
]

_LEDGER = """
COPY (
    SELECT
        'shop' AS shop, 'SKU-' || lpad(sku::VARCHAR, 6, '0') AS sku,
        DATE '{until}' - {days} + 1 + day::INTEGER AS day,
        ((hash(sku, day) % 45)::BIGINT - 2) AS starting_units,
        CASE WHEN hash(sku, day, 5) % 500 = 0 THEN 7
            ELSE (hash(sku, day + 1) % 45)::BIGINT - 2 END AS ending_units,
        (hash(sku, day, 1) % 3)::BIGINT AS units_sold_with_discount,
        (hash(sku, day, 1) % 3 + hash(sku, day, 2) % 3)::BIGINT AS units_sold,
        NULL::DOUBLE AS turnover_rate, NULL::DOUBLE AS days_of_supply, NULL::VARCHAR AS source,
        sku * 1000 + day * 2 + copy AS row_id
    FROM range({skus}) AS skus (sku), range({days}) AS days (day), range(2) AS copies (copy)
    WHERE hash(sku, day, 3) % 100 > 0  -- one day in a hundred is missing
        AND (copy = 0 OR (sku % 100 = 0 AND hash(sku, day, 4) % 50 = 0))
) TO '{path}' (FORMAT parquet)
"""
_VIEWS = """
CREATE VIEW inventory_days AS FROM read_parquet('{path}');
CREATE TABLE products (shop VARCHAR, sku VARCHAR, product_title VARCHAR,
    units_sold_with_discount BIGINT, units_sold_regular BIGINT,
    revenue_with_discount DECIMAL(18, 6), revenue_regular DECIMAL(18, 6), category VARCHAR,
    price DECIMAL(18, 6));
CREATE TABLE order_lines (shop VARCHAR, sku VARCHAR, day DATE, revenue DECIMAL(18, 6),
    discount_amount DECIMAL(18, 6));
CREATE TABLE product_costs (shop VARCHAR, sku VARCHAR, unit_cost DECIMAL(18, 6), valid_from DATE);
"""


def run() -> list[Comparison]:
    """Measure both contenders once."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.parquet"
        write_ledger(path)
        [(rows,)] = duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchall()
        sides = {name: _side(name, path) for name in ("ours", "pandas")}
    ours, pandas = sides.values()
    if ours["sums"] != pandas["sums"]:
        raise AssertionError(f"the two sides differ: {ours['sums']} {pandas['sums']}")
    table = [
        (
            {"ours": "d1lab"}.get(name, name),
            side["seconds"],
            side["seconds"] / ours["seconds"],
            side["peak_megabytes"],
        )
        for name, side in sides.items()
    ]
    how = (
        f"{SKUS:,} SKUs, {DAYS} days, {rows:,} ledger rows, from a Parquet file to turnover, days "
        "of supply, and their intervals. The counts of both contenders are equal."
    )
    target = Target("time of d1lab / pandas", ours["seconds"] / pandas["seconds"], 1)
    columns = ("contender", "seconds", "times d1lab", "peak MB")
    return [Comparison("Turnover of 50,000 SKUs", how, columns, table, [target])]


def write_ledger(path: Path, skus: int = SKUS, days: int = DAYS) -> None:
    """Write varying stock, with missing and duplicate days and inconsistent opening stock."""
    duckdb.sql(_LEDGER.format(until=UNTIL, days=days, skus=skus, path=path))


def ours(path: Path, days: int = DAYS) -> Any:
    """Return the frame of the metric."""
    from d1lab.metrics import evaluate, load_metrics

    with duckdb.connect(config={"threads": 2}) as con:
        con.execute("SET enable_progress_bar = false")
        con.execute(_VIEWS.format(path=path))
        period = {"shop": "shop", "until": UNTIL, "days": days}
        return evaluate(con, load_metrics()["turnover"], period).df()


def pandas(path: Path, days: int = DAYS) -> Any:
    """Compute the same counts with the usual methods of pandas."""
    import pandas as pd

    columns = ["sku", "day", "starting_units", "ending_units", "units_sold", "row_id"]
    rows = pd.read_parquet(path, columns=columns).sort_values(["sku", "day", "row_id"])
    twice = rows.duplicated(["sku", "day"], keep="first")
    last = ~rows.duplicated(["sku", "day"], keep="last")
    rows = rows.assign(repeated_days=twice)[last]
    start, end, sold = rows["starting_units"], rows["ending_units"], rows["units_sold"]
    before = rows.groupby("sku")[["ending_units", "day"]].shift()
    gap = (start - before["ending_units"]).abs().fillna(0)
    unseen = (pd.to_datetime(rows["day"]) - pd.to_datetime(before["day"])).dt.days > 1
    change = end - (start - sold)
    recent = pd.to_datetime(rows["day"]) > pd.Timestamp(UNTIL) - pd.Timedelta(days=28)
    marks = rows.assign(
        period_days=days,
        observed_days=1,
        in_stock_days=(start > 0) | (sold > 0),
        stockout_days=end <= 0,
        tracked_days=(start > 0) | (end > 0),
        average_units=(start.clip(lower=0) + end.clip(lower=0)) / 2,
        received_units=change.clip(lower=0),
        shrunk_units=-change.clip(upper=0),
        gap_days=(gap > 0) & ~unseen,
        gap_units=gap.where(~unseen, 0),
        unseen_units=gap.where(unseen, 0),
        recent_days=recent,
        recent_units=sold.where(recent, 0),
    )
    how = dict.fromkeys([*COUNTS, "recent_days"], "sum") | {
        "period_days": "first",
        "average_units": "mean",
        "starting_units": "first",
        "ending_units": "last",
    }
    return marks.groupby("sku").agg(how).reset_index()


def measure(name: str, path: Path) -> None:
    """Run one contender and print its time, memory, and sums."""
    import resource

    from d1lab.analyses.inventory.turnover import StockLedger, turnover

    start = time.perf_counter()
    frame = {"ours": ours, "pandas": pandas}[name](path)
    rates = turnover(StockLedger.of(frame))
    taken = time.perf_counter() - start
    sums = {column: int(frame[column].sum()) for column in COUNTS}
    sums["days_of_supply"] = round(float(sum(x for x in rates.days_of_supply if x == x)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"seconds": taken, "peak_megabytes": peak, "sums": sums}))


def _side(name: str, path: Path) -> dict[str, Any]:
    code = f"from bench.turnover import *; measure({name!r}, Path({str(path)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    return json.loads(done.stdout)
