"""A query that waits for itself is ended with one sentence; one that computes, or fails, is not."""

from __future__ import annotations

from threading import Event

import duckdb
import pytest

from d1lab.errors import InputError
from d1lab.lab import idle_queries
from d1lab.lab.idle_queries import IdleQueryError, ended_if_idle
from d1lab.lab.query import evaluated
from d1lab.metrics import parse_metric
from d1lab.warehouse import scratch

METRIC = "-- stuck: a number\n-- unit: -  grain: all  reads: nothing\nSELECT wait() AS a"


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_an_interrupt_by_somebody_else_stays_one(soon):
    """Ctrl-C is no idle query."""
    con = Stuck()
    con.interrupt()
    with pytest.raises(duckdb.InterruptException), ended_if_idle(con, "metric 'x'"):
        con.query()


def test_a_metric_that_waits_for_itself_fails_with_the_sentence(soon):
    """In DuckDB itself: the query calls a function that waits, until the interrupt reaches it."""
    con, released = scratch(), Event()

    def wait() -> int:
        released.wait(5)
        return 1

    class Watched:
        def __getattr__(self, name: str):
            return getattr(con, name)

        def interrupt(self) -> None:
            con.interrupt()
            released.set()

    con.create_function("wait", wait, [], "INTEGER", side_effects=True)
    metric = parse_metric(METRIC)
    with pytest.raises((IdleQueryError, InputError), match="ended: it used no processor time"):
        evaluated(Watched(), metric, {})
    con.close()
