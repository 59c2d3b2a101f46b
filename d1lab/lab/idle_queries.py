"""End queries that use no processor time: DuckDB can wait for itself, and then it waits for ever.

A query on the warehouse reads local files, so it either computes or is stuck. Without a watch, a
run would notice at its time limit only. An interrupt does not reach a query that the system itself
keeps waiting, such as for a file of a network drive that does not respond; the watch then ends the
process of the run. It runs in that process, so it knows that a query waits, and not the notebook.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import duckdb

from d1lab.config import load_settings
from d1lab.errors import IdleQueryError

IDLE_SECONDS = 30.0
"""How long a query may go without processor time, and again after its interrupt in a run."""

_BUSY_SHARE = 0.01  # of one processor: the watch itself, and threads of Jupyter, use less
_CHECKS = 10  # per IDLE_SECONDS
_IO = Path("/proc/self/io")


@contextmanager
def ended_if_idle(con: duckdb.DuckDBPyConnection, what: str) -> Generator[None]:
    """Interrupt the connection's query if this process uses no processor time meanwhile.

    If the query goes on for as long again in a run, its process ends, and a file says why.

    Args:
        con: The connection that runs the query.
        what: The query, for the message.

    Raises:
        IdleQueryError: It was ended.
    """
    done, ended = Event(), Event()
    watch = Thread(target=_watch, args=(con, what, done, ended), name="idle queries", daemon=True)
    watch.start()
    try:
        yield
    except (duckdb.InterruptException, RuntimeError):  # DuckDB raises one or the other
        if not ended.is_set():
            raise
        raise IdleQueryError(
            f"{_was_ended(what)}, so DuckDB waits for itself. Run it again; if that does not help, "
            "please report the query."
        ) from None
    finally:
        done.set()
        watch.join()


def _watch(con: duckdb.DuckDBPyConnection, what: str, done: Event, ended: Event) -> None:
    """Interrupt the query after IDLE_SECONDS without processor time; again until it ends.

    Checks are counted, not seconds: a process that was stopped for an hour has been idle once.
    """
    since, used, known, idle = time.monotonic(), time.process_time(), _bytes_read(), 0
    while not done.wait(IDLE_SECONDS / _CHECKS):
        now, usage, read = time.monotonic(), time.process_time(), _bytes_read()
        idle += 1
        if usage - used > _BUSY_SHARE * (now - since) or read > known:
            since, used, known, idle = now, usage, read, 0
        if idle >= _CHECKS:
            ended.set()
            con.interrupt()
        if idle >= 2 * _CHECKS:
            _end_run(what)


def _bytes_read() -> int:
    """Return the bytes that this process has read from disks: reading from a slow one is work.

    Only Linux tells.
    """
    lines = _IO.read_text("ascii").splitlines() if _IO.exists() else []
    return sum(int(line.split()[1]) for line in lines if line.startswith("read_bytes:"))


def _end_run(what: str) -> None:
    """End this process if it is a run's: no interrupt has reached the query."""
    run_dir = load_settings().run_dir
    if run_dir is None:
        return  # a person can restart the kernel, and keeps its variables until then
    sentence = (
        f"{_was_ended(what)}, and no interrupt reached it: the system keeps it waiting, such "
        "as for a file of a drive that does not respond."
    )
    with suppress(OSError):  # a full disk
        (run_dir / IdleQueryError.FILE).write_text(sentence, encoding="utf-8")
    os._exit(1)


def _was_ended(what: str) -> str:
    return f"{what} was ended: it used no processor time for {IDLE_SECONDS:g} seconds"
