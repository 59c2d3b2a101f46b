"""Faults of D1, of the disk, and of the coordinator: nothing lost or doubled, the rest goes on."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
from filelock import FileLock
from pydantic import SecretStr

from d1lab.config import Settings
from d1lab.config_sections import PullSettings
from d1lab.d1 import connect
from d1lab.d1.request_limit import Pace, RequestBucket
from d1lab.d1.rest import RestDatabase
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.fleet import unit
from d1lab.fleet.coordinator import ATTEMPTS, FleetRequest, FleetResult, run_fleet
from d1lab.fleet.entry import RegistryEntry
from d1lab.fleet.marts import open_marts, read_mart
from d1lab.fleet.order import Order, Outcome
from d1lab.fleet.registry import open_registry
from d1lab.fleet.sources import FleetDatabase, FleetDefaults
from d1lab.fleet.unit import work
from tests.support.command_line import PROGRAM
from tests.support.d1_api import D1Api
from tests.support.fleet import Inline, done, run_inline

ACCOUNT = "d1://0123456789abcdef0123456789abcdef"
UNCHANGED, CHANGED, PUSHED = 1, 3, 13
"""Requests of a database at most: without a change; pulled and run; with one report pushed, too."""


class Account:
    """Cloudflare's API in front of a fleet's files, one database for each.

    Args:
        settings: The project's.
        monkeypatch: Sends what d1lab opens to this API.
    """

    def __init__(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        self.apis: dict[str, D1Api] = {}
        self.files = sorted((settings.root / "shops").glob("*.sqlite"))
        found: list[FleetDatabase] = []
        for number, file in enumerate(self.files):
            url = f"{ACCOUNT}/00000000-0000-0000-0000-{number:012}"
            self.apis[url] = D1Api(SqliteDatabase(str(file), url=url, read_only=False))
            found.append(FleetDatabase(file.stem, url, "paid", "EUR", "", 24.0))
        registry = open_registry(settings)
        registry.sync("sqlite:shops/*.sqlite", FleetDefaults(), [])
        registry.sync(f"{ACCOUNT}/*", FleetDefaults(), found)
        self.names = {each.database.url: each.name for each in registry.entries()}
        monkeypatch.setattr(connect, "open_database", self._open)

    def api(self, name: str) -> D1Api:
        [url] = [url for url, known in self.names.items() if known == name]
        return self.apis[url]

    def _open(self, url: str, **options: Any) -> RestDatabase:
        tokens = {"read_token": SecretStr("r"), "write_token": SecretStr("w")}
        handler = httpx2.MockTransport(self.apis[url])
        return RestDatabase(url, handler=handler, read_only=options["read_only"], **tokens)


@pytest.fixture
def account(fleet: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch):
    """Make an account of databases: `account("abc", "ends_well")` returns settings and account."""

    def make(names: str, *reports: str) -> tuple[Settings, Account]:
        settings = fleet(names, *reports)
        return settings, Account(settings, monkeypatch)

    return make


def named(registry: Any, letter: str) -> RegistryEntry:
    """The entry of a database that is listed now, by the letter of its file."""
    return next(e for e in registry.entries() if e.listed and e.name.startswith(letter))


@pytest.mark.long
def test_requests_of_a_database(account):
    """One without a change; with one, few enough for 10,000 databases in three hours."""
    settings, api = account("a", "uses_the_lab")
    registry = open_registry(settings)
    settings.pull = PullSettings(counters="always")

    def outcome(push: bool) -> Outcome:
        def do(order: Order) -> Outcome:
            return work(settings, order)

        result, _ = run_inline(settings, registry, do, force=True, push=push)
        assert result.exit_code == 0, result
        return result.outcomes[0]

    def change(stock: int) -> None:
        with closing(sqlite3.connect(api.files[0])) as con, con:
            sql = "UPDATE inventory_impact SET ending_inventory = ? WHERE date = '2026-04-29'"
            con.execute(sql, (stock,))

    assert outcome(push=True).pushed == 1
    outcome(push=False)  # takes note of what the push has changed
    assert outcome(push=False).requests == UNCHANGED
    change(1)
    changed = outcome(push=False)
    assert (changed.reports_done, changed.requests <= CHANGED) == (1, True), changed
    change(2)
    pushed = outcome(push=True)
    assert (pushed.reports_done, pushed.requests <= PUSHED) == (1, True), pushed
    outcome(push=True)  # sees that the results are in D1
    assert outcome(push=True).requests == UNCHANGED


def test_ten_thousand_databases_take_three_hours_of_requests():
    """A fifth changed: pulled, run, and pushed, by the pace of the bucket in simulated time."""
    pace, used, now = Pace(), 0.0, 0.0
    for _ in range(8_000 * UNCHANGED + 2_000 * PUSHED):
        used, wait = pace.reserve(used, now)
        now += wait
    assert now <= 3 * 3_600


@pytest.mark.long
def test_ten_thousand_databases_by_the_registry_and_the_real_bucket(tmp_path):
    """A fifth changed; the coordinator claims each, and the bucket is the file of the workers."""
    settings = Settings(root=tmp_path)
    registry = open_registry(settings)
    found = [
        FleetDatabase(f"s{number:05}", f"{ACCOUNT}/s{number:05}", "paid", "", "", 24.0)
        for number in range(10_000)
    ]
    registry.sync(f"{ACCOUNT}/*", FleetDefaults(), found)
    clock = [1_000.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    bucket = RequestBucket(tmp_path / "bucket", clock=lambda: clock[0], sleep=sleep)

    def do(order: Order) -> Outcome:
        requests = PUSHED if order.name.endswith(("0", "5")) else UNCHANGED
        for _ in range(requests):
            bucket.take()
        return done(order, requests=requests)

    result = run_fleet(settings, registry, Inline(do), FleetRequest())
    assert (len(result.outcomes), result.exit_code) == (10_000, 0)
    assert sum(each.requests for each in result.outcomes) == 8_000 * UNCHANGED + 2_000 * PUSHED
    assert 2 * 3_600 < clock[0] - 1_000 <= 3 * 3_600
    assert run_inline(settings, registry, done)[1] == []


def test_an_expired_token_of_one_database_stops_no_other(account):
    """Its failure names the token; nothing of it is retried."""
    settings, api = account("abc", "ends_well")
    error = {"success": False, "errors": [{"code": 10000, "message": "Authentication error"}]}
    denied = httpx2.Response(401, json=error)
    bad = named(open_registry(settings), "b").name
    api.api(bad).fault = lambda _number, _request, _answer: denied
    result, names = run_inline(
        settings, open_registry(settings), lambda order: work(settings, order)
    )
    ended = {each.name: (each.status, each.kind) for each in result.outcomes}
    assert ended.pop(bad) == ("failed", "access")
    assert set(ended.values()) == {("done", "")}
    assert len(names) == 3
    assert "D1LAB_READ_TOKEN" in next(e.message for e in result.outcomes if e.name == bad)


@pytest.mark.long
def test_a_storm_of_429_is_sat_out(account):
    """Every second request is rejected: all databases end well, and each push is there once."""
    settings, api = account("ab", "uses_the_lab")
    slow = {"success": False, "errors": [{"code": 971, "message": "slow down"}]}
    storm = httpx2.Response(429, headers={"retry-after": "0"}, json=slow)
    for each in api.apis.values():
        each.fault = lambda number, _request, _answer: storm if number % 2 == 0 else None
    result, _ = run_inline(settings, open_registry(settings), lambda order: work(settings, order))
    assert result.exit_code == 0, result
    for file in api.files:
        with closing(sqlite3.connect(file)) as con:
            rates = con.execute("SELECT sum(turnover_rate) FROM inventory_impact").fetchone()
            assert rates == (1.5,)
    assert read_mart(open_marts(settings, ""), "figures").num_rows == 2


def test_a_full_disk_is_tried_again_and_said(fleet, monkeypatch):
    """The database that meets it is tried three times; the others are done."""
    settings = fleet("ab", "ends_well")
    real = unit.pull

    def pull(db: Any, folder: Path, **options: Any):
        pulled = real(db, folder, **options)
        if options["database"] == "a":
            raise OSError(28, "No space left on device")
        return pulled

    monkeypatch.setattr(unit, "pull", pull)
    result, names = run_inline(
        settings, open_registry(settings), lambda order: work(settings, order)
    )
    assert (names.count("a"), names.count("b")) == (ATTEMPTS, 1)
    ended = {each.name: each for each in result.outcomes}
    assert (ended["a"].kind, ended["b"].status) == ("machine", "done")
    entry = open_registry(settings).entries(["a"])[0]
    assert entry.rows_read > 0, "D1 bills what could not be kept"
    assert ended["a"].message.startswith("the disk or the memory of the worker is full: ")
    assert "No space left" in ended["a"].message
    monkeypatch.setattr(unit, "pull", real)
    again, names = run_inline(
        settings, open_registry(settings), lambda order: work(settings, order)
    )
    assert (names, again.exit_code, again.outcomes[0].reports_done) == (["a"], 0, 1)


def test_one_worker_of_a_machine_at_a_time(fleet):
    """A worker that was given up may still be busy: the next one does not disturb it."""
    settings = fleet("a", "ends_well")
    order = Order("a", open_registry(settings).entries()[0].database.settings.model_dump())
    lock = settings.data_dir / "fleet.d" / "locks" / "a.lock"
    lock.parent.mkdir(parents=True)
    with FileLock(lock):
        outcome = work(settings, order)
    assert (outcome.kind, outcome.rows_read) == ("locked", 0)
    assert not (settings.data_dir / "fleet.d" / "databases").exists()


def test_a_budget_that_is_used_up_is_used_up_for_the_day(fleet):
    """The pull stops at it, what it has read counts, and the next day goes on from there."""
    settings = fleet("a", "ends_well")
    registry = open_registry(settings)

    def run() -> FleetResult:
        return run_inline(settings, registry, lambda o: work(settings, o), max_rows_read=150)[0]

    [outcome] = run().outcomes
    assert (outcome.status, "--max-rows-read" in outcome.message) == ("failed", True), outcome
    assert (outcome.rows_read, registry.entries()[0].rows_read) == (150, 150)
    assert run().outcomes == ()
    with closing(sqlite3.connect(registry.path)) as con, con:
        con.execute("UPDATE databases SET day = '2026-01-01'")
    [next_day] = run().outcomes
    assert next_day.rows_read > 0


def assert_done_once(settings: Settings, names: str) -> None:
    """Each database has one run that is done, its result in D1 once, and one row in the mart."""
    for name in names:
        with closing(sqlite3.connect(settings.root / "shops" / f"{name}.sqlite")) as con:
            rates = con.execute("SELECT sum(turnover_rate) FROM inventory_impact").fetchone()
            assert rates == (1.5,)
        ledger = settings.data_dir / "fleet.d" / "databases" / name / "ledger.sqlite"
        with closing(sqlite3.connect(ledger)) as con:
            good = con.execute("SELECT count(*) FROM runs WHERE status = 'done'").fetchone()
            assert good == (1,)
            assert con.execute("SELECT count(*) FROM leases").fetchone() == (0,)
    assert read_mart(open_marts(settings, ""), "figures").num_rows == len(names)


@pytest.mark.long
def test_two_coordinators_as_processes_share_the_work(fleet):
    """Two commands at once: each database is done by one of them, once."""
    settings = fleet("abcd", "uses_the_lab")
    command = [PROGRAM, "fleet", "run", "--workers", "1", "--json"]
    environment = {**os.environ, "D1LAB_ROOT": str(settings.root)}
    both = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    ended = [json.loads(each.communicate()[0]) for each in both]
    assert [each.returncode for each in both] == [0, 0], ended
    done = [outcome["name"] for each in ended for outcome in each["outcomes"]]
    assert sorted(done) == list("abcd")
    assert_done_once(settings, "abcd")


@pytest.mark.long
def test_a_killed_coordinator_leaves_nothing_behind(fleet):
    """Its workers end with it; the next one continues at once, and nothing is doubled."""
    settings = fleet("abc", "uses_the_lab")
    command = [PROGRAM, "fleet", "run", "--workers", "2", "--json"]
    environment = {**os.environ, "D1LAB_ROOT": str(settings.root)}
    runs = settings.data_dir / "fleet.d" / "databases"
    code = (
        "import subprocess, sys, time, pathlib\n"
        f"p = subprocess.Popen({[str(c) for c in command]!r}, stdout=subprocess.DEVNULL)\n"
        f"runs = pathlib.Path({str(runs)!r})\n"
        "while not any(runs.glob('*/*/runs/*')) and p.poll() is None: time.sleep(.02)\n"
        "p.kill(); p.wait()"
    )
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    registry = open_registry(settings)
    assert not any(entry.is_running for entry in registry.entries())
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert_done_once(settings, "abc")
