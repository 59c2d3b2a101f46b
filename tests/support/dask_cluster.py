"""A Dask cluster on this machine: a scheduler and workers that share no folder but a target."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.support.blocks import ROOT

_PROGRAM = """
import os, threading
from dask.__main__ import main
from d1lab.fleet.pool import _end_with
threading.Thread(target=_end_with, args=({parent},), daemon=True).start()
main()
"""
"""The command `dask`, which ends with the process that has started it, even if that is killed."""

_NO_PROFILE = {"DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False"}  # as the guide says


class Cluster:
    """A scheduler, and workers with data folders of their own.

    Args:
        root: The project; workers read its notebooks, and write next to it.
        port: Of the scheduler; 0 for any free one.
    """

    def __init__(self, root: Path, port: int = 0) -> None:
        self.root = root
        self.workers: list[subprocess.Popen[str]] = []
        self._readers: list[threading.Thread] = []
        arguments = ["scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
        self.scheduler = self._start(arguments, {})
        self.address = self._first(self.scheduler, r"Scheduler at: +(tcp://\S+)")

    def add_workers(self, count: int) -> None:
        """Start workers at the same time, and wait until the scheduler knows all of them."""
        started = [self._start_worker(len(self.workers) + place) for place in range(count)]
        self.workers += started
        for worker in started:
            self._first(worker, r"(Registered to)")

    def _start_worker(self, number: int) -> subprocess.Popen[str]:
        folder = self.root / f"worker{number}"
        own = {"D1LAB_DATA_DIR": f"{folder}/data", "D1LAB_REPORTS_DIR": f"{folder}/reports"}
        arguments = ["worker", self.address, "--nthreads", "1", "--no-dashboard", "--no-nanny"]
        arguments += ["--local-directory", str(folder)]
        return self._start(arguments, {"D1LAB_ROOT": str(self.root), **own})

    def close(self) -> None:
        """End all processes."""
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()
        for reader in self._readers:
            reader.join()
        for process in (*self.workers, self.scheduler):
            assert process.stderr
            process.stderr.close()

    def _first(self, process: subprocess.Popen[str], pattern: str) -> str:
        """Return the first match in what a process logs; then a thread goes on reading."""
        assert process.stderr
        seen: list[str] = []
        for line in process.stderr:
            seen.append(line)
            if found := re.search(pattern, line):
                reader = threading.Thread(target=_drain, args=(process.stderr,))
                reader.start()
                self._readers.append(reader)
                return found[1]
        raise AssertionError(f"{pattern!r} not in the log: {''.join(seen)}")

    def _start(self, arguments: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
        return subprocess.Popen(
            [sys.executable, "-c", _PROGRAM.format(parent=os.getpid()), *arguments],
            env={**kept, "PYTHONPATH": str(ROOT), **_NO_PROFILE, **environment},
            cwd=self.root,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )


@contextmanager
def running(root: Path, workers: int) -> Generator[Cluster]:
    """Yield a cluster of so many workers."""
    cluster = Cluster(root)
    try:
        cluster.add_workers(workers)
        yield cluster
    finally:
        cluster.close()


def _drain(log: IO[str]) -> None:
    for _ in log:
        pass
