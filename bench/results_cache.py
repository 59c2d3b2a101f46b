"""Results of metrics that a second notebook reads from disk, compared with computing them again.

The database is that of the archive's benchmark, with all rows in D1. Each metric of the analyses is
asked twice, by two labs, as two notebooks of one run do.
"""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from time import perf_counter
from typing import Any

from bench.archive import DAYS, EVENTS, SKUS, fill, parameters
from bench.comparison import Comparison, Target
from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.lab.lab import Lab
from d1lab.metrics import load_metrics
from d1lab.pull import pull
from d1lab.warehouse import open_warehouse
from d1lab.warehouse.result_cache import LEAST_SECONDS


def run() -> list[Comparison]:
    """Measure all metrics, and show those that are kept."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with closing(SqliteDatabase.create(folder / "d1.sqlite")) as db:
            migrate(db)
            fill(db)
            pull(db, folder, database="shop")
        times = {call[0]: (_seconds(folder, *call), _seconds(folder, *call)) for call in _calls()}
        kept = {p.name.rpartition("-")[0]: p.stat() for p in folder.glob("results/*/*.parquet")}
    rows = [(name, *times[name], times[name][1] / times[name][0]) for name in sorted(kept)]
    first = sum(times[name][0] for name in kept)
    again = sum(times[name][1] for name in kept)
    size = sum(about.st_size for about in kept.values())
    how = (
        f"{EVENTS:,} order events and {SKUS * DAYS:,} inventory days. {len(kept)} of {len(times)} "
        f"metrics took {LEAST_SECONDS} s or more and are kept, in {size / 1e6:.1f} MB. Seconds."
    )
    columns = ("metric", "computed", "read from disk", "ratio")
    table = [*rows, ("all of these", first, again, again / first)]
    targets = [Target("read from disk / computed", again / first, 0.25)]
    return [Comparison("Results of metrics, kept on disk", how, columns, table, targets)]


def _calls() -> list[tuple[str, dict[str, Any]]]:
    """Return the metrics that read order lines or stock, with parameters over all days."""
    metrics = load_metrics().values()
    large = (m for m in metrics if {"order_lines", "inventory_days"} & {*m.reads})
    calls = ((metric.name, parameters(metric)) for metric in large)
    return [call for call in calls if None not in call[1].values()]


def _seconds(folder: Path, name: str, params: dict[str, Any]) -> float:
    """Return the time of a metric in a newly opened lab."""
    with open_warehouse(folder) as con:
        lab = Lab(con, database="shop", folder=folder, shop="shop", keeps_results=True)
        start = perf_counter()
        lab.metric(name, **params)
        return perf_counter() - start
