"""A run with nothing to do: its processor time, beside a start of Python with d1lab's libraries.

Three shops, nine reports, an unchanged D1: what a scheduler calls all day. Compared are the whole
command and an interpreter that imports what a run with due reports needs before its first cell.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.comparison import Comparison, Target

REPEATS = 5
MOST_SECONDS = 1.0

_WITHOUT_CACHE = "PYTHONDONTWRITEBYTECODE"  # an installed package has its compiled modules
_COMMAND = "from d1lab.cli import main; main()"
_LIBRARIES = """
from d1lab.fast_import import defer_iri_grammar
defer_iri_grammar()
import altair, duckdb, jinja2, jupyter_client, pandas, papermill, pyarrow
"""


def run() -> list[Comparison]:
    """Build the demo, run all reports once, and measure the next runs."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for command in ("demo", "run", "run"):  # the second one pulls what the first has pushed
            _cpu(root, _COMMAND, command)
        idle = _least(root, _COMMAND, "run")
        libraries = _least(root, _LIBRARIES)
    rows = [
        ("d1lab run, nothing due", idle, idle / libraries),
        ("import of the libraries of a run", libraries, 1.0),
    ]
    how = (
        "The demo's three shops, all reports up to date, nothing new in D1. Processor seconds of "
        f"the whole process (user and system), lowest of {REPEATS}."
    )
    targets = [Target("processor seconds of a run with nothing due", idle, MOST_SECONDS)]
    columns = ("contender", "CPU seconds", "ratio")
    return [Comparison("Nothing to do", how, columns, rows, targets)]


def _least(root: Path, source: str, *arguments: str) -> float:
    return min(_cpu(root, source, *arguments) for _ in range(REPEATS))


def _cpu(root: Path, source: str, *arguments: str) -> float:
    """Return the processor seconds of a Python program and its children."""
    kept = {name: value for name, value in os.environ.items() if name != _WITHOUT_CACHE}
    before = os.times()
    subprocess.run(
        [sys.executable, "-c", source, *arguments],
        cwd=root,
        env=kept | {"D1LAB_ROOT": str(root)},
        check=True,
        capture_output=True,
    )
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4])
