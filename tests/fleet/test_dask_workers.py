"""A fleet on a Dask cluster of real processes: workers share no folder but a target."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from d1lab.config import Settings
from d1lab.errors import D1labError
from d1lab.fleet.coordinator import FleetRequest, FleetResult, run_fleet
from d1lab.fleet.dask_workers import DaskWorkers
from d1lab.fleet.marts import open_marts, read_mart
from d1lab.fleet.registry import open_registry
from tests.support.dask_cluster import Cluster, running

pytest.importorskip("distributed")


def rates(settings: Settings, name: str) -> list[float]:
    """The staged value, as D1 has it."""
    with closing(sqlite3.connect(settings.root / "shops" / f"{name}.sqlite")) as con:
        sql = "SELECT turnover_rate FROM inventory_impact WHERE turnover_rate IS NOT NULL"
        return [rate for (rate,) in con.execute(sql)]


def run(settings: Settings, cluster: Cluster, **request: object) -> FleetResult:
    asked = FleetRequest(target=str(settings.root / "target"))._replace(**request)
    with closing(DaskWorkers(settings, cluster.address)) as workers:
        return run_fleet(settings, open_registry(settings), workers, asked, sleep_seconds=0.1)


def assert_one_state_each(settings: Settings) -> None:
    """The target has the one state of each database that the registry names."""
    folders = sorted((settings.root / "target" / "states").iterdir())
    stored = {each.name: [path.name.split(".")[0] for path in each.iterdir()] for each in folders}
    assert stored == {each.name: [each.state] for each in open_registry(settings).entries()}


@pytest.fixture
def cluster(fleet: Callable[..., Settings]):
    """Two databases, and a cluster of two workers: `settings, cluster`."""
    settings = fleet("ab", "uses_the_lab")
    with running(settings.root, 2) as made:
        yield settings, made


def test_workers_share_no_folder_but_the_target(cluster):
    """Pages, marts, and the state are at the target; the next run goes on from it anywhere."""
    settings, made = cluster
    result = run(settings, made)
    assert result.exit_code == 0, result
    assert [rates(settings, name) for name in "ab"] == [[1.5], [1.5]]
    target = settings.root / "target"
    assert (target / "pages" / "a" / "a" / "corner" / "uses_the_lab" / "latest.html").is_file()
    assert read_mart(open_marts(settings, str(target)), "figures").num_rows == 2
    assert_one_state_each(settings)
    assert not (settings.data_dir / "fleet.d" / "databases").exists()
    made.workers[1].kill()  # what it had on its disk is gone
    again = run(settings, made, force=True)
    assert [(each.status, each.reports_done, each.reports_current) for each in again.outcomes] == [
        ("done", 0, 1),
        ("done", 0, 1),
    ], again
    assert_one_state_each(settings)


@pytest.mark.long
def test_a_killed_worker_and_a_killed_scheduler_lose_and_double_nothing(cluster):
    """The worker's database goes to the other; without a scheduler, the run ends and says so."""
    settings, made = cluster
    workers = DaskWorkers(settings, made.address)
    request = FleetRequest(target=str(settings.root / "target"))
    killed: list[str] = []

    def kill_worker(_name: str, _done: int, _of: int) -> None:
        if not killed and any((settings.root / "worker0" / "data").glob("*/databases/*/*/runs/*")):
            killed.append("worker")
            made.workers[0].kill()

    with closing(workers):
        registry = open_registry(settings)
        result = run_fleet(
            settings, registry, workers, request, progress=kill_worker, sleep_seconds=0.1
        )
        assert (killed, result.exit_code) == (["worker"], 0), result
    assert [rates(settings, name) for name in "ab"] == [[1.5], [1.5]]
    assert_one_state_each(settings)

    workers = DaskWorkers(settings, made.address)

    def kill_scheduler(_name: str, _done: int, _of: int) -> None:
        made.scheduler.kill()

    with closing(workers):
        again = run_fleet(
            settings,
            registry,
            workers,
            request._replace(force=True),
            progress=kill_scheduler,
            sleep_seconds=0.1,
        )
    assert again.exit_code == 1
    assert "scheduler" in again.stopped + again.outcomes[0].message
    assert not any(entry.is_running for entry in registry.entries())
    assert [rates(settings, name) for name in "ab"] == [[1.5], [1.5]]
    assert read_mart(open_marts(settings, request.target), "figures").num_rows == 2


def test_no_scheduler_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With the command that starts one."""
    monkeypatch.setattr("d1lab.fleet.dask_workers.CONNECT_SECONDS", 0.2)
    with pytest.raises(D1labError, match="Start one: dask scheduler"):
        DaskWorkers(Settings(root=tmp_path), "tcp://127.0.0.1:9")
