"""Runs: ten reports with plain papermill and with d1lab, and the minimum for the same work.

The report has four charts of 1,000 rows and no warehouse, so that only the execution is compared.
Plain papermill is its command line, with one process per report. d1lab is one process for all
reports, measured from its start, including imports and the fork server. The minimum executes the
same cells without a kernel, in an interpreter with all imports done. One run of d1lab with a warm
server is also measured, including start and end of its kernel.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.comparison import Comparison, Target

REPORTS = 10
CELLS = (
    'shop = "harbor"\nas_of: str | None = None',
    """import altair as alt
import numpy as np
import pandas as pd
from IPython.display import display""",
    """rng = np.random.default_rng(1)
frame = pd.DataFrame({
    "day": pd.date_range("2026-01-01", periods=1000, freq="h"),
    "revenue": rng.normal(size=1000).cumsum(),
    "units": rng.integers(0, 50, 1000),
    "code": rng.choice(list("ABCDEFGH"), 1000),
})""",
    'display(alt.Chart(frame).mark_line().encode(x="day:T", y="revenue:Q"))',
    'display(alt.Chart(frame).mark_bar().encode(x="code:N", y="mean(units):Q"))',
    'display(alt.Chart(frame).mark_point().encode(x="revenue:Q", y="units:Q", color="code:N"))',
    'display(alt.Chart(frame).mark_area().encode(x="day:T", y="units:Q"))',
)

_OURS = """
import json, sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from d1lab.runs.kernels.fork_client import preload_fork_server
from d1lab.secrets import kernel_variables
preload_fork_server(kernel_variables())
from d1lab.runs.execute import execute, import_papermill
import_papermill()
from d1lab.runs.kernels.kernel import Kernel
import orjson

folder, reports, workers = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])

def one(number):
    environment = kernel_variables() | {"D1LAB_RUN_DIR": str(folder)}
    kernel = Kernel(environment, folder, folder / f"log-{number}")
    began = time.perf_counter()
    done = execute(folder / "report.ipynb", {"shop": str(number)}, kernel, timeout_seconds=120)
    assert done.status == "done" and kernel.forked, done
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS  # as d1lab.runs.run writes it
    (folder / f"ours-{number}.ipynb").write_bytes(orjson.dumps(done.notebook, option=options))
    return time.perf_counter() - began

with ThreadPoolExecutor(workers) as pool:
    print(json.dumps(list(pool.map(one, range(reports)))))
"""

_FLOOR = """
import json, sys, time
from d1lab.fast_import import defer_iri_grammar
defer_iri_grammar()
import altair, IPython.display, numpy, pandas
shown = []
IPython.display.display = lambda chart: shown.append(json.dumps(chart._repr_mimebundle_()))
cells, seconds = json.loads(sys.argv[1]), []
for _ in range(int(sys.argv[2]) + 1):
    began, space = time.perf_counter(), {}
    for cell in cells:
        exec(cell, space)
    seconds.append(time.perf_counter() - began)
assert len(shown) == 4 * len(seconds)
print(json.dumps(seconds[1:]))  # the first one still imports lazily
"""


def run() -> list[Comparison]:
    """Measure everything once and compare with the targets."""
    found = measure()
    floor = found["floor_seconds"]
    rows = [
        (label, found[name], found[name] / floor)
        for label, name in (
            ("plain papermill, one process per report", "plain_papermill_seconds"),
            ("d1lab run, one worker", "ours_seconds"),
            ("d1lab run, two workers (default)", "ours_two_workers_seconds"),
            ("minimum: the same cells in a warm interpreter", "floor_seconds"),
        )
    ]
    targets = [
        Target(
            "speed vs. plain papermill", found["plain_over_ours_two_workers"], 15, at_most=False
        ),
        Target("time vs. the minimum", found["ours_two_workers_seconds"] / floor, 5),
    ]
    how = f"{REPORTS} reports with four charts each, including imports and the fork server's start."
    return [
        Comparison("Ten reports", how, ("contender", "seconds", "times the minimum"), rows, targets)
    ]


def measure() -> dict[str, float]:
    """Measure everything once; return seconds for ten reports, and the ratios."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_notebook(folder / "report.ipynb")
        plain = plain_papermill(folder)
        ours, runs = _program(_OURS, name, str(REPORTS), "1")
        ours_two, _ = _program(_OURS, name, str(REPORTS), "2")
        _, floor = _program(_FLOOR, json.dumps(CELLS), str(REPORTS))
    return {
        "plain_papermill_seconds": plain,
        "ours_seconds": ours,
        "ours_two_workers_seconds": ours_two,
        "ours_one_warm_run_seconds": median(runs),
        "floor_seconds": sum(floor),
        "plain_over_ours": plain / ours,
        "plain_over_ours_two_workers": plain / ours_two,
        "ours_over_floor": ours / sum(floor),
        "one_warm_run_over_floor": median(runs) / median(floor),
    }


def write_notebook(path: Path) -> None:
    """Write the benchmark's report as a notebook."""
    cells = [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": f"cell-{index}",
            "metadata": {"tags": ["parameters"]} if index == 0 else {},
            "outputs": [],
            "source": source,
        }
        for index, source in enumerate(CELLS)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4}
    path.write_text(json.dumps(notebook | {"nbformat_minor": 5}))


def plain_papermill(folder: Path) -> float:
    """Return the seconds of papermill's command line for all reports, run sequentially."""
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", str(folder / "report.ipynb")]
    began = time.perf_counter()
    for number in range(REPORTS):
        subprocess.run(
            [*command, str(folder / f"plain-{number}.ipynb"), "-p", "shop", str(number)],
            check=True,
            capture_output=True,
        )
    return time.perf_counter() - began


def _program(source: str, *arguments: str) -> tuple[float, list[float]]:
    """Return the total seconds of a Python program, and the seconds that it prints."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", source, *arguments], check=True, stdout=subprocess.PIPE, text=True
    )
    return time.perf_counter() - began, json.loads(done.stdout)


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
