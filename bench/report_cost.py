"""Report cost: processor time of a report, compared with the same work in one warm interpreter.

Both run all reports of the demo's smallest shop with `run_reports`: plan, ledger, results, page,
and push are the same. They differ in what executes the cells: a kernel per report, with papermill,
or IPython's shell in the same process, whose names are reset before each report. The first round
is not counted: the fork server starts in it, and the shell imports what the reports import.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import chdir, suppress
from pathlib import Path
from typing import Any

import psutil

from bench.comparison import Comparison, Target
from d1lab.config import Settings, load_settings
from d1lab.demo.build import STORES, build_demo
from d1lab.jobs.job_result import JobResult
from d1lab.jobs.run import run_reports
from d1lab.pull import pull_database
from d1lab.runs import execute
from d1lab.runs import run as runs
from d1lab.runs.execute import Execution
from d1lab.runs.kernels.kernel import Kernel

SHOP = "kiosk"
ROUNDS = 3
MOST = 1.35


class WarmShell:
    """Executes notebooks like `d1lab.runs.execute.execute`, in this process."""

    def __init__(self) -> None:
        from IPython.core.displayhook import CapturingDisplayHook
        from IPython.core.displaypub import CapturingDisplayPublisher
        from IPython.core.interactiveshell import InteractiveShell

        execute.import_papermill()
        self._shell: Any = InteractiveShell.instance()
        self._shell.extension_manager.load_extension("d1lab.display.results")
        self._hidden = dict(self._shell.user_ns_hidden)
        self._shell.display_pub = CapturingDisplayPublisher()
        self._shown = self._shell.display_pub.outputs
        self._shell.display_trap.hook = CapturingDisplayHook(self._shell, self._shown)

    def execute(
        self, path: Path, parameters: Mapping[str, Any], kernel: Kernel, **options: Any
    ) -> Execution:
        """Execute a notebook under the environment of a kernel that is never started."""
        import nbformat
        from papermill.iorw import load_notebook_node
        from papermill.parameterize import parameterize_notebook

        notebook = parameterize_notebook(load_notebook_node(str(path)), dict(parameters))
        kept = dict(os.environ)
        os.environ.clear()
        os.environ.update(kernel.environment)
        self._shell.reset()
        self._shell.user_ns.update(self._hidden)
        try:
            with chdir(kernel.folder):
                done = sum(
                    self._ran(nbformat, cell, options["on_outputs"])
                    for cell in notebook.cells
                    if execute._runs(cell)
                )
        finally:
            os.environ.clear()
            os.environ.update(kept)
        return Execution(notebook, "done", "", None, done, done)

    def _ran(self, nbformat: Any, cell: Any, on_outputs: execute.OnOutputs) -> int:
        """Run a cell, and keep its outputs as a kernel does."""
        self._shown.clear()
        self._shell.run_cell(cell.source, store_history=True).raise_error()
        cell.outputs = [
            nbformat.v4.new_output("display_data", data=each["data"], metadata=each["metadata"])
            for each in self._shown
        ]
        on_outputs(cell.outputs)
        return 1


def run() -> list[Comparison]:
    """Measure both, and compare with the target."""
    with tempfile.TemporaryDirectory() as name:
        ours, ended = _measured(Path(name) / "ours", "ours")
        floor, expected = _measured(Path(name) / "floor", "floor")
    assert ended == expected, (ended, expected)
    rows = [
        ("d1lab run: a kernel per report", ours, ours / floor),
        ("the same in one warm interpreter", floor, 1.0),
    ]
    return [
        Comparison(
            "A report",
            f"All {len(ended)} reports of the demo's smallest shop, {ROUNDS} times, one at a time, "
            "with pages and push. Processor seconds of all processes, per report.",
            ("contender", "CPU seconds", "ratio"),
            rows,
            [Target("processor time of a report vs. the warm interpreter", ours / floor, MOST)],
        )
    ]


def _measured(root: Path, contender: str) -> tuple[float, dict[str, int]]:
    """Return the processor seconds of a report, and the key figures that each report has."""
    root.mkdir()
    (root / "notebooks").symlink_to(Path(__file__).parents[1] / "notebooks")
    settings = load_settings(root=root)
    build_demo(settings, stores={SHOP: STORES[SHOP]})
    pull_database(settings)
    program = [sys.executable, "-m", "bench.report_cost", contender, str(root)]
    done = subprocess.run(program, check=True, stdout=subprocess.PIPE, text=True)
    seconds, ended = json.loads(done.stdout.splitlines()[-1])
    return seconds, ended


def _main(contender: str, root: Path) -> None:
    if contender == "floor":
        runs.execute = WarmShell().execute
    settings = load_settings(root=root)
    results = _all_reports(settings)
    before = _cpu_seconds()
    for _ in range(ROUNDS):
        results = _all_reports(settings)
    used = (_cpu_seconds() - before) / ROUNDS / len(results)
    ended = {
        result.job.task.report.name: len(json.loads(_figures(result.page))) for result in results
    }
    print(json.dumps([used, ended]))


def _all_reports(settings: Settings) -> list[JobResult]:
    results = run_reports(settings, shops=[SHOP], force=True, workers=1)
    assert all(result.status == "done" for result in results), results
    return results


def _figures(page: Path | None) -> str:
    assert page is not None
    return json.dumps(json.loads(page.with_suffix(".json").read_text())["figures"])


def _cpu_seconds() -> float:
    """Return the processor seconds of this process and all that it started."""
    own = psutil.Process()
    total = 0.0
    for process in (own, *own.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])  # its own, and of its children that have ended
    return total


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]))
