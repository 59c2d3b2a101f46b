"""A query that waits for itself is ended with one sentence; one that computes, or fails, is not."""

from __future__ import annotations

from threading import Event

import duckdb
import pytest

from d1lab.errors import IdleQueryError, InputError
from d1lab.lab import idle_queries
from d1lab.lab.idle_queries import ended_if_idle
from d1lab.lab.query import evaluated
from d1lab.metrics import parse_metric
from d1lab.warehouse import scratch

METRIC = """-- stuck: a number
-- unit: -  grain: all  reads: nothing
SELECT max(wait(i)) AS most FROM range(1_000_000_000) AS t (i)
"""


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often, so the looks themselves take a hundredth of a processor: it does not count."""
    monkeypatch.setattr(idle_queries.time, "process_time", lambda: 0.0)
    monkeypatch.setattr(idle_queries, "IDLE_SECONDS", 0.1)


class Stuck:
    """A connection whose query waits until it is interrupted."""

    def __init__(self) -> None:
        self.interrupted = Event()

    def interrupt(self) -> None:
        self.interrupted.set()

    def query(self) -> None:
        self.interrupted.wait()
        raise duckdb.InterruptException("INTERRUPT Error: Interrupted!")


def test_a_stuck_query_is_ended(soon):
    """The sentence names the query, and what to do."""
    con = Stuck()
    with (
        pytest.raises(IdleQueryError, match="metric 'x' was ended: it used no processor time"),
        ended_if_idle(con, "metric 'x'"),
    ):
        con.query()


def test_a_query_that_computes_is_left_alone(monkeypatch):
    """However long it takes: the clock stands still while the processor works."""
    times = iter(range(10**6))
    monkeypatch.setattr(idle_queries, "IDLE_SECONDS", 0.01)
    monkeypatch.setattr(idle_queries.time, "process_time", lambda: next(times))
    con, waited = Stuck(), Event()
    with ended_if_idle(con, "metric 'x'"):
        waited.wait(0.1)
    assert not con.interrupted.is_set()


def test_a_query_that_reads_from_a_slow_disk_is_left_alone(monkeypatch):
    """Blocks that arrive are work, too."""
    blocks = iter(range(10**6))
    monkeypatch.setattr(idle_queries, "IDLE_SECONDS", 0.01)
    monkeypatch.setattr(idle_queries, "_bytes_read", lambda: next(blocks))
    con, waited = Stuck(), Event()
    with ended_if_idle(con, "metric 'x'"):
        waited.wait(0.1)
    assert not con.interrupted.is_set()


@pytest.mark.parametrize("is_run", [True, False])
def test_a_query_that_no_interrupt_reaches_ends_a_run_only(soon, monkeypatch, tmp_path, is_run):
    """A person's kernel keeps running: its variables are not lost."""
    ended, released, interrupts = [], Event(), []

    class Deaf:
        def interrupt(self) -> None:
            interrupts.append(1)
            if len(interrupts) > 2 * idle_queries._CHECKS:
                released.set()

    monkeypatch.delenv("D1LAB_RUN_DIR", raising=False)
    if is_run:
        monkeypatch.setenv("D1LAB_RUN_DIR", str(tmp_path))
    monkeypatch.setattr(idle_queries.os, "_exit", lambda code: (ended.append(code), released.set()))
    with ended_if_idle(Deaf(), "metric 'x'"):
        assert released.wait(30)
    assert bool(ended) is is_run
    told = [path.read_text() for path in tmp_path.glob(IdleQueryError.FILE)]
    assert [text.startswith("metric 'x' was ended: it used no") for text in told] == [True] * is_run


def test_an_interrupt_by_somebody_else_stays_one(soon):
    """Ctrl-C is no idle query."""
    con = Stuck()
    con.interrupt()
    with pytest.raises(duckdb.InterruptException), ended_if_idle(con, "metric 'x'"):
        con.query()


def test_a_metric_that_waits_for_itself_fails_with_the_sentence(soon):
    """In DuckDB itself: the query calls a function that waits, until the interrupt reaches it."""
    con, released = scratch(), Event()

    def wait(number: int) -> int:
        released.wait(5)
        return number

    class Watched:
        def __getattr__(self, name: str):
            return getattr(con, name)

        def interrupt(self) -> None:
            con.interrupt()
            released.set()

    con.create_function("wait", wait, ["BIGINT"], "BIGINT", side_effects=True)
    metric = parse_metric(METRIC)
    with pytest.raises((IdleQueryError, InputError), match="ended: it used no processor time"):
        evaluated(Watched(), metric, {})
    con.close()
