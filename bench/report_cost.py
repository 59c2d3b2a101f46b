"""Report cost: processor time of a report, compared with the same work in one warm interpreter.

Both run reports of the demo's smallest shops with `run_reports`: plan, ledger, results, page, and
push are the same. They differ in what executes the cells: a kernel per report, with papermill,
or IPython's shell in the same process, whose names are reset before each report. The first round
is not counted: the fork server starts in it, and the shell imports what the reports import.
Two cases: all reports of one shop, and one report of many shops. The shell collects garbage when it
is reset, a tenth of its time; a kernel does not look at what its server has imported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import chdir, closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from bench.comparison import Comparison, Target
from d1lab.config import Settings, load_settings
from d1lab.counting import counted
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.demo.build import STORES, build_demo
from d1lab.jobs.run import run_reports
from d1lab.pull import pull_database
from d1lab.runs import execute
from d1lab.runs import run as runs
from d1lab.runs.execute import Execution
from d1lab.runs.kernels.kernel import Kernel


class Case(NamedTuple):
    """What both contenders run."""

    title: str
    shops: tuple[str, ...]
    reports: tuple[str, ...]  # empty for all
    rounds: int
    most: float  # times the processor time of the warm interpreter


SHOP = "kiosk"
COPIES = tuple(f"{SHOP}-{number}" for number in range(2, 13))

CASES = {
    "single": Case("All reports of one shop", (SHOP,), (), 2, 1.35),
    "many": Case("One report of many shops", (SHOP, *COPIES), ("products",), 3, 1.2),
}


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
    """Measure both cases, and compare with the targets."""
    return [_compared(name, case) for name, case in CASES.items()]


def _compared(name: str, case: Case) -> Comparison:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "notebooks").symlink_to(Path(__file__).parents[1] / "notebooks")
        settings = load_settings(root=root)
        _build(settings, case.shops)
        ours, floor, reports = _measured(root, name, case.rounds)
    rows = [
        ("d1lab run: a kernel per report", ours, ours / floor),
        ("the same in one warm interpreter", floor, 1.0),
    ]
    return Comparison(
        case.title,
        f"{reports} reports of {counted(len(case.shops), 'shop')} like the demo's smallest, "
        f"{counted(case.rounds, 'round')} after the first, one report at a time, with pages and "
        "push. Processor seconds of all processes, per report.",
        ("contender", "CPU seconds", "ratio"),
        rows,
        [Target("processor time of a report vs. the warm interpreter", ours / floor, case.most)],
    )


def _build(settings: Settings, shops: Sequence[str]) -> None:
    """Build the demo's smallest shop, with the others as copies of its orders, and pull it."""
    path = build_demo(settings, stores={SHOP: STORES[SHOP]}).path
    with closing(SqliteDatabase(path)) as db:
        columns = db.query("SELECT * FROM order_events LIMIT 1").columns
        kept = ", ".join(name for name in columns if name not in ("seq", "shop"))
        for shop in set(shops) - {SHOP}:
            db.execute(
                f"INSERT INTO order_events (shop, {kept}) SELECT ?, {kept} FROM order_events "
                "WHERE shop = ?",
                (shop, SHOP),
            )
    pull_database(settings)


def _measured(root: Path, name: str, rounds: int) -> tuple[float, float, int]:
    """Return the processor seconds of a report by contender, and how many reports a round has.

    They take turns on the same data, so that both find the same results of metrics on disk, and
    another program disturbs both.
    """
    with Contender("ours", name, root) as ours, Contender("floor", name, root) as floor:
        assert ours.round().figures == floor.round().figures
        found = [(ours.round(), floor.round()) for _ in range(rounds)]
    counts = [len(each.figures) for pair in found for each in pair]
    assert len(set(counts)) == 1, counts
    mine, least = (sum(each.seconds for each in column) for column in zip(*found, strict=True))
    return mine / rounds / counts[0], least / rounds / counts[0], counts[0]


class Round(NamedTuple):
    """One round of a contender."""

    seconds: float  # of the processor, for all reports
    figures: dict[str, Any]  # key figures by report


class Contender:
    """A process that runs all reports of a case once for each line that it reads."""

    def __init__(self, contender: str, name: str, root: Path) -> None:
        program = [sys.executable, "-m", "bench.report_cost", contender, name, str(root)]
        self._process = subprocess.Popen(
            program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Contender:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def round(self) -> Round:
        """Run all reports once."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return Round(*json.loads(self._process.stdout.readline()))


def _main(contender: str, case: Case, root: Path) -> None:
    if contender == "floor":
        runs.execute = WarmShell().execute
    settings = load_settings(root=root)
    for _ in sys.stdin:
        before = _cpu_seconds()
        results = run_reports(settings, reports=case.reports, shops=case.shops, force=True,
                              workers=1)  # fmt: skip
        used = _cpu_seconds() - before
        assert all(result.status == "done" for result in results), results
        figures = {str(each.job.task): _figures(each.page) for each in results}
        print(json.dumps(Round(used, figures)), flush=True)


def _figures(page: Path | None) -> Any:
    """Return the key figures of a page; DuckDB's threads sum in any order."""
    assert page is not None
    return _rounded(json.loads(page.with_suffix(".json").read_text())["figures"])


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


def _cpu_seconds() -> float:
    """Return the processor seconds of this process and all that it started."""
    own = psutil.Process()
    total = 0.0
    for process in (own, *own.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])  # its own, and of its children that have ended
    return total


if __name__ == "__main__":
    _main(sys.argv[1], CASES[sys.argv[2]], Path(sys.argv[3]))
