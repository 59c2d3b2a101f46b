"""D1's REST API over a SQLite file, with one fault at one request.

The shapes are those of Cloudflare's documentation (`/raw` of the D1 API). Each request is counted,
so that a campaign can put every fault at every request of an operation.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2

from d1lab.d1.database import Result, Statement, Value
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import D1Error

URL = "d1://0123456789abcdef0123456789abcdef/01234567-89ab-4cde-8f01-23456789abcd"

Body = dict[str, Any]
Change = Callable[[Body], object]


def _first(body: Body) -> Body:
    """The first statement's part of an answer, where there is one to spoil."""
    found = body.get("result")
    return found[0] if isinstance(found, list) and found else {}


def _results(body: Body) -> Body:
    return _first(body).get("results") or {}


def _without(body: Body, name: str) -> Body:
    return {key: value for key, value in body.items() if key != name}


def _changed(change: Callable[[Body], object]) -> Change:
    def apply(body: Body) -> Body:
        change(body)
        return body

    return apply


SPOILED: dict[str, Change] = {
    "success missing": lambda body: _without(body, "success"),
    "success false": lambda body: body | {"success": False, "errors": []},
    "result missing": lambda body: _without(body, "result"),
    "result null": lambda body: body | {"result": None},
    "result an object": lambda body: body | {"result": {"rows": []}},
    "result a text": lambda body: body | {"result": "rows"},
    "result empty": lambda body: body | {"result": []},
    "result of nulls": lambda body: body | {"result": [None] * len(body.get("result") or [])},
    "results missing": _changed(lambda body: _first(body).pop("results", None)),
    "results null": _changed(lambda body: _first(body).update(results=None)),
    "results a list": _changed(lambda body: _first(body).update(results=[])),
    "columns missing": _changed(lambda body: _results(body).pop("columns", None)),
    "columns null": _changed(lambda body: _results(body).update(columns=None)),
    "rows missing": _changed(lambda body: _results(body).pop("rows", None)),
    "rows null": _changed(lambda body: _results(body).update(rows=None)),
    "rows too narrow": _changed(
        lambda body: _results(body).update(rows=[row[1:] for row in _results(body).get("rows", ())])
    ),
    "rows too wide": _changed(
        lambda body: _results(body).update(
            rows=[[*row, 1] for row in _results(body).get("rows", ())]
        )
    ),
    "meta missing": _changed(lambda body: _first(body).pop("meta", None)),
    "meta of texts": _changed(
        lambda body: _first(body).update(meta={"rows_read": "many", "changes": "some"})
    ),
    "a list for the envelope": lambda body: [body],
    "a number for the envelope": lambda _: 7,
}
"""Answers of the right kind with something missing or misshapen; the statement was carried out."""

CUT: dict[str, Callable[[bytes], bytes]] = {
    "empty body": lambda _: b"",
    "cut body": lambda content: content[: len(content) // 2],
    "HTML body": lambda _: b"<!doctype html><title>Just a moment...</title>",
}

STATUSES = {f"status {status}": status for status in (408, 425, 429, 500, 502, 503, 520)}

BEFORE, AFTER = "no connection", "answer lost"

FAULTS = (BEFORE, AFTER, *STATUSES, *SPOILED, *CUT)
"""All faults. Statuses come before the statement is carried out, all but BEFORE after it."""


class Served(httpx2.BaseTransport):
    """The API: give it to `RestDatabase(URL, handler=...)`.

    Args:
        db: The database behind it.
        fault: One of FAULTS, or '' for none.
        at: The request that it strikes, from 0.
        for_good: Whether it strikes all later requests, too.
    """

    def __init__(
        self, db: SqliteDatabase, fault: str = "", at: int = 0, *, for_good: bool = False
    ) -> None:
        self._db, self._fault, self._at, self._for_good = db, fault, at, for_good
        self.requests = 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        number, self.requests = self.requests, self.requests + 1
        strikes = number == self._at or (self._for_good and number > self._at)
        fault = self._fault if strikes else ""
        if fault == BEFORE:
            raise httpx2.ConnectError("connection refused")
        if fault in STATUSES:
            error = {"code": 10000 + STATUSES[fault], "message": "try again"}
            body = {"success": False, "errors": [error], "result": None}
            return httpx2.Response(STATUSES[fault], json=body)
        status, body = self._carried_out(request)
        if fault == AFTER:
            raise httpx2.ReadTimeout("timed out")
        if fault in SPOILED and status == 200:
            return httpx2.Response(200, content=json.dumps(SPOILED[fault](body)).encode())
        content = json.dumps(body).encode()
        return httpx2.Response(status, content=CUT[fault](content) if fault in CUT else content)

    def _carried_out(self, request: httpx2.Request) -> tuple[int, Body]:
        if request.method == "GET":
            found = {"bookmark": self._db.bookmark(), "file_size": self._db.size_bytes()}
            return 200, {"success": True, "errors": [], "result": found}
        asked = json.loads(request.read())
        statements = [
            Statement(one["sql"], tuple(one.get("params", ())))
            for one in asked.get("batch", [asked])
        ]
        try:
            results = self._db.batch(statements)
        except D1Error as error:
            errors = [{"code": 7500, "message": str(error)}]
            return 400, {"success": False, "errors": errors, "result": []}
        return 200, {"success": True, "errors": [], "result": [*map(_answer, results)]}


def _answer(result: Result) -> Body:
    usage = result.usage
    return {
        "success": True,
        "results": {
            "columns": list(result.columns),
            "rows": [list(map(_sent, row)) for row in result.rows],
        },
        "meta": {
            "rows_read": usage.rows_read,
            "rows_written": usage.rows_written,
            "changes": result.changes,
        },
    }


def _sent(value: Value) -> object:
    return list(value) if isinstance(value, bytes) else value
