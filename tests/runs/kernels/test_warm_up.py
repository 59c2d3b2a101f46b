"""The fork server's warm-up: every step works, and leaves results, but no thread or connection."""

from __future__ import annotations

import os
import runpy
from importlib import import_module
from importlib.util import find_spec

import duckdb
import pytest

from d1lab import metrics
from d1lab.analyses.ab_tests.planner import endless_inflation
from d1lab.runs.kernels.fork_client import AVAILABLE, PRELOAD, PRELOAD_LATER, SERVER

STEPS = (*PRELOAD, *PRELOAD_LATER)
CALLS = [step for step in STEPS if ":" in step]


def test_every_step_exists():
    """The server goes on after a step that fails, so a wrong name would only cost time."""
    for step in STEPS:
        module, _, function = step.partition(":")
        assert find_spec(module), step
        assert not function or callable(getattr(import_module(module), function)), step


@pytest.mark.skipif(not AVAILABLE, reason="kernels are forked on Linux only")
def test_warm_up_leaves_results_without_threads():
    """A kernel finds the metrics parsed; a thread would not exist in it, only the locks it held."""
    for module in ("altair", "pandas", "pyarrow.parquet", "scipy.optimize"):
        import_module(module)  # some start threads, which are fit for a fork
    metrics._shipped.cache_clear()
    metrics.shipped_labels.cache_clear()
    endless_inflation.cache_clear()
    before = set(os.listdir("/proc/self/task"))
    for step in CALLS:
        module, _, function = step.partition(":")
        getattr(import_module(module), function)()
    assert set(os.listdir("/proc/self/task")) <= before
    assert metrics._shipped.cache_info().currsize == 1
    assert endless_inflation.cache_info().currsize == 1
    assert duckdb.execute("SELECT 42").fetchall() == [(42,)]  # a new connection
    duckdb.close()


def test_step_calls_a_function_and_goes_on_after_an_error(tmp_path, monkeypatch):
    """A kernel that needs what failed tells its reader why."""
    (tmp_path / "steps_of_test.py").write_text("def fine():\n    open('called', 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    preload = runpy.run_path(str(SERVER))["preload"]
    preload("no_such_module")
    preload("steps_of_test:no_such_function")
    assert not (tmp_path / "called").exists()
    preload("steps_of_test:fine")
    assert (tmp_path / "called").exists()


def test_later_steps_wait_for_a_processor(monkeypatch):
    """Two kernels on two processors go on undisturbed; beside one, the server prepares the rest."""
    has_processor = runpy.run_path(str(SERVER))["has_processor"]
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert [has_processor(kernels) for kernels in (0, 1, 2, 3)] == [True, True, False, False]
