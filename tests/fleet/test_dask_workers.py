"""A fleet on a Dask cluster of real processes: workers share no folder but a target."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from datetime import date
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from d1lab.config import Settings, load_settings
from d1lab.d1 import Usage
from d1lab.d1.usage_log import lines_since
from d1lab.errors import D1labError
from d1lab.fleet.cluster import share_of_machine
from d1lab.fleet.coordinator import FleetRequest, FleetResult, run_fleet
from d1lab.fleet.dask_workers import DaskWorkers, SchedulerLimit
from d1lab.fleet.marts import open_marts, read_mart
from d1lab.fleet.places import usage_folder
from d1lab.fleet.prune import KeptRuns, prune_fleet
from d1lab.fleet.registry import open_registry
from d1lab.runs.record import load_run
from d1lab.runs.run import run_folder
from tests.support.command_line import PROGRAM, Ended, caller
from tests.support.dask_cluster import Cluster, running
from tests.support.fleet import build_shop, keep_its_memory, memory_of_runs

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


class OneDatabase:
    """A database with shops of its own, and `d1lab run --scheduler` on it, as a user types it."""

    def __init__(
        self,
        settings: Settings,
        cluster: Cluster,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        *shops: str,
    ) -> None:
        build_shop(settings.root / "live.sqlite", *shops)
        monkeypatch.setenv("D1LAB_ROOT", str(settings.root))
        monkeypatch.setenv("D1LAB_DATA_DIR", str(settings.root / "own"))
        monkeypatch.setenv("D1LAB_DATABASE", "live")
        monkeypatch.setenv("D1LAB_DATABASES", '{"live": {"url": "sqlite:live.sqlite"}}')
        self.settings = load_settings()
        self._d1lab, self._address = caller(monkeypatch, capsys), cluster.address

    def run(self, *options: str, at_cluster: bool = True) -> Ended:
        where = ("--scheduler", self._address) if at_cluster else ()
        return self._d1lab("run", *where, *options, "--json")

    def assert_nothing_is_lost_or_doubled(
        self, shops: int, *, reports: int = 1, runs: int = 1
    ) -> None:
        """Each shop's runs are done, no lease is left, and its results are in D1 once."""
        with closing(sqlite3.connect(self.settings.data_dir / "ledger.sqlite")) as con:
            good = "SELECT shop, count(*) FROM runs WHERE status = 'done' GROUP BY shop, report"
            assert [count for _, count in con.execute(good)] == [runs] * shops * reports
            assert con.execute("SELECT count(*) FROM leases").fetchone() == (0,)
        with closing(sqlite3.connect(self.settings.root / "live.sqlite")) as con:
            sql = "SELECT turnover_rate FROM inventory_impact WHERE turnover_rate IS NOT NULL"
            assert con.execute(sql).fetchall() == [(1.5,)] * shops


def run_one_database(one: OneDatabase) -> None:
    """`d1lab run --scheduler` of a database with two shops: as on this machine alone."""
    root, ran = one.settings.root, one.run()
    assert ran.code == 0, ran
    assert [each["status"] for each in ran.json["runs"]] == ["done"] * 4
    for each in ran.json["runs"]:
        folder = run_folder(one.settings, "live", each["run_id"])
        assert Path(each["page"]).is_file()
        assert load_run(folder).status == "done"
        if each["report"] == "sums_up":
            assert "1 reports, missing: []" in (folder / "run.json").read_text()
    one.assert_nothing_is_lost_or_doubled(2, reports=2)
    assert {each["status"] for each in one.run().json["runs"]} == {"current"}
    assert not list(root.glob("worker*/data/*/live"))
    assert not list(root.glob("worker*/**/runs/*-sums_up-*")), "a run stays on a worker"


def assert_one_pace_for_all_workers(settings: Settings, cluster: Cluster) -> None:
    """A request that Cloudflare rejects at one worker makes the other one wait."""

    def seconds_after(call: str = "", *given: float) -> float:
        from distributed import get_worker

        limit = SchedulerLimit(worker := get_worker())
        if call:
            getattr(limit, call)(*given)
        return limit._ask(worker.scheduler.d1lab_reserve)

    with closing(DaskWorkers(settings, cluster.address)) as workers:
        ask, (one, other) = workers._client.submit, sorted(workers._client.nthreads())
        assert ask(seconds_after, "take", workers=[one]).result() == 0
        assert ask(seconds_after, "rejected", 300.0, workers=[one]).result() > 0
        assert ask(seconds_after, workers=[other]).result() > 0


def used(folder: Path) -> list[tuple[str, Usage]]:
    """What a log of billed usage says, without the command."""
    return [(each.at, each.usage) for each in lines_since(folder, date.min)]


@pytest.fixture
def cluster(fleet: Callable[..., Settings]):
    """Two databases, and a cluster of two workers: `settings, cluster`."""
    settings = fleet("ab", "uses_the_lab", "sums_up")
    with running(settings.root, 2) as made:
        yield settings, made


