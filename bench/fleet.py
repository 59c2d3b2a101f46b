"""Fleet: many small databases with one process, two processes, and two workers of Dask."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path

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


def run() -> list[Comparison]:
    """Measure, and compare with the targets; the machine must be idle."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        build_shop(home / "shop.sqlite")
        alone = _seconds(home, "one", lambda s: LocalWorkers(s, 1))
        pool = _seconds(home, "two", lambda s: LocalWorkers(s, 2))
        dask = _dask_seconds(home)
    rows = [("one process", alone), ("two processes", pool), ("Dask, two workers", dask)]
    return [
        Comparison(
            f"A fleet of {DATABASES} databases",
            "Each has one small shop: pull, two reports, push, pages, and marts. Wall time, with "
            "the start of the workers.",
            ("workers", "seconds", "databases a minute"),
            [(label, seconds, 60 * DATABASES / seconds) for label, seconds in rows],
            [
                Target("one process / Dask with two workers", alone / dask, 1.6, at_most=False),
                Target("Dask with two workers / two processes", dask / pool, 1.1),
            ],
        )
    ]


def _seconds(home: Path, name: str, open_workers: Callable[[Settings], Workers]) -> float:
    """Return the seconds that these workers take for a new fleet."""
    with _fleet(home, name) as settings:
        return _timed(settings, lambda: open_workers(settings))


def _dask_seconds(home: Path) -> float:
    with _fleet(home, "dask") as settings:
        began = time.perf_counter()
        with dask_cluster.running(settings.root, 2) as cluster:
            started = time.perf_counter() - began
            took = _timed(settings, lambda: DaskWorkers(settings, cluster.address))
        return started + took


def _timed(settings: Settings, open_workers: Callable[[], Workers]) -> float:
    began = time.perf_counter()
    with closing(open_workers()) as workers:
        result = run_fleet(settings, open_registry(settings), workers, FleetRequest())
    assert (len(result.outcomes), result.exit_code) == (DATABASES, 0), result
    return time.perf_counter() - began


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
