"""Segments and lifetime values of a million customers with ten million orders, vs. pandas.

Both contenders start from the same Parquet file of orders and end with a score, a group, a segment,
and a lifetime value per customer. d1lab runs the code of the report: metrics in DuckDB, then models
and labels. The other one uses the same models, but sums and ranks purchases in pandas. Each
contender runs in its own process on two threads; peak memory is measured by the kernel.
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

CUSTOMERS = 1_000_000
ORDERS = 10_000_000
UNTIL = "2026-06-30"


def run() -> list[Comparison]:
    """Measure both contenders once."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "orders.parquet"
        write_orders(path)
        [(orders,)] = duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchall()
        sides = {name: _side(name, path) for name in ("ours", "pandas")}
    ours, pandas = sides.values()
    if ours["groups"] != pandas["groups"]:
        raise AssertionError("the two sides do not find the same groups")
    rows = [
        (
            {"ours": "d1lab"}.get(name, name),
            side["seconds"],
            side["seconds"] / ours["seconds"],
            side["peak_megabytes"],
        )
        for name, side in sides.items()
    ]
    how = (
        f"{CUSTOMERS:,} customers and {orders:,} orders, from a Parquet file to score, group, "
        "segment, and lifetime value per customer, including the backtest on 90 days. Both use "
        "the same models; only the sums and ranks of purchases differ."
    )
    target = Target("time of d1lab / pandas", ours["seconds"] / pandas["seconds"], 1)
    columns = ("contender", "seconds", "times d1lab", "peak MB")
    return [Comparison("Segments and lifetime values", how, columns, rows, [target])]


def write_orders(path: Path, customers: int = CUSTOMERS, orders: int = ORDERS) -> None:
    """Write about `orders` orders in two years, of customers with own rates who leave at random."""
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(1)
    first = random.integers(0, 600, customers)
    span = 730 - first
    rates = random.gamma(0.7, 1.42 * orders / customers / 0.7, customers) * span / span.mean()
    count = 1 + np.minimum(random.poisson(rates), random.geometric(random.beta(1, 20, customers)))
    who = np.repeat(np.arange(customers), count)
    days = first[who] + (random.random(len(who)) * span[who]).astype(int)
    days[np.r_[0, np.cumsum(count)[:-1]]] = first
    scale = random.gamma(4, 1 / 15, customers)[who]
    frame = pd.DataFrame(
        {
            "customer_id": pd.Series(who).map("c{}".format),
            "order_id": pd.Series(np.arange(len(who))).map("o{}".format),
            "day": pd.Timestamp("2024-07-01") + pd.to_timedelta(days, "D"),
            "units": random.integers(1, 5, len(who)),
            "revenue": np.round(random.gamma(5, 1, len(who)) / scale + 1, 2),
            "discount_amount": np.where(random.random(len(who)) < 0.3, 5.0, 0.0),
        }
    )
    with duckdb.connect() as con:
        con.register("orders", frame)
        con.execute(
            "COPY (SELECT 'shop' AS shop, 'order' AS type, * FROM orders ORDER BY day) "
            f"TO '{path}' (FORMAT parquet)"
        )


def ours(path: Path) -> dict[str, int]:
    """Run the code of the report: metrics, labels, and values."""
    from datetime import date

    from d1lab.analyses.customers.groups import app_segments, group_table, overdue
    from d1lab.analyses.customers.labels import confirmed
    from d1lab.analyses.customers.lifetime_value import evaluated, of_today, valued
    from d1lab.analyses.customers.segments import SegmentRule
    from d1lab.lab.frames import frame_of
    from d1lab.metrics import evaluate, load_metrics
    from d1lab.warehouse import VIEWS

    metrics = load_metrics()
    given = {"shop": "shop", "until": UNTIL}
    with duckdb.connect() as con:
        con.execute("SET threads = 2")
        con.execute(
            "CREATE VIEW order_lines AS SELECT * REPLACE (day::DATE AS day, "
            f"revenue::DECIMAL(18, 6) AS revenue) FROM '{path}'"
        )
        con.execute("CREATE VIEW customers AS SELECT DISTINCT shop, customer_id FROM order_lines")
        con.execute("CREATE TABLE walk_in_customers (shop VARCHAR, customer_id VARCHAR)")
        orders = (VIEWS / "customer_orders.sql").read_text("utf-8")
        con.execute(  # once, as a lab does
            f"CREATE TABLE customer_orders AS SELECT * EXCLUDE (order_id) FROM ({orders})"
        )
        scores, past = (
            frame_of(evaluate(con, metrics[name], given | more))
            for name, more in (
                ("customer_scores", {"mode": "quintile"}),
                ("purchase_summary", {"later_days": 90}),
            )
        )
    now = confirmed(scores, None, date.fromisoformat(UNTIL))
    now = valued(now, evaluated(of_today(past), past, 90, 365))
    now["customer_segment"] = app_segments(now, past, SegmentRule(), None, 1)
    overdue(now)
    return dict(zip(*(group_table(now)[name].tolist() for name in ("rfm_group", "customers"))))  # noqa: B905


def in_pandas(path: Path) -> dict[str, int]:
    """Run the same with sums and ranks by pandas."""
    import pandas as pd

    from bench.customers_pandas import scores, summary
    from d1lab.analyses.customers.groups import app_segments, group_table, overdue
    from d1lab.analyses.customers.lifetime_value import evaluated, valued
    from d1lab.analyses.customers.segments import SegmentRule

    until = pd.Timestamp(UNTIL)
    orders = pd.read_parquet(path)
    found = scores(orders, until)
    present, past = summary(orders, until, 0), summary(orders, until, 90)
    now = valued(found, evaluated(present, past, 90, 365))
    now["customer_segment"] = app_segments(now, past, SegmentRule(), None, 1)
    overdue(now)
    return dict(zip(*(group_table(now)[name].tolist() for name in ("rfm_group", "customers"))))  # noqa: B905


def _side(name: str, path: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.customers", name, str(path)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def _measured(name: str, path: Path) -> str:
    import resource

    began = time.perf_counter()
    groups = {"ours": ours, "pandas": in_pandas}[name](path)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return json.dumps({"seconds": seconds, "peak_megabytes": peak, "groups": groups})


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(_measured(sys.argv[1], Path(sys.argv[2])))
    else:
        print(*(each.markdown() for each in run()), sep="\n\n")