def test_workers_share_no_folder_but_the_target(cluster, monkeypatch, capsys):
    """Pages, marts, and the state are at the target; the next run goes on from it anywhere.

    Nor do the workers of `d1lab run`: what they need is sent, and what they make comes back. They
    share the memory of their machine.
    """
    settings, made = cluster
    (settings.root / "d1lab.toml").write_text('memory = "4GB"\n')
    keep_its_memory(settings, "uses_the_lab")
    run_one_database(OneDatabase(settings, made, monkeypatch, capsys, "corner", "harbor"))
    assert set(memory_of_runs(settings.root / "own")) == {"1953125KiB"}
    result = run(settings, made, reports=("uses_the_lab",))
    assert result.exit_code == 0, result
    told = [memory_of_runs(path) for path in settings.root.glob("worker*/data/fleet.d")]
    assert list(chain.from_iterable(told)) == ["1953125KiB"] * 2
    assert [rates(settings, name) for name in "ab"] == [[1.5], [1.5]]
    target = settings.root / "target"
    assert (target / "pages" / "a" / "a" / "corner" / "uses_the_lab" / "latest.html").is_file()
    assert read_mart(open_marts(settings, str(target)), "figures").num_rows == 2
    assert_one_state_each(settings)
    assert not (settings.data_dir / "fleet.d" / "databases").exists()
    on_workers = [used(path) for path in settings.root.glob("worker*/data/fleet.d/databases/a/a")]
    assert on_workers == [used(usage_folder(settings, "a"))]
    assert on_workers[0]
    assert_one_pace_for_all_workers(settings, made)
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


@contextmanager
def killed(find: Callable[[], subprocess.Popen[Any] | None]) -> Generator[None]:
    """Kill a process as soon as it is found, which must happen meanwhile."""
    ended, kills = threading.Event(), list[None]()

    def watch() -> None:
        while not (kills or ended.wait(0.01)):
            if found := find():
                kills.append(found.kill())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    assert kills


@pytest.mark.long
def test_a_killed_coordinator_of_a_cluster_loses_and_doubles_nothing(cluster):
    """Its workers may still be busy; the next one begins at once, and one state of each counts."""
    settings, made = cluster
    target = str(settings.root / "target")
    command = [PROGRAM, "fleet", "run", "--scheduler", made.address, "--target", target]
    process = subprocess.Popen(command, env={**os.environ, "D1LAB_ROOT": str(settings.root)})

    def busy() -> subprocess.Popen[bytes] | None:
        runs = settings.root.glob("worker*/data/fleet.d/databases/*/*/runs/*")
        return process if any(runs) else None

    with killed(busy):
        process.wait()
    result = run(settings, made)
    assert (result.exit_code, len(result.outcomes)) == (0, 2), result
    assert [rates(settings, name) for name in "ab"] == [[1.5], [1.5]]
    assert read_mart(open_marts(settings, target), "figures").num_rows == 2
    registry = open_registry(settings)
    assert not any(entry.is_running for entry in registry.entries())
    prune_fleet(settings, registry, target, KeptRuns())
    assert_one_state_each(settings)


@pytest.mark.long
def test_run_loses_and_doubles_nothing_with_a_killed_worker_and_scheduler(
    cluster, monkeypatch, capsys
):
    """A killed worker's notebook goes to the other. Without a scheduler, the run says so and ends.

    Then the same command without the cluster does what is left.
    """
    settings, made = cluster
    one = OneDatabase(settings, made, monkeypatch, capsys, "corner", "harbor", "quay")
    only = ("uses_the_lab",)

    def busy() -> subprocess.Popen[str] | None:
        for number, worker in enumerate(made.workers):
            folder = settings.root / f"worker{number}"
            if worker.poll() is None and any(folder.glob("**/runs/*-uses_the_lab-*")):
                return worker
        return None

    with killed(busy):
        ran = one.run(*only)
    assert (ran.code, [each["status"] for each in ran.json["runs"]]) == (0, ["done"] * 3), ran
    one.assert_nothing_is_lost_or_doubled(3)
    with killed(lambda: made.scheduler if busy() else None):
        ran = one.run(*only, "--force")
    assert ran.code == 1
    messages = [each["message"] for each in ran.json["runs"]]
    assert all("scheduler" in message for message in messages), messages
    ran = one.run(*only, "--force", at_cluster=False)
    assert (ran.code, [each["status"] for each in ran.json["runs"]]) == (0, ["done"] * 3), ran
    one.assert_nothing_is_lost_or_doubled(3, runs=2)


def test_no_scheduler_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With the command that starts one."""
    monkeypatch.setattr("d1lab.fleet.cluster.CONNECT_SECONDS", 0.2)
    with pytest.raises(D1labError, match="Start one: dask scheduler"):
        DaskWorkers(Settings(root=tmp_path), "tcp://127.0.0.1:9")


@pytest.mark.parametrize(("by_thread", "memory"), [(True, "976562KiB"), (False, "1953125KiB")])
def test_only_workers_of_one_machine_share_its_memory(monkeypatch, by_thread, memory):
    """Two workers of two threads each, and one on another machine."""
    addresses = ("tcp://10.0.0.5:4000", "tcp://10.0.0.5:4001", "tcp://10.0.0.6:4000")
    known = {"workers": {address: {"nthreads": 2} for address in addresses}}
    monkeypatch.setattr("distributed.utils.sync", lambda _loop, call: call())
    scheduler = SimpleNamespace(identity=lambda: known)
    worker = SimpleNamespace(loop=None, scheduler=scheduler, address=addresses[0])
    found = share_of_machine(Settings(memory="4GB"), worker, by_thread=by_thread)
    assert found.memory == memory
    assert share_of_machine(Settings(), worker, by_thread=by_thread).memory is None
