"""Fleet: many small databases with one process, two processes, and two workers of Dask.

Time, and what the workers hold: CPU of all their processes, and the memory of the largest worker.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager, suppress
from multiprocessing import active_children
from pathlib import Path
from typing import NamedTuple

import psutil

from bench.comparison import Comparison, Target
from d1lab.config import Settings
from d1lab.fleet.coordinator import FleetRequest, run_fleet
from d1lab.fleet.dask_workers import DaskWorkers
from d1lab.fleet.pool import LocalWorkers, Workers
from d1lab.fleet.registry import open_registry
from d1lab.fleet.sources import FleetDefaults, list_source
from tests.support import dask_cluster
from tests.support.fleet import SOURCE, build_fleet, build_shop

DATABASES = int(os.environ.get("D1LAB_TEST_FLEET_DATABASES", "200"))


class Took(NamedTuple):
    """What a fleet took."""

    seconds: float  # with the start of the workers
    cpu_seconds: float  # of the workers and all their processes
    peaks_mb: list[float]  # of the largest worker, after each tenth of the databases

    @property
    def growth(self) -> float:
        """A worker's peak at the end, as a multiple of that after a tenth of the databases."""
        return self.peaks_mb[-1] / self.peaks_mb[0]


def run() -> list[Comparison]:
    """Measure, and compare with the targets; the machine must be idle."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        build_shop(home / "shop.sqlite")
        took = {
            "one process": _local(home, "one", 1),
            "two processes": _local(home, "two", 2),
            "Dask, two workers": _dask(home),
        }
    alone, pool, dask = took.values()
    return [
        Comparison(
            f"A fleet of {DATABASES} databases",
            "Each has one small shop: pull, two reports, push, pages, and marts. Wall time, with "
            "the start of the workers; CPU of the workers and all their processes; the peak of the "
            "largest worker with its fork server, after a tenth of the databases and at the end.",
            ("workers", "seconds", "databases a minute", "CPU s a database", "MB, a tenth", "MB"),
            [_row(label, each) for label, each in took.items()],
            [
                Target(
                    "one process / Dask with two workers",
                    alone.seconds / dask.seconds,
                    1.6,
                    at_most=False,
                ),
                Target("Dask with two workers / two processes", dask.seconds / pool.seconds, 1.1),
                Target(
                    "a worker's peak, all databases / a tenth",
                    max(each.growth for each in took.values()),
                    1.15,
                ),
            ],
        )
    ]


def _row(label: str, took: Took) -> tuple[object, ...]:
    a_minute = 60 * DATABASES / took.seconds
    cpu = took.cpu_seconds / DATABASES
    return (label, took.seconds, a_minute, cpu, round(took.peaks_mb[0]), round(took.peaks_mb[-1]))


def _local(home: Path, name: str, count: int) -> Took:
    """Return what worker processes take for a new fleet."""
    with _fleet(home, name) as settings:
        return _timed(settings, lambda: LocalWorkers(settings, count), _worker_pids)


def _worker_pids() -> list[int]:
    return [process.pid for process in active_children() if process.pid]


def _dask(home: Path) -> Took:
    with _fleet(home, "dask") as settings:
        began = time.perf_counter()
        with dask_cluster.running(settings.root, 2) as cluster:
            started = time.perf_counter() - began
            pids = [worker.pid for worker in cluster.workers]
            took = _timed(settings, lambda: DaskWorkers(settings, cluster.address), lambda: pids)
        return took._replace(seconds=started + took.seconds)


def _timed(
    settings: Settings, open_workers: Callable[[], Workers], pids: Callable[[], list[int]]
) -> Took:
    began, peaks = time.perf_counter(), list[float]()

    def watch(_what: str, done: int, total: int) -> None:
        if done >= (len(peaks) + 1) * total / 10:
            peaks.append(max(map(_peak_mb, pids())))

    with closing(open_workers()) as workers:
        result = run_fleet(
            settings, open_registry(settings), workers, FleetRequest(), progress=watch
        )
        seconds = time.perf_counter() - began
        cpu = sum(map(_cpu_seconds, pids()))
    assert (len(result.outcomes), result.exit_code) == (DATABASES, 0), result
    return Took(seconds, cpu, peaks)


def _peak_mb(pid: int) -> float:
    """Return the peak of a worker and of its fork server, but not of the kernels."""
    return sum(map(_high_water_mb, [pid, *(c.pid for c in psutil.Process(pid).children())]))


def _high_water_mb(pid: int) -> float:
    with suppress(FileNotFoundError):  # it has just ended
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024
    return 0.0


def _cpu_seconds(pid: int) -> float:
    """Return the CPU time of a worker and of all processes that it started."""
    worker = psutil.Process(pid)
    return sum(sum(each.cpu_times()[:4]) for each in (worker, *worker.children(recursive=True)))


@contextmanager
def _fleet(home: Path, name: str) -> Generator[Settings]:
    """Yield a project with so many databases, and remove it."""
    root = home / name
    settings = build_fleet(root, home / "shop.sqlite", "")
    for number in range(DATABASES):
        shutil.copyfile(home / "shop.sqlite", root / "shops" / f"s{number:04}.sqlite")
    defaults = FleetDefaults()
    found = list_source(settings, SOURCE, defaults)
    open_registry(settings).sync(SOURCE, defaults, found)
    yield settings
    shutil.rmtree(root)
