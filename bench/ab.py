"""A/B tests: 10 million visitor rows to all results, compared with tea-tasting.

    python -m bench.ab

Both read the same DuckDB table and compute conversion, revenue, revenue with CUPED, revenue per
order, and the sample ratio. tea-tasting runs with Narwhals on DuckDB, its fastest backend, and on
an Arrow table. Each variant runs in its own process, which also reports its peak memory; the best
of five runs counts.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.comparison import Comparison, Target

VISITORS = 10_000_000
RUNS = 5

_TABLE = """
CREATE TABLE visitors AS
SELECT
    (hash(i) % 2)::INTEGER AS variant,
    (hash(i * 7 + 1) % 1000 < 50)::INTEGER AS orders,
    orders * (20 + (hash(i * 3 + 5) % 10000) / 100.0)::DOUBLE AS revenue,
    ((hash(i * 5) % 5000) / 100.0)::DOUBLE AS revenue_before
FROM range($visitors) AS t(i)
"""

_OURS = """
from d1lab.analyses.ab_tests.exposures import Measure, scan
from d1lab.analyses.ab_tests.decision import compare
from d1lab.analyses.ab_tests.model import AbPlan
from d1lab.analyses.ab_tests.visitors import effects, variants

measures = [
    Measure("orders"),
    Measure("revenue"),
    Measure("revenue", covariate="revenue_before"),
    Measure("revenue", per="orders"),
]
plan = AbPlan(share_b=0.5, share_declared=True)

def once(con):
    sums = scan(con.table("visitors"), measures, a=0, b=1)
    found = {f"{e.measure} {e.method}": e.p_value for e in effects(sums)}
    decided = compare(*variants(sums, conversions="orders", revenue="revenue"), plan)
    return found | {"sample ratio": decided.sample_ratio_p}
"""

_TEA = """
import tea_tasting as tt

experiment = tt.Experiment(
    orders=tt.Proportion("orders", method="norm", correction=False),
    revenue=tt.Mean("revenue"),
    cuped=tt.Mean("revenue", "revenue_before"),
    order_value=tt.RatioOfMeans("revenue", "orders"),
    sample_ratio=tt.SampleRatio(method="norm", correction=False),
)

def once(con):
    result = experiment.analyze(%s)
    return {name: metric.pvalue for name, metric in result.items()}
"""

_LOOP = """
import json, resource, sys, time
import duckdb

con = duckdb.connect(sys.argv[1], read_only=True)
times = []
for _ in range(int(sys.argv[2])):
    start = time.perf_counter()
    found = once(con)
    times.append(time.perf_counter() - start)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": min(times), "megabytes": peak, "p": list(found.values())}))
"""

_BUILD = """
import sys
import duckdb

with duckdb.connect(sys.argv[1]) as con:
    con.execute(sys.argv[2], {"visitors": int(sys.argv[3])})
print("{}")
"""

WAYS = {
    "d1lab": _OURS,
    "tea_duckdb": _TEA % 'con.table("visitors")',
    "tea_arrow": _TEA % 'con.table("visitors").to_arrow_table()',
}


def run() -> list[Comparison]:
    """Run all variants on ten million visitors."""
    found = measure()
    rows = [
        (way, found[f"{way}_seconds"], found[f"{way}_over_d1lab"], int(found[f"{way}_megabytes"]))
        for way in WAYS
    ]
    how = (
        f"{VISITORS:,} visitor rows to p-values of four measures and the sample ratio, "
        "with equal results."
    )
    fastest = min(found[f"{way}_over_d1lab"] for way in WAYS if way != "d1lab")
    target = Target("speed vs. tea-tasting's fastest backend", fastest, 2, at_most=False)
    columns = ("contender", "seconds", "times d1lab", "peak MB")
    return [Comparison("A/B tests", how, columns, rows, [target])]


def measure(visitors: int = VISITORS, runs: int = RUNS) -> dict[str, float]:
    """Measure seconds and megabytes of each variant on the same table, and the ratio to d1lab.

    Args:
        visitors: Number of rows of the table.
        runs: Number of runs per variant; the best one counts.

    Raises:
        ImportError: tea-tasting is not installed; `make bench` installs it.
        AssertionError: The variants do not have the same p-values.
    """
    if find_spec("tea_tasting") is None:
        raise ImportError("tea-tasting is not installed: run `make bench`")
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "visitors.duckdb")
        # In a separate process, because child processes inherit the peak memory of their parent.
        _program(_BUILD, path, _TABLE, str(visitors))
        found = {way: _program(code + _LOOP, path, str(runs)) for way, code in WAYS.items()}
    ours = found["d1lab"]
    result: dict[str, float] = {}
    for way, measured in found.items():
        same = zip(measured["p"], ours["p"], strict=True)
        assert all(abs(theirs - p) < 1e-6 for theirs, p in same), (way, measured, ours)
        result[f"{way}_seconds"] = measured["seconds"]
        result[f"{way}_megabytes"] = measured["megabytes"]
        result[f"{way}_over_d1lab"] = measured["seconds"] / ours["seconds"]
    return result


def _program(source: str, *arguments: str) -> dict[str, Any]:
    """Run a Python program and parse its last line of output as JSON."""
    command = [sys.executable, "-c", source, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
