"""Leases: the right of one process to run a report.

A lease beats while its holder is alive. If it has not done so for a minute, or its process has
ended, another process can take it.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import NamedTuple

from d1lab.errors import D1labError, LockedError
from d1lab.files import is_running

BEAT_SECONDS = 10.0
EXPIRES_SECONDS = 60.0
_AHEAD_SECONDS = 3600.0


class Work(NamedTuple):
    """What a lease is for."""

    database: str
    shop: str
    report: str

    def __str__(self) -> str:
        shop = f" for shop {self.shop!r}" if self.shop else ""
        return f"report {self.report!r}{shop} of database {self.database!r}"


class Lease:
    """The right to do some work, as long as it beats.

    Args:
        open_ledger: Opens the ledger's file, which has the table `leases`.
        work: The work.
    """

    def __init__(
        self, open_ledger: Callable[[], AbstractContextManager[sqlite3.Connection]], work: Work
    ) -> None:
        self._open, self.work = open_ledger, work
        self.holder = uuid.uuid4().hex
        self._over = threading.Event()

    def take(self, con: sqlite3.Connection) -> None:
        """Write the lease to the table, over one that has expired.

        Unfinished runs of that work are marked as lost, because their process has ended.

        Raises:
            LockedError: Another process, or another thread of this one, is working on it.
        """
        con.execute("BEGIN IMMEDIATE")
        where = "database = ? AND shop = ? AND report = ?"
        row = con.execute(f"SELECT * FROM leases WHERE {where}", self.work).fetchone()  # noqa: S608 - our own text
        if row is not None and is_alive(row):
            con.execute("ROLLBACK")
            since = max(time.time() - row["beat_at"], 0)
            raise LockedError(
                f"{self.work} is already running in process {row['pid']} on "
                f"{row['host']} (last heartbeat {since:.0f} s ago). Wait for it to "
                "finish, or stop it and run again."
            )
        con.execute(
            "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*self.work, self.holder, socket.gethostname(), os.getpid(), time.time()),
        )
        con.execute(
            "UPDATE runs SET status = 'lost', reason = 'its process ended in the middle'"  # noqa: S608 - our own text
            f" WHERE {where} AND status = 'running'",
            self.work,
        )
        con.execute("COMMIT")

    def beat(self) -> bool:
        """Record that the holder is alive; False if another process took the lease."""
        with self._open() as con:
            done = con.execute(
                "UPDATE leases SET beat_at = ?"
                " WHERE database = ? AND shop = ? AND report = ? AND holder = ?",
                (time.time(), *self.work, self.holder),
            )
            return done.rowcount == 1

    @contextmanager
    def beating(self) -> Generator[None]:
        """Beat in the background until the end of the block."""
        thread = threading.Thread(target=self._keep_beating, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def end(self, con: sqlite3.Connection) -> None:
        """Delete the lease from the table."""
        con.execute("DELETE FROM leases WHERE holder = ?", (self.holder,))

    def _keep_beating(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            with suppress(D1labError):  # the file is busy: try again at the next beat
                if not self.beat():
                    return


def is_alive(row: sqlite3.Row) -> bool:
    """Whether a lease's holder is still working, as far as this machine can see.

    A beat in the future is from a clock that was set back since then. On this machine, a working
    holder soon beats again; another machine's clock can be an hour ahead.
    """
    age, is_here = time.time() - row["beat_at"], row["host"] == socket.gethostname()
    if age > EXPIRES_SECONDS or -age > (EXPIRES_SECONDS if is_here else _AHEAD_SECONDS):
        return False
    return not is_here or is_running(row["pid"])
