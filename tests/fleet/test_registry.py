"""The registry: what is due, who works on it, and how attempts end."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from d1lab.errors import D1labError
from d1lab.fleet.entry import PAUSE_AFTER
from d1lab.fleet.order import Outcome
from d1lab.fleet.registry import Registry
from d1lab.fleet.sources import FleetDefaults, list_source
from tests.support.fleet import SOURCE

NOW = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)


def ended(registry: Registry, outcome: Outcome, at: datetime = NOW) -> None:
    """Claim, and record an outcome."""
    assert registry.claim(outcome.name, force=True, now=at)
    assert registry.finish(outcome, at)


def entry(registry: Registry, name: str):
    [found] = registry.entries([name])
    return found


def test_a_sync_adds_changes_and_retires(registry, settings):
    """A database that its source no longer lists is not run, but kept, and returns."""
    (settings.root / "shops" / "b.sqlite").unlink()
    (settings.root / "shops" / "g.sqlite").touch()
    defaults = FleetDefaults(currency="USD")
    found = list_source(settings, SOURCE, defaults)
    dry = registry.sync(SOURCE, defaults, found, dry_run=True)
    assert {each.name for each in registry.entries()} == set("abcdef")
    assert registry.sync(SOURCE, defaults, found) == dry
    actions = {each.name: each.action for each in dry}
    assert (actions["a"], actions["b"], actions["g"]) == ("changed", "gone", "new")
    assert not entry(registry, "b").is_due(NOW)
    assert registry.claim("b", force=True, now=NOW) is None
    (settings.root / "shops" / "b.sqlite").touch()
    again = registry.sync(SOURCE, defaults, list_source(settings, SOURCE, defaults))
    assert {each.action for each in again if each.name != "b"} == {"unchanged"}
    assert entry(registry, "b").is_due(NOW)


def test_a_database_is_due_by_its_rhythm_with_a_tenth_to_spare(registry):
    """A daily timer that is a few minutes early skips no day."""
    ended(registry, Outcome("a", "done", rows_read=7, state="k1"))
    a = entry(registry, "a")
    assert (a.status, a.rows_read, a.state, a.succeeded_at) == ("done", 7, "k1", NOW)
    assert not a.is_due(NOW + timedelta(hours=21))
    assert a.is_due(NOW + timedelta(hours=22))


def test_two_coordinators_exclude_one_another(registry):
    """A claimed database has one holder; what it has done is not due for the second."""
    other = Registry(registry.path)
    assert registry.claim("a", force=False, now=NOW)
    assert other.claim("a", force=False, now=NOW) is None
    assert other.claim("a", force=True, now=NOW) is None
    assert entry(other, "a").is_running
    assert not other.finish(Outcome("a", "failed", "data"), NOW)
    assert registry.finish(Outcome("a", "done"), NOW)
    assert other.claim("a", force=False, now=NOW) is None  # done meanwhile
    assert other.claim("b", force=False, now=NOW)


def test_claims_of_a_killed_coordinator_are_free(registry):
    """Its process is gone; one on another machine has a minute to beat."""
    registry.claim("a", force=False, now=NOW)
    registry.claim("b", force=False, now=NOW)
    with closing(sqlite3.connect(registry.path)) as con, con:
        con.execute("UPDATE leases SET pid = 2147483646 WHERE database = 'a'")
        con.execute(
            "UPDATE leases SET host = 'elsewhere', beat_at = beat_at - 61 WHERE database = 'b'"
        )
    other = Registry(registry.path)
    assert other.claim("a", force=False, now=NOW)
    assert other.claim("b", force=False, now=NOW)
    assert not registry.finish(Outcome("a", "done", state="old"), NOW)  # it was given up
    assert entry(registry, "a").state == ""


def test_a_beat_keeps_a_claim(registry):
    """A coordinator on another machine stays the holder while it beats."""
    registry.claim("a", force=False, now=NOW)
    with closing(sqlite3.connect(registry.path)) as con, con:
        con.execute("UPDATE leases SET host = 'elsewhere', beat_at = beat_at - 61")
    registry.beat()
    assert Registry(registry.path).claim("a", force=False, now=NOW) is None


def test_equal_failures_in_a_row_are_tried_less_and_less_often(registry):
    """From the fifth on, after 1, 2, 4, ... hours; a success ends that."""
    bad = Outcome("a", "failed", "access", "token expired")
    for _ in range(PAUSE_AFTER - 1):
        ended(registry, bad)
        assert entry(registry, "a").is_due(NOW)
    for hours in (1, 2, 4):
        ended(registry, bad)
        assert entry(registry, "a").due_at == NOW + timedelta(hours=hours)
    with closing(sqlite3.connect(registry.path)) as con, con:
        con.execute("UPDATE databases SET failures = 40 WHERE name = 'a'")
    ended(registry, bad)
    assert entry(registry, "a").due_at == NOW + timedelta(days=7), "at most a week"
    ended(registry, bad._replace(kind="data"))
    assert entry(registry, "a").failures == 1
    ended(registry, Outcome("a", "done"))
    assert entry(registry, "a").failures == 0


def test_some_reports_alone_leave_a_database_due(registry):
    """`--report` is for a look in between: the others are still to come."""
    assert registry.claim("a", force=False, now=NOW)
    assert registry.finish(Outcome("a", "done"), NOW, partial=True)
    assert entry(registry, "a").is_due(NOW)


def test_a_used_up_limit_of_d1_is_waited_for(registry):
    """It is due when the limit resets."""
    resets = NOW + timedelta(hours=21)
    ended(registry, Outcome("a", "failed", "quota", "used up", resets_at=resets.isoformat()))
    assert entry(registry, "a").due_at == resets


def test_rows_are_counted_per_day(registry):
    """The budget of a database and day is what earlier attempts have left."""
    ended(registry, Outcome("a", "done", rows_read=30))
    ended(registry, Outcome("a", "done", rows_read=40))
    a = entry(registry, "a")
    assert (a.rows_left(100, NOW), a.rows_left(50, NOW), a.rows_left(None, NOW)) == (30, 0, None)
    assert a.rows_left(100, NOW + timedelta(days=1)) == 100


def test_a_damaged_registry_is_one_sentence(registry):
    """The error names the file."""
    registry.path.write_bytes(b"x" * 4096)
    with pytest.raises(D1labError, match=r"registry\.sqlite"):
        Registry(registry.path)
