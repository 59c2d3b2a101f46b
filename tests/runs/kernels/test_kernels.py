"""Kernels, forked or plain: they give the same results, share nothing, and fail clearly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from d1lab.charts.theme import MIME, chart_config
from d1lab.runs.cancellation import Cancellation
from d1lab.runs.execute import Execution, execute
from d1lab.runs.kernels import fork_client as forking
from d1lab.runs.kernels.fork_client import ForkServer
from d1lab.runs.kernels.kernel import Kernel
from tests.support.time_up import time_is_up_in_the_cell

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("COV_")}

pytestmark = pytest.mark.skipif(not forking.AVAILABLE, reason="kernels are forked on Linux only")


def run(name: str, log: Path, *, fork: bool = True, **options) -> tuple[Execution, Kernel]:
    kernel = Kernel({**ENVIRONMENT, **os.environ}, NOTEBOOKS, log, fork=fork)
    options = {"timeout_seconds": 60} | options
    execution = execute(NOTEBOOKS / f"{name}.ipynb", {"shop": "village"}, kernel, **options)
    return execution, kernel


def printed(execution: Execution) -> str:
    assert execution.notebook is not None
    outputs = [o for cell in execution.notebook.cells for o in cell.get("outputs", ())]
    return "".join(o["text"] for o in outputs if o.output_type == "stream")


@pytest.mark.parametrize("fork", [True, False])
def test_kernel_runs_a_notebook(tmp_path, fork, monkeypatch):
    """Forked and plain kernels give the same results, and both end afterwards.

    A chart of Altair's own has d1lab's theme, and is in the form that pages draw.
    """
    monkeypatch.setenv("D1LAB_RUN_DIR", str(tmp_path))
    execution, kernel = run("draws_a_chart", tmp_path / "log", fork=fork)
    assert execution.status == "done", execution
    assert (execution.code_cells, execution.cells_done) == (6, 6)  # the injected one, too
    assert printed(execution) == "village None\n"
    [chart] = execution.notebook.cells[-1].outputs
    assert chart.data[MIME]["config"]["title"] == chart_config()["title"]
    assert kernel.forked is fork
    assert kernel.process.poll() is not None


def test_kernel_sees_nothing_of_another_run(tmp_path):
    """Variables, patches, environment, files, views, caches, and threads end with a run."""
    first, _ = run("leaves_traces", tmp_path / "log")
    second, _ = run("leaves_traces", tmp_path / "log")
    for execution in (first, second):
        assert execution.status == "done", execution
        assert printed(execution).splitlines()[0] == str([False] * 14)
    numbers = [printed(execution).splitlines()[1].split() for execution in (first, second)]
    assert all(mine != other for mine, other in zip(numbers[0][:3], numbers[1][:3], strict=True))


def test_changed_code_gets_a_new_server(tmp_path, monkeypatch):
    """Kernels run the code on the disk; those of an earlier server run to their end."""
    monkeypatch.setattr(forking, "_server", None)
    monkeypatch.setattr(forking, "_outdated", [])
    monkeypatch.setattr(forking, "ForkServer", lambda env, later: ForkServer(env, [], []))
    monkeypatch.setattr(forking, "code_state", lambda: frozenset({("a.py", 1, 1)}))
    first = forking.fork_server(ENVIRONMENT)
    assert forking.fork_server(ENVIRONMENT) is first
    kernel = started(first, tmp_path)
    monkeypatch.setattr(forking, "code_state", lambda: frozenset({("a.py", 1, 2)}))
    second = forking.fork_server(ENVIRONMENT)
    assert second is not first
    assert (first.alive, kernel.poll()) == (True, None)
    kernel.kill()
    kernel.wait(60)
    assert forking.fork_server(ENVIRONMENT) is second
    assert not first.alive
    second.close()


def test_kernel_starts_without_a_server(tmp_path, monkeypatch):
    """A fork server that cannot start only costs time."""
    monkeypatch.setattr(forking, "_server", None)
    monkeypatch.setattr(forking, "SERVER", tmp_path / "absent.py")
    execution, kernel = run("ends_well", tmp_path / "log")
    assert execution.status == "done", execution
    assert not kernel.forked
    assert "starting a new one" in (tmp_path / "log").read_text()
    forking._close()


def test_kernel_in_a_deep_folder_uses_tcp(tmp_path, monkeypatch):
    """A path that is too long for a socket does not stop the run."""
    monkeypatch.setattr("d1lab.runs.kernels.kernel.LONGEST_FOLDER", 1)
    execution, kernel = run("ends_well", tmp_path / "log")
    assert execution.status == "done", execution
    assert kernel.forked


def test_dead_kernel_is_distinguished_from_a_failed_cell(tmp_path):
    """A killed kernel and a failed cell have different errors, and both name the cell."""
    dead, _ = run("kernel_dies", tmp_path / "log")
    assert (dead.status, dead.failure.kind, dead.failure.cell_index) == ("failed", "kernel", 4)
    assert "SIGKILL" in dead.failure.message
    assert printed(dead) == "before the end\n"
    failed, _ = run("cell_raises", tmp_path / "log")
    assert (failed.status, failed.failure.kind) == ("failed", "cell")
    assert (failed.failure.ename, failed.failure.message) == ("KeyError", "'village'")
    cell = failed.notebook.cells[failed.failure.cell_index]
    assert 'amounts["village"]' in cell.source
    assert "\x1b" not in failed.failure.traceback
    assert (failed.code_cells, failed.cells_done) == (5, 3)


def test_crashed_kernel_says_where(tmp_path):
    """The output of a segmentation fault is in the run's log."""
    crashed, _ = run("kernel_crashes", tmp_path / "log")
    assert "SIGSEGV" in crashed.failure.message
    assert "string_at" in (tmp_path / "log").read_text()


