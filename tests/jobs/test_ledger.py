"""The ledger: runs survive, and two processes never do the same work at once."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from d1lab.errors import D1labError, LockedError
from d1lab.jobs import leases
from d1lab.jobs.leases import Work
from d1lab.jobs.ledger import RunLedger
from d1lab.runs.record import RunRecord

WORK = Work("demo", "harbor", "inventory")
START = datetime(2026, 5, 31, 6, 0, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> RunLedger:
    return RunLedger(tmp_path / "data" / "ledger.sqlite")


def row(run_id: str, **changes: object) -> dict[str, object]:
    return {
        "run_id": run_id,
        "series": "s",
        "as_of": "2026-05-30",
        "key": "k",
        "inputs": '{"the notebook": "n"}',
        "database": "demo",
        "shop": "harbor",
        "report": "inventory",
        "parameters": "{}",
        "status": "running",
        "started_at": START.isoformat(),
    } | changes


def record(run_id: str, status: str = "done") -> RunRecord:
    return RunRecord(
        run_id=run_id,
        report="inventory",
        title="Turnover",
        shop="harbor",
        status=status,
        started_at=START,
        finished_at=START,
        staged={"inventory_impact": 3},
    )


def finish(ledger: RunLedger, run_id: str, status: str = "done", **changes: object) -> None:
    ledger.start(row(run_id, **changes))
    ledger.finish(record(run_id, status), f"key of {run_id}", {"a": "1"}, "harbor/t/p.html")


def test_ledger_remembers_across_processes(ledger):
    """One process reads what another one wrote; the file is in WAL mode."""
    finish(ledger, "r1")
    ledger.set_pushed("r1", START)
    entry = RunLedger(ledger.path).last_done("s", date(2026, 5, 30))
    assert entry is not None
    assert (entry.run_id, entry.key, entry.inputs) == ("r1", "key of r1", {"a": "1"})
    assert (entry.page, entry.staged, entry.pushed_at) == ("harbor/t/p.html", 3, START)
    with sqlite3.connect(ledger.path) as con:
        assert con.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    con.close()


def test_ledger_is_made_by_one_of_many(tmp_path):
    """If several open it at the same moment, all of them see the same complete ledger."""
    path = tmp_path / "data" / "ledger.sqlite"
    together, faults = threading.Barrier(8), []

    def open_and_write(number: int) -> None:
        together.wait()
        try:
            finish(RunLedger(path), f"r{number}")
        except sqlite3.Error as error:
            faults.append(error)

    threads = [threading.Thread(target=open_and_write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(RunLedger(path).entries()) == 8
    assert [p.name for p in path.parent.iterdir()] == ["ledger.sqlite"]


@pytest.mark.parametrize("content", [b"", b"no database"])
def test_ledger_that_is_none_is_moved_aside(tmp_path, content, caplog):
    """A damaged file, or one of another program, is kept and named, and a new ledger starts."""
    (tmp_path / "ledger.sqlite").write_bytes(content)
    opened = RunLedger(tmp_path / "ledger.sqlite")
    finish(opened, "r1")
    assert len(RunLedger(tmp_path / "ledger.sqlite").entries()) == 1
    [aside] = tmp_path.glob("*.damaged")
    assert aside.read_bytes() == content
    assert str(aside) in caplog.text


def test_a_large_ledger_is_checked_once_a_day(ledger, monkeypatch):
    """Reading all of its history each time would make every command slower from year to year."""
    checks = []
    monkeypatch.setattr("d1lab.jobs.ledger.LARGE_BYTES", 1)
    check = RunLedger._check
    monkeypatch.setattr(RunLedger, "_check", lambda self, con: checks.append(1) or check(self, con))
    for _ in range(3):
        RunLedger(ledger.path)
    assert len(checks) == 1
    [mark] = ledger.path.parent.glob(".*.checked")
    os.utime(mark, (time.time() - 90_000,) * 2)
    RunLedger(ledger.path)
    assert len(checks) == 2


def test_a_damaged_page_of_the_ledger_is_noticed(ledger, caplog):
    """The file still opens, but its content can no longer be read."""
    for number in range(200):
        finish(ledger, f"r{number}")
    with closing(sqlite3.connect(ledger.path)) as con:
        con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(ledger.path.read_bytes())
    content[3 * 4096 : 12 * 4096] = b"\xff" * (9 * 4096)
    ledger.path.write_bytes(content)
    assert RunLedger(ledger.path).entries() == []
    assert "was damaged" in caplog.text


def test_a_ledger_whose_names_are_no_text_is_moved_aside(ledger, caplog):
    """SQLite then reports an error that is not text either."""
    finish(ledger, "r1")
    with closing(sqlite3.connect(ledger.path)) as con:
        con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = ledger.path.read_bytes()
    for name in (b"leases", b"runs_series", b"table"):
        ledger.path.write_bytes(content.replace(name, b"\xc2" + name[1:]))
        assert len(RunLedger(ledger.path).entries()) <= 1
    assert "was damaged" in caplog.text


def test_a_row_that_cannot_be_read_hides_no_other(ledger, caplog):
    """Such a row does not count as a run."""
    finish(ledger, "r1")
    finish(ledger, "r2")
    with closing(sqlite3.connect(ledger.path)) as con, con:
        con.execute("UPDATE runs SET inputs = '{' WHERE run_id = 'r1'")
    assert [entry.run_id for entry in ledger.entries()] == ["r2"]
    assert "r1 is not readable" in caplog.text


def test_ledger_that_cannot_be_made_is_told(tmp_path):
    """Here, no file can be created because the name is too long."""
    with pytest.raises(D1labError, match=r"cannot use the run ledger .* the folder is writable"):
        RunLedger(tmp_path / ("l" * 240))


def test_last_done_is_the_newest_good_run_of_that_day(ledger):
    """Failed and unfinished runs, other days and other parameters do not count."""
    finish(ledger, "r1", started_at="2026-05-31T01:00:00+00:00")
    finish(ledger, "r2", "skipped", started_at="2026-05-31T02:00:00+00:00")
    finish(ledger, "r3", "failed", started_at="2026-05-31T03:00:00+00:00")
    finish(ledger, "r4", as_of="2026-05-31", started_at="2026-05-31T04:00:00+00:00")
    finish(ledger, "r5", series="other", started_at="2026-05-31T05:00:00+00:00")
    ledger.start(row("r6", started_at="2026-05-31T06:00:00+00:00"))
    entry = ledger.last_done("s", date(2026, 5, 30))
    assert entry is not None
    assert entry.run_id == "r2"
    assert ledger.last_done("s", None) is None


def test_newest_is_that_of_any_day(ledger):
    """With a status, the newest that has it; other parameters do not count."""
    finish(ledger, "r1", as_of="2026-05-31", started_at="2026-06-01T01:00:00+00:00")
    finish(ledger, "r2", started_at="2026-06-01T02:00:00+00:00")
    finish(ledger, "r3", "failed", as_of="2026-05-29", started_at="2026-06-01T03:00:00+00:00")
    finish(ledger, "r4", series="other", started_at="2026-06-01T04:00:00+00:00")
    newest, good = ledger.newest("s"), ledger.newest("s", "done")
    assert newest is not None
    assert good is not None
    assert (newest.run_id, good.run_id) == ("r3", "r2")
    assert ledger.newest("s", "skipped") is None


def test_previous_is_the_last_done_run_of_an_earlier_day(ledger):
    """Runs of the same day, of later days, and skipped runs do not count."""
    finish(ledger, "may", as_of="2026-05-30", started_at="2026-06-01T01:00:00+00:00")
    finish(ledger, "june", as_of="2026-06-30", started_at="2026-07-01T01:00:00+00:00")
    finish(ledger, "july", "skipped", as_of="2026-07-30", started_at="2026-08-01T01:00:00+00:00")
    found = {
        day: (entry.run_id if (entry := ledger.previous("s", date.fromisoformat(day))) else None)
        for day in ("2026-05-29", "2026-05-30", "2026-05-31", "2026-06-15", "2026-08-01")
    }
    assert found == {
        "2026-05-29": None,
        "2026-05-30": None,
        "2026-05-31": "may",
        "2026-06-15": "may",
        "2026-08-01": "june",
    }


def test_a_lease_finds_unfinished_runs_without_a_scan(ledger):
    """Forty shops leave 100,000 runs in a month; existing ledgers get the index as well."""
    with ledger.open() as con:
        con.execute("DROP INDEX runs_running")
    with RunLedger(ledger.path).open() as con:
        plan = con.execute(
            "EXPLAIN QUERY PLAN UPDATE runs SET status = 'lost'"
            " WHERE database = ? AND shop = ? AND report = ? AND status = 'running'",
            ("demo", "harbor", "inventory"),
        ).fetchall()
    assert [row["detail"].split(" (")[0] for row in plan] == [
        "SEARCH runs USING INDEX runs_running"
    ]


def test_lease_keeps_others_out(ledger):
    """A held lease is an error with exit code 75 that names its holder; other work is free."""
    with ledger.lease(WORK):
        with pytest.raises(LockedError) as caught, RunLedger(ledger.path).lease(WORK):
            pass
        assert f"process {os.getpid()}" in str(caught.value)
        assert "report 'inventory' for shop 'harbor'" in str(caught.value)
        assert caught.value.exit_code == 75
        with ledger.lease(WORK._replace(shop="kiosk")):
            pass
    with ledger.lease(WORK):
        pass


@pytest.mark.parametrize(
    ("host", "ahead", "is_free"),
    [("here", 3_000, True), ("there", 3_000, False), ("there", 30_000, True), ("here", 30, False)],
)
def test_lease_with_a_beat_in_the_future(ledger, host, ahead, is_free):
    """If a clock was set back, or another machine's is ahead, nobody waits for that time."""
    name = socket.gethostname() if host == "here" else "elsewhere"
    row = (*WORK, "holder", name, os.getpid(), time.time() + ahead)
    with closing(sqlite3.connect(ledger.path)) as con, con:
        con.execute("INSERT INTO leases VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    if is_free:
        with ledger.lease(WORK):
            return
    with pytest.raises(LockedError), ledger.lease(WORK):
        pass


def test_lease_is_taken_by_one_of_many(ledger):
    """If several ask at the same moment, exactly one gets it."""
    together, holders, refused = threading.Barrier(8), [], []
    over = threading.Event()

    def ask() -> None:
        together.wait()
        try:
            with ledger.lease(WORK) as lease:
                holders.append(lease.holder)
                over.wait(10)
        except LockedError:
            refused.append(1)
            if len(refused) == 7:
                over.set()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(holders) == 1
    assert len(refused) == 7


def test_lease_of_a_killed_process_is_free_at_once(ledger):
    """Nobody waits for a process that no longer exists; its run is marked as lost."""
    program = f"""
import os
from pathlib import Path
from d1lab.jobs.ledger import RunLedger, Work
ledger = RunLedger(Path({str(ledger.path)!r}))
with ledger.lease(Work("demo", "harbor", "inventory")):
    ledger.start({row("r1")!r})
    os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", program], check=False)
    assert [e.status for e in ledger.entries()] == ["running"]
    with ledger.lease(WORK):
        assert [e.status for e in ledger.entries()] == ["lost"]


def test_lease_of_another_machine_expires(ledger, monkeypatch):
    """If the process cannot be checked, a minute without a heartbeat releases the work."""
    monkeypatch.setattr(leases.socket, "gethostname", lambda: "elsewhere")
    monkeypatch.setattr(leases, "BEAT_SECONDS", 3600)
    lease = ledger.lease(WORK)
    held = lease.__enter__()
    monkeypatch.setattr(leases.socket, "gethostname", lambda: "here")
    with pytest.raises(LockedError, match="on elsewhere"), ledger.lease(WORK):
        pass
    _backdate(ledger, 61)
    with ledger.lease(WORK):
        assert not held.beat(), "the old holder hears that it lost the lease"
    lease.__exit__(None, None, None)


def test_a_run_keeps_the_ledger_open(ledger):
    """Leases do not write the file back one by one, and what fails meanwhile is not the ledger's.

    A lease can end in another thread.
    """
    log = ledger.path.with_name(f"{ledger.path.name}-wal")
    with ledger.kept_open():
        with ExitStack() as held:
            held.enter_context(ledger.lease(WORK))
            ended = threading.Thread(target=held.pop_all().close)
            ended.start()
            ended.join()
        assert not ledger.held()
        assert log.exists()
    assert not log.exists()
    with pytest.raises(sqlite3.OperationalError, match="ours"), ledger.lease(WORK):
        raise sqlite3.OperationalError("ours")
    assert not ledger.held()


def test_lease_beats_while_it_is_held(ledger, monkeypatch):
    """A long run keeps its lease."""
    monkeypatch.setattr(leases, "BEAT_SECONDS", 0.02)
    with ledger.lease(WORK):
        _backdate(ledger, 1000)
        deadline = time.monotonic() + 60
        while _age(ledger) > 60:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def _backdate(ledger: RunLedger, seconds: float) -> None:
    with ledger.open() as con:
        con.execute("UPDATE leases SET beat_at = ?", (time.time() - seconds,))


def _age(ledger: RunLedger) -> float:
    with ledger.open() as con:
        return time.time() - con.execute("SELECT beat_at FROM leases").fetchone()[0]
