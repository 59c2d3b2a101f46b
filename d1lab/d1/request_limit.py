"""The pace of requests to Cloudflare's API: one token bucket for all threads and processes.

Cloudflare allows a user 1,200 requests in any 5 minutes, over all databases, and rejects every
request for minutes after that. The bucket is the generic cell rate algorithm (ITU-T I.371,
Annex A): it keeps one number, the time by which all slots given so far are used up. A slot is
reserved before a request is sent, so that no process sends first and learns later.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, Protocol

from d1lab.d1.limits import REQUESTS_PER_5_MINUTES
from d1lab.errors import D1labError
from d1lab.files import make_private

WINDOW_SECONDS = 300.0
REQUESTS = REQUESTS_PER_5_MINUTES - 50  # leaves some for the dashboard and other tools of the user
BURST = 20

_SCHEMA = """
CREATE TABLE IF NOT EXISTS bucket (
  id INTEGER PRIMARY KEY CHECK (id = 1), used_until REAL NOT NULL, seen_at REAL NOT NULL
);
INSERT OR IGNORE INTO bucket VALUES (1, 0, 0);
"""


class RequestLimit(Protocol):
    """What a request asks before it is sent."""

    def take(self) -> None:
        """Wait until one request can be sent."""

    def rejected(self, retry_after_seconds: float | None) -> None:
        """Empty the bucket: Cloudflare has rejected a request as one too many (429)."""


class Pace(NamedTuple):
    """How many requests fit into any 5 minutes, and how many of them can come at once."""

    requests: int = REQUESTS
    burst: int = BURST

    @property
    def interval_seconds(self) -> float:
        """Seconds for one request: any 5 minutes then have at most `requests`, burst included."""
        return WINDOW_SECONDS / (self.requests - self.burst)

    def reserve(self, used_until: float, now: float) -> tuple[float, float]:
        """Return the new time by which all slots are used up, and the seconds until this slot.

        Args:
            used_until: The time so far, in seconds since 1970; 0 at first.
            now: The present.

        >>> Pace(requests=600, burst=300).reserve(0, 1000.0)
        (1001.0, 0.0)
        >>> Pace(requests=600, burst=300).reserve(1300.0, 1000.0)
        (1301.0, 1.0)
        """
        until = max(used_until, now) + self.interval_seconds
        return until, max(until - self.interval_seconds * self.burst - now, 0.0)

    def emptied(self, used_until: float, now: float, retry_after_seconds: float | None) -> float:
        """Return the time by which all slots are used up, if none is free for a while."""
        pause = min(retry_after_seconds or self.interval_seconds, WINDOW_SECONDS)
        return max(used_until, now + pause + self._tolerance)

    @property
    def _tolerance(self) -> float:
        return self.interval_seconds * (self.burst - 1)


class RequestBucket:
    """A bucket in a SQLite file, shared by all processes that open it.

    Args:
        path: The file; created if missing.
        pace: How many requests fit into 5 minutes.
        clock: The present in seconds since 1970.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        path: Path,
        pace: Pace | None = None,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.path, self.pace = path, pace or Pace()
        self._clock, self._sleep = clock, sleep
        make_private(path.parent)
        with closing(self._open()) as con:
            con.executescript(_SCHEMA)

    def take(self) -> None:
        """Wait until one request can be sent."""
        wait = self._change(lambda used, now: self.pace.reserve(used, now))
        if wait > 0:
            self._sleep(wait)

    def rejected(self, retry_after_seconds: float | None) -> None:
        """Empty the bucket after a 429."""
        self._change(lambda used, now: (self.pace.emptied(used, now, retry_after_seconds), 0.0))

    def _change(self, step: Callable[[float, float], tuple[float, float]]) -> float:
        """Take one step of the bucket, and return the seconds to wait."""
        try:
            with closing(self._open()) as con:
                con.execute("BEGIN IMMEDIATE")
                used, seen = con.execute("SELECT used_until, seen_at FROM bucket").fetchone()
                now = self._clock()
                until, wait = step(used - max(seen - now, 0.0), now)  # the clock was set back
                con.execute("UPDATE bucket SET used_until = ?, seen_at = ?", (until, now))
                con.execute("COMMIT")
        except sqlite3.Error as error:
            raise D1labError(
                f"cannot use the file of the request limit {self.path}: {error}"
            ) from None
        return wait

    def _open(self) -> sqlite3.Connection:
        con = sqlite3.connect(self.path, timeout=60, isolation_level=None)
        con.execute("PRAGMA synchronous = OFF")  # a lost second of pace is no loss
        return con


_limit: RequestLimit | None = None


def use_limit(limit: RequestLimit | None) -> None:
    """Let every request of this process to Cloudflare's API ask this limit first; None for none."""
    global _limit
    _limit = limit


def current_limit() -> RequestLimit | None:
    """Return the limit of this process."""
    return _limit
