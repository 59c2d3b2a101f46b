"""The gateway's own sessions, on the real engine, beside a replica that lags."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.lagging import ADDED, LaggingGateway, Sessions, interleave, lost_rows

pytestmark = pytest.mark.engine


@pytest.fixture
def beside(engine) -> Iterator[LaggingGateway]:
    with closing(LaggingGateway(engine)) as pair:
        yield pair


@pytest.mark.parametrize("count", [8, pytest.param(200, marks=pytest.mark.long)])
def test_a_session_never_reads_before_its_bookmark(beside: LaggingGateway, count: int):
    """Whatever is written and copied before, and between, the reads of two connections."""
    rnd = random.Random(count)
    found = sum((interleave(beside, rnd) for _ in range(count)), Sessions())
    assert (found.stale, found.torn) == (0, 0)
    assert found.reads > count
    assert found.by_replica > count


def test_the_interleavings_find_sessions_that_ignore_their_bookmark(beside: LaggingGateway):
    """The property is not true of everything."""
    beside.steps(heeds=False)
    rnd = random.Random(1)
    assert sum((interleave(beside, rnd) for _ in range(5)), Sessions()).stale > 0


def test_a_pull_loses_no_row_to_a_lagging_replica(beside: LaggingGateway, tmp_path: Path):
    """What was committed before a pull is in the warehouse, whatever is committed meanwhile."""
    assert lost_rows(beside, random.Random(4), tmp_path) == 0


def test_a_replica_that_does_not_get_there_is_given_up_for_the_primary(beside: LaggingGateway):
    """After the time-out the session begins again, and the primary's bookmark replaces the old."""
    with closing(beside.open()) as db:
        assert db.query("SELECT count(*) FROM log").rows == [(0,)]
        beside.steps(ADDED, hangs=True)
        db.execute("INSERT INTO log (version) VALUES (2)")
        before = beside.steps()["version"], db.served.copy()
        assert db.query("SELECT count(*) FROM log").rows == [(2,)]
        assert beside.steps()["starts"] == [f"{before[0]:016}", "first-primary"]
        assert [where.is_primary for where in db.served - before[1]] == [True]
        assert db.query("SELECT max(id) FROM log").rows == [(2,)]
        assert beside.steps()["starts"][0] == f"{before[0]:016}"
