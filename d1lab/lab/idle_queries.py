"""End queries that use no processor time: DuckDB can wait for itself, and then it waits for ever.

A query on the warehouse reads local files, so it either computes or is stuck. Without a watch, a
run would notice at its time limit only.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from threading import Event, Thread

import duckdb

from d1lab.errors import D1labError

IDLE_SECONDS = 30.0
"""How long a query may go without processor time."""

_BUSY_SHARE = 0.01  # of one processor: the watch itself, and threads of Jupyter, use less
_CHECKS = 10  # per IDLE_SECONDS


class IdleQueryError(D1labError):
    """A query used no processor time, and was ended."""


@contextmanager
def ended_if_idle(con: duckdb.DuckDBPyConnection, what: str) -> Generator[None]:
    """Interrupt the connection's query if this process uses no processor time meanwhile.

    Args:
        con: The connection that runs the query.
        what: The query, for the message.

    Raises:
        IdleQueryError: It was ended.
    """
    done, ended = Event(), Event()
    watch = Thread(target=_watch, args=(con, done, ended), name="idle queries", daemon=True)
    watch.start()
    try:
        yield
    except (duckdb.InterruptException, RuntimeError):  # DuckDB raises one or the other
        if not ended.is_set():
            raise
        raise IdleQueryError(
            f"{what} was ended: it used no processor time for {IDLE_SECONDS:g} seconds, so DuckDB "
            "waits for itself. Run it again; if that does not help, please report the query."
        ) from None
    finally:
        done.set()
        watch.join()


def _watch(con: duckdb.DuckDBPyConnection, done: Event, ended: Event) -> None:
    """Interrupt the query after IDLE_SECONDS without processor time; again until it ends."""
    since, used = time.monotonic(), time.process_time()
    while not done.wait(IDLE_SECONDS / _CHECKS):
        now, usage = time.monotonic(), time.process_time()
        if usage - used > _BUSY_SHARE * (now - since):
            since, used = now, usage
        elif now - since >= IDLE_SECONDS:
            ended.set()
            con.interrupt()