def test_skipped_cells_leave_no_trace(tmp_path):
    """A cell tagged skip-run is neither run nor saved."""
    execution, _ = run("ends_well", tmp_path / "log")
    assert not any("this cell" in cell.source for cell in execution.notebook.cells)


def test_stop_ends_a_run_successfully(tmp_path):
    """`raise StopRun` skips the remaining cells without a traceback."""
    stopped, _ = run("stops_early", tmp_path / "log")
    assert (stopped.status, stopped.reason, stopped.failure) == ("skipped", "no data", None)
    outputs = [o for cell in stopped.notebook.cells for o in cell.get("outputs", ())]
    assert not [o for o in outputs if o.output_type == "error"]


def test_timeout_interrupts_the_running_cell(tmp_path, monkeypatch):
    """The limit applies to the whole run, and the error names the running cell."""
    time_is_up_in_the_cell(monkeypatch, tmp_path)
    stopped, kernel = run("never_ends", tmp_path / "log", timeout_seconds=1.5)
    assert (stopped.status, stopped.failure.kind) == ("timeout", "timeout")
    assert "stopped after 1.5 s; cell 5 was running" in stopped.reason
    assert kernel.process.poll() is not None


@pytest.mark.long
def test_timeout_kills_a_cell_that_ignores_the_interrupt(tmp_path, monkeypatch):
    """A cell that catches the interrupt is killed after the grace period."""
    time_is_up_in_the_cell(monkeypatch, tmp_path)
    stopped, kernel = run("ignores_interrupt", tmp_path / "log", timeout_seconds=1.5)
    assert stopped.status == "timeout"
    assert printed(stopped) == "going on\n"
    assert kernel.process.poll() == -signal.SIGKILL


def test_cancellation_keeps_a_kernel_from_running(tmp_path):
    """A run that is canceled before it starts is interrupted; its kernel did not die."""
    cancellation = Cancellation()
    cancellation.cancel()
    kernel = Kernel(ENVIRONMENT, NOTEBOOKS, tmp_path / "log")
    with cancellation.covers(kernel):
        ended = execute(NOTEBOOKS / "never_ends.ipynb", {}, kernel, timeout_seconds=60)
    assert (ended.status, ended.failure.kind) == ("failed", "other")
    assert "interrupted" in ended.reason


def test_kernel_needs_no_heartbeat(tmp_path, monkeypatch):
    """No thread opens sockets of a kernel, which could race with its end."""
    monkeypatch.setattr("jupyter_client.channels.HBChannel.start", lambda _: pytest.fail("started"))
    execution, _ = run("ends_well", tmp_path / "log")
    assert execution.status == "done", execution


def test_server_ends_with_its_caller(tmp_path):
    """If the calling process is killed, its kernels end as well."""
    program = f"""
import os, pathlib
from d1lab.runs.kernels.fork_client import ForkServer
log = os.open({str(tmp_path / "log")!r}, os.O_CREAT | os.O_WRONLY)
argv = ["-f", {str(tmp_path / "kernel.json")!r}]
orders = {{"argv": argv, "env": dict(os.environ), "cwd": "/"}}
kernel = ForkServer(os.environ, [], []).start(orders, log)
print(kernel.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, timeout=60, check=False
    )
    pid = int(done.stdout)
    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, "the kernel lives on"
        time.sleep(0.05)


def test_process_of_a_vanished_server_counts_as_killed(tmp_path):
    """The kernels of a killed server end with it, and their callers are notified."""
    server = ForkServer(ENVIRONMENT, [], [])
    process = started(server, tmp_path)
    assert process.poll() is None
    server.close()
    assert process.wait(60) == -signal.SIGKILL


def started(server: ForkServer, folder: Path) -> forking.ForkedProcess:
    """A kernel of the server."""
    with (folder / "log").open("wb") as log:
        orders = {"argv": ["-f", str(folder / "k.json")], "env": ENVIRONMENT, "cwd": "/"}
        return server.start(orders, log.fileno())
