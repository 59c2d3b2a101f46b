"""Cloudflare's D1 API over an embedded database, without a network: faults go in where asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2
from pydantic import SecretStr

from d1lab.d1 import Result, Statement
from d1lab.d1.rest import RestDatabase
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import D1Error

URL = "d1://0123456789abcdef0123456789abcdef/11111111-2222-3333-4444-555555555555"

Fault = Callable[[int, httpx2.Request, dict[str, Any]], httpx2.Response | None]
"""Called with a request's number from 0, the request, and D1's answer; None lets that pass."""


class D1Api:
    """Serves an embedded database as D1 does: what `httpx2.MockTransport` is given.

    Args:
        db: What answers.
        fault: What comes instead of an answer that D1 has given already.
        about: What the API tells about the database, beside its size.
    """

    def __init__(
        self,
        db: SqliteDatabase,
        fault: Fault | None = None,
        about: dict[str, Any] | None = None,
    ) -> None:
        self._db, self.fault, self._about = db, fault, about or {}
        self.requests = 0

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        number, self.requests = self.requests, self.requests + 1
        status, envelope = self._answer(request)
        fault = self.fault(number, request, envelope) if self.fault else None
        return fault or httpx2.Response(status, json=envelope)

    def _answer(self, request: httpx2.Request) -> tuple[int, dict[str, Any]]:
        if request.url.path.endswith("/bookmark"):
            return 200, _success({"bookmark": self._db.bookmark()})
        if request.method == "GET":
            return 200, _success({"file_size": self._db.size_bytes(), **self._about})
        body = json.loads(request.content)
        asked = body.get("batch", [body])
        statements = [Statement(each["sql"], tuple(each.get("params", ()))) for each in asked]
        try:
            return 200, _success([as_json(result) for result in self._db.batch(statements)])
        except D1Error as error:
            errors = [{"code": 7500, "message": f"{error}: SQLITE_ERROR"}]
            return 400, {"success": False, "errors": errors, "result": None}


def over_http(api: D1Api) -> RestDatabase:
    """The database behind that API, as d1lab opens it."""
    tokens = {"read_token": SecretStr("read"), "write_token": SecretStr("write")}
    return RestDatabase(URL, handler=httpx2.MockTransport(api), **tokens)


def _success(result: object) -> dict[str, Any]:
    return {"success": True, "errors": [], "messages": [], "result": result}


def as_json(result: Result) -> dict[str, Any]:
    """A result in the form of D1's API."""
    rows = [[list(c) if isinstance(c, bytes) else c for c in row] for row in result.rows]
    _, rows_read, rows_written = result.usage
    meta = {"rows_read": rows_read, "rows_written": rows_written, "changes": result.changes}
    results = {"columns": list(result.columns), "rows": rows}
    return {"success": True, "results": results, "meta": meta}
