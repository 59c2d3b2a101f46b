"""The commands of the Workers: their files, the fold of the counters, and the queue."""

from __future__ import annotations

from pathlib import Path

from d1lab.d1 import open_database
from d1lab.ingest import drain as draining
from d1lab.ingest.drain import DrainResult


def test_worker_init_writes_the_files_once(run, folder: Path):
    """Into worker/NAME, and says what was kept."""
    ended = run("worker", "init", "gateway", "--dry-run")
    assert (ended.code, (folder / "worker").exists()) == (0, False)
    assert run("worker", "init", "gateway").code == 0
    config = folder / "worker" / "gateway" / "wrangler.jsonc"
    config.write_text("{}")
    ended = run("worker", "init", "gateway", "worker/gateway")
    assert "1 kept" in ended.err
    assert config.read_text() == "{}"
    assert run("worker", "init", "gatewa").code == 2


def test_aggregate_folds_audits_and_repairs(run, project: Path):
    """Counters that somebody else wrote are exit code 1 until they are repaired."""
    assert run("aggregate", "--fold").code == 0
    db = open_database("sqlite:d1.sqlite")
    db.execute("UPDATE daily_discount_stats SET total_discounts_used = 999")
    ended = run("aggregate")
    assert ended.code == 1
    assert "--repair" in ended.err
    assert "daily_discount_stats" in ended.out
    ended = run("aggregate", "--repair")
    assert (ended.code, "d1lab rollback" in ended.err) == (0, True)
    ended = run("aggregate")
    assert (ended.code, ended.err.count("as counted again")) == (0, 4)
    assert run("aggregate", "--no-fold").code == 0
    assert db.query("SELECT count(*) FROM d1lab_folds").rows == [(0,)]
    db.close()


def test_drain_needs_a_token_and_an_account(run, project: Path, monkeypatch):
    """Then it prints what it did; rejected events are exit code 1."""
    assert "D1LAB_WRITE_TOKEN" in run("drain", "--queue", "q").err
    monkeypatch.setenv("D1LAB_WRITE_TOKEN", "token")
    assert "--account" in run("drain", "--queue", "q").err
    monkeypatch.setattr(draining, "drain", lambda *_, **__: DrainResult(3, 4, 1, 1, 1, 1))
    ended = run("drain", "--queue", "q", "--account", "a")
    assert ended.code == 1
    assert "3 messages, 1 event written, 1 already in D1, 1 view, 1 rejected" in ended.err
    assert run("drain", "--queue", "q", "--account", "a", "--json").json["known"] == 1
