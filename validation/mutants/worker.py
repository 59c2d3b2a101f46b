"""Processes that run tests: each a copy of one that has imported all libraries, but no d1lab."""

from __future__ import annotations

import gc
import os
import pickle
import resource
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from validation.mutants.faults import ROOT, Fault
from validation.mutants.suite import MEASURED, Suite, Watch, both

OWN = ("d1lab", "tests")
COPIED = (
    "d1lab",
    "tests",
    "validation",
    "notebooks",
    "docs",
    "bench",
    "pyproject.toml",
    "Makefile",
)
TIMES, SPARE = 10, 5
"""A test with a fault may take ten times its processor time, and five seconds."""
MEMORY = 12 << 30

_ENDED = {0: False, 1: True, 2: True, 5: False}  # 2: nothing could be imported; 5: no tests


def warm() -> None:
    """Import the libraries that tests use, so that each process has them."""
    import hypothesis  # noqa: F401
    import pytest  # noqa: F401
    import scipy.optimize
    import scipy.stats  # noqa: F401

    import d1lab.cli.main
    import d1lab.lab  # noqa: F401

    for name in [name for name in sys.modules if name.partition(".")[0] in OWN]:
        del sys.modules[name]


def copy_to(folder: Path, source: Path = ROOT) -> Path:
    """Copy the project, or what is not there yet, without installed programs."""
    ignored = shutil.ignore_patterns("node_modules")
    for name in COPIED:
        if (source / name).is_dir():
            shutil.copytree(source / name, folder / name, ignore=ignored, dirs_exist_ok=True)
        else:
            shutil.copy2(source / name, folder / name)
    return folder


def measure(copy: Path) -> Suite:
    """Run all tests without a fault, in two processes."""
    files = sorted(
        str(path.relative_to(copy))
        for place in MEASURED
        for path in ((copy / place).rglob("*.py") if (copy / place).is_dir() else [copy / place])
        if path.name.startswith("test_") or place.startswith("d1lab")
    )
    kept = [copy / f"suite{half}" for half in range(2)]
    pids = [
        _forked(lambda at=at, half=half: _measured(copy, files[half::2], at))
        for half, at in enumerate(kept)
    ]
    try:
        while pids:
            pid, status = os.wait()
            pids.remove(pid)
            if status:
                raise SystemExit(f"tests fail without a fault: see {copy / 'output'}")
    finally:
        _end(pids)
    return both(*(pickle.loads(path.read_bytes()) for path in kept))


def _measured(copy: Path, files: Sequence[str], kept: Path) -> int:
    os.chdir(copy)
    watch = Watch()
    code = _run(copy, files, watch)
    kept.write_bytes(pickle.dumps(watch.suite()))
    return code


def judged(
    faults: Iterator[Fault], suite: Suite, copies: Sequence[Path]
) -> Iterator[tuple[Fault, bool | None]]:
    """Yield whether tests found a fault, in the order in which they ended; None: not known."""
    free = list(copies)
    gc.freeze()  # no process has to look through all of it
    running: dict[int, tuple[Fault, Path]] = {}
    try:
        while True:
            while free and (fault := next(faults, None)):
                copy = free.pop()
                (copy / fault.path).write_text(fault.text, encoding="utf-8")
                tests = suite.tests_of(fault)
                pid = _forked(lambda copy=copy, tests=tests: _run(copy, tests, _Limit(suite)))
                running[pid] = fault, copy
            if not running:
                return
            pid, status = os.wait()
            fault, copy = running.pop(pid)
            shutil.copy2(ROOT / fault.path, copy / fault.path)
            free.append(copy)
            yield fault, _outcome(status)
    finally:
        gc.unfreeze()
        _end(running)


def _end(pids: Iterable[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _outcome(status: int) -> bool | None:
    if os.WIFSIGNALED(status):
        return True if os.WTERMSIG(status) == signal.SIGPROF else None
    return _ENDED.get(os.WEXITSTATUS(status))


class _Limit:
    """A plugin of pytest that ends the process where a test takes too long."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Measure processor time: a busy machine is no fault."""
        seconds = self.suite.seconds.get(nodeid, 60)
        signal.setitimer(signal.ITIMER_PROF, TIMES * seconds + SPARE)


def _forked(task: Callable[[], int]) -> int:
    """Run a task in a copy of this process; return its number."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 3
        try:
            code = task()
        except Exception:  # noqa: BLE001
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return pid


def _run(copy: Path, tests: Sequence[str], plugin: Any) -> int:
    """Run tests of a copy of the project in this process, which has none of its modules."""
    import pytest

    os.chdir(copy)
    os.environ |= {"PYTHONPATH": str(copy), "OPENBLAS_NUM_THREADS": "1"}
    sys.path[:] = [str(copy), *(path for path in sys.path if path not in ("", str(ROOT)))]
    sys.dont_write_bytecode = isinstance(plugin, _Limit)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with (copy / "output").open("a") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--tb=line"]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of libraries imported before
    return int(pytest.main([*options, *tests], plugins=[plugin]))
