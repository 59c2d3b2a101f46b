"""The gateway over a primary and a replica that lags: D1's promises, without a network.

D1 promises of a session that begins with a bookmark: it reads a database that is at least as fresh.
The replica here shows an earlier version of the primary; it is asked whenever it may be.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2

from d1lab.d1 import Statement
from d1lab.d1.gateway import GatewayDatabase
from d1lab.d1.sqlite import SqliteDatabase
from tests.support.d1_api import as_json
from tests.support.worker_database import READER, WRITER

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
