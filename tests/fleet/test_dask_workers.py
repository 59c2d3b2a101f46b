"""A fleet on a Dask cluster of real processes: workers share no folder but a target."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from d1lab.config import Settings
from d1lab.config_sections import DatabaseSettings
from d1lab.d1 import Usage
from d1lab.d1.connect import connect
from d1lab.d1.usage_log import lines_since
from d1lab.errors import D1labError
from d1lab.fleet.coordinator import FleetRequest, FleetResult, run_fleet
from d1lab.fleet.dask_reports import DaskReports
from d1lab.fleet.dask_workers import DaskWorkers
from d1lab.fleet.marts import open_marts, read_mart
from d1lab.fleet.places import usage_folder
from d1lab.fleet.registry import open_registry
from d1lab.jobs.run import run_reports
from d1lab.pull import pull
from d1lab.runs.record import load_run
from d1lab.runs.run import run_folder
from tests.support.dask_cluster import Cluster, running
from tests.support.fleet import build_shop

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


def run_one_database(settings: Settings, cluster: Cluster) -> None:
    """`d1lab run --scheduler` of a database with two shops: as on this machine alone."""
    own = settings.model_copy(
        update={
            "database": "live",
            "databases": {"live": DatabaseSettings.model_validate({"url": "sqlite:live.sqlite"})},
            "data_dir": settings.root / "own",
        }
    )
    build_shop(settings.root / "live.sqlite", "corner", "harbor")
    with closing(connect(own)) as db:
        pull(db, own.folder(), database="live")
    with closing(DaskReports(cluster.address)) as machines:
        results = run_reports(own, machines=machines)
        assert {result.status for result in results} == {"done"}, results
        assert len(results) == 4
        assert run_reports(own, machines=machines)[0].status == "current"
    for result in results:
        folder = run_folder(own, "live", result.run_id or "")
        assert result.page is not None
        assert result.page.is_file()
        assert load_run(folder).status == "done"
        if result.job.task.after:
            assert "1 reports, missing: []" in (folder / "run.json").read_text()
        else:
            assert result.pushed is not None
            assert result.pushed.changed == 1
    assert not list(settings.root.glob("worker*/data/*/live"))
    assert not list(settings.root.glob("worker*/**/runs/*-sums_up-*")), "a run stays on a worker"


def used(folder: Path) -> list[tuple[str, Usage]]:
    """What a log of billed usage says, without the command."""
    return [(each.at, each.usage) for each in lines_since(folder, date.min)]


@pytest.fixture
def cluster(fleet: Callable[..., Settings]):
    """Two databases, and a cluster of two workers: `settings, cluster`."""
    settings = fleet("ab", "uses_the_lab", "sums_up")
    with running(settings.root, 2) as made:
        yield settings, made


def test_workers_share_no_folder_but_the_target(cluster):
    """Pages, marts, and the state are at the target; the next run goes on from it anywhere.

    Nor do the workers of `d1lab run`: what they need is sent, and what they make comes back.
    """
    settings, made = cluster
    run_one_database(settings, made)
    result = run(settings, made, reports=("uses_the_lab",))
    assert result.exit_code == 0, result
    assert [rates(settings, name) for name in "ab"] == [[1.5], [1.5]]
    target = settings.root / "target"
    assert (target / "pages" / "a" / "a" / "corner" / "uses_the_lab" / "latest.html").is_file()
    assert read_mart(open_marts(settings, str(target)), "figures").num_rows == 2
    assert_one_state_each(settings)
    assert not (settings.data_dir / "fleet.d" / "databases").exists()
    on_workers = [used(path) for path in settings.root.glob("worker*/data/fleet.d/databases/a/a")]
    assert on_workers == [used(usage_folder(settings, "a"))]
    assert on_workers[0]
    made.workers[1].kill()  # what it had on its disk is gone
    again = run(settings, made, reports=("uses_the_lab",), force=True)
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
    monkeypatch.setattr("d1lab.fleet.cluster.CONNECT_SECONDS", 0.2)
    with pytest.raises(D1labError, match="Start one: dask scheduler"):
        DaskWorkers(Settings(root=tmp_path), "tcp://127.0.0.1:9")
