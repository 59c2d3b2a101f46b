"""A primary and a replica that lags: D1's promises, without a network.

D1 promises of a session that begins with a bookmark: it reads a database that is at least as fresh.
The replica here shows an earlier version of the primary; it is asked whenever it may be.

`LaggingD1` answers in the gateway's place, for tests of its client. `LaggingGateway` is the gateway
itself, on the real engine, with such a pair as its database (tests/engine/lagging.js).
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import httpx2

from d1lab.d1 import Statement
from d1lab.d1.gateway import GatewayDatabase, ServedBy
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.pull import pull
from d1lab.warehouse import open_warehouse
from tests.support import workerd
from tests.support.d1_api import as_json
from tests.support.worker_database import READER, WRITER, WorkerDatabase

URL = "gateway+https://gateway.example/shop"


class LaggingD1:
    """A table `log (id, version)` in a primary and a replica, and what a gateway answers of them.

    Args:
        folder: Where the two databases go.
        honest: Whether the replica heeds bookmarks; a test of the test sets False.
    """

    def __init__(self, folder: Path, *, honest: bool = True) -> None:
        self.primary = SqliteDatabase.create(folder / "primary.sqlite")
        self.replica = SqliteDatabase.create(folder / "replica.sqlite")
        for db in (self.primary, self.replica):
            db.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, version INTEGER)")
        self.version = self.copied = 0
        self.asked: list[str] = []  # the bookmark of each request
        self._honest = honest
        self.renews = False

    def reset(self) -> None:
        """Begin again with two empty tables."""
        for db in (self.primary, self.replica):
            db.execute("DELETE FROM log")
        self.version = self.copied = 0
        self.asked.clear()

    def write(self) -> None:
        """Somebody else adds a row to the primary."""
        self.version += 1
        self.primary.execute("INSERT INTO log VALUES (?1, ?1)", (self.version,))

    def copy(self, steps: int) -> None:
        """The replica catches up by some versions."""
        before, self.copied = self.copied, min(self.version, self.copied + steps)
        sql = "SELECT * FROM log WHERE id > ?1 AND id <= ?2"
        rows = self.primary.query(sql, (before, self.copied)).rows
        if rows:
            self.replica.batch([Statement("INSERT INTO log VALUES (?1, ?2)", row) for row in rows])

    def open(self) -> GatewayDatabase:
        """A new connection, as a pull has."""
        handler = httpx2.MockTransport(self.answer)
        return GatewayDatabase(URL, reader=READER, writer=WRITER, handler=handler)

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        """Answer POST query: by the replica if the session may begin there."""
        body = json.loads(request.content)
        mark = body["bookmark"]
        self.asked.append(mark)
        is_any = mark == "first-unconstrained"
        may_lag = mark != "first-primary" and not body["write"]
        is_fresh = is_any or (mark.isdigit() and int(mark) <= self.copied)
        by_replica = may_lag and (is_fresh or not self._honest)
        db, version = (self.replica, self.copied) if by_replica else (self.primary, self.version)
        statements = [Statement(sql, tuple(params)) for sql, params in body["statements"]]
        results = [as_json(result) for result in db.batch(statements)]
        for each in results:
            each["meta"] |= {"served_by_region": "WEUR", "served_by_primary": not by_replica}
        told: dict[str, Any] = {
            "results": results,
            "bookmark": f"{version:08}",
            "is_renewed": self.renews,
        }
        return httpx2.Response(200, json={"success": True, "errors": [], "result": told})

    def close(self) -> None:
        """Close both databases."""
        self.primary.close()
        self.replica.close()


Step = int | list[dict[str, Any]]
"""What happens to the pair: the replica catches up by so many writes, or statements are written."""

_ADD = "INSERT INTO log (version) VALUES (1)"
_READS = [
    Statement("SELECT * FROM log ORDER BY id DESC LIMIT 1"),  # two calls of a session: names, rows
    Statement("SELECT count(*), max(id) FROM log"),
]
ROUNDS = 3  # of pulls into one warehouse
ADDED: Step = [{"sql": _ADD}]


class LaggingGateway:
    """The gateway on the real engine, whose database has a replica that lags; one table `log`."""

    def __init__(self, engine: workerd.Engine) -> None:
        self.worker, replica = WorkerDatabase(engine), WorkerDatabase(engine)
        self.worker.ask("lag", replica=replica.name)
        self.steps([{"sql": "CREATE TABLE log (id INTEGER PRIMARY KEY, version INTEGER)"}], 1)
        self.pair = self.open(), self.open()

    def steps(
        self, *now: Step, between: Iterable[Iterable[Step]] = (), **flags: bool
    ) -> dict[str, Any]:
        """Let steps happen at once, and others before each read of the next sessions.

        Returns:
            `version` and `copied`, in writes, and the `starts` of the sessions since the last call.
        """
        return self.worker.ask("steps", now=now, between=[[*some] for some in between], **flags)

    def open(self) -> GatewayDatabase:
        """A new connection, as a pull has."""
        return GatewayDatabase(self.worker.gateway, reader=READER, writer=WRITER)

    def close(self) -> None:
        """Close the pair of connections."""
        for db in self.pair:
            db.close()

    def begin(self) -> None:
        """Empty both tables; the pair goes on with its bookmarks."""
        self.steps([{"sql": "DELETE FROM log"}], 10**6)


class Sessions(NamedTuple):
    """What became of interleaved writes, copies, and reads."""

    reads: int = 0
    by_replica: int = 0  # statements
    stale: int = 0  # reads of a state before one that the connection had read or written
    torn: int = 0  # reads without a row below the highest

    def __add__(self, other: object) -> Sessions:
        if not isinstance(other, Sessions):
            return NotImplemented
        return Sessions(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


def interleave(beside: LaggingGateway, rnd: random.Random, steps: int = 10) -> Sessions:
    """Let two connections read and write in random order, while others write and a replica lags."""
    beside.begin()
    reads = stale = torn = 0
    seen, now = dict.fromkeys(beside.pair, 0), list[Step]()
    before = _by_replica(beside)
    for _ in range(steps):
        kind, db = rnd.random(), rnd.choice(beside.pair)
        if kind < 0.45:
            now.append(_drawn(rnd))
            continue
        beside.steps(*now, between=[[_drawn(rnd)] * rnd.randrange(2) for _ in range(3)])
        now.clear()
        if kind < 0.55:
            seen[db] = max(seen[db], _write(db))
            continue
        [_, (count, last)] = ([*result.rows, (0, 0)][0] for result in db.batch(_READS))
        rows, highest = int(str(count)), int(str(last or 0))
        reads, stale, torn = reads + 1, stale + (rows < seen[db]), torn + (rows != highest)
        seen[db] = max(seen[db], rows)
    return Sessions(reads, _by_replica(beside) - before, stale, torn)


def _by_replica(beside: LaggingGateway) -> int:
    served = sum((db.served for db in beside.pair), Counter[ServedBy]())
    return sum(count for where, count in served.items() if not where.is_primary)


def _drawn(rnd: random.Random) -> Step:
    return ADDED if rnd.random() < 0.65 else rnd.randrange(1, 4)


def _write(db: GatewayDatabase) -> int:
    """Add a row; return how many there are at least."""
    [(number,)] = db.execute(f"{_ADD} RETURNING id").rows
    return int(str(number))


def lost_rows(beside: LaggingGateway, rnd: random.Random, folder: Path) -> int:
    """Pull several times into a folder; return the rows in D1 that the warehouse is missing."""
    beside.begin()
    lost = 0
    for _ in range(ROUNDS):
        beside.steps(*([ADDED] * rnd.randrange(4)), rnd.randrange(3))
        with closing(beside.open()) as db:
            [(before,)] = db.query("SELECT count(*) FROM log").rows
        beside.steps(between=[[ADDED]] * rnd.randrange(4))
        with closing(beside.open()) as db:
            pull(db, folder, database="shop", counters="always")
        with open_warehouse(folder) as con:
            [(held,)] = con.sql("SELECT count(*) FROM log").fetchall()
        lost += max(0, int(str(before)) - held)
    return lost
