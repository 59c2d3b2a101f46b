"""Cloudflare's usage by day, over loopback, in the form that its documentation has."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from pydantic import SecretStr

from d1lab.d1.analytics import DayUsage, QueryUsage, busiest_queries, usage_by_day
from d1lab.errors import D1AuthError, D1Error, InputError

URL = "d1://0123456789abcdef0123456789abcdef/f1e2d3c4-1111-2222-3333-444455556666"
TOKEN = SecretStr("secret")
UNTIL = date(2026, 11, 27)


def answer(days: list[tuple[str, int, int]], sizes: list[tuple[str, int]]) -> dict[str, Any]:
    """What the API returns for these days and sizes."""
    account = {
        "d1AnalyticsAdaptiveGroups": [
            {"sum": {"rowsRead": read, "rowsWritten": written}, "dimensions": {"date": day}}
            for day, read, written in days
        ],
        "d1StorageAdaptiveGroups": [
            {"max": {"databaseSizeBytes": size}, "dimensions": {"date": day}} for day, size in sizes
        ],
    }
    return {"data": {"viewer": {"accounts": [account]}}, "errors": None}


@pytest.fixture
def serve() -> Iterator[Callable[[int, Any], tuple[str, list[Any]]]]:
    """Start a server that gives one answer: its address, and the requests that it got."""
    servers: list[HTTPServer] = []

    def start(status: int, body: Any) -> tuple[str, list[Any]]:
        asked: list[Any] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                asked.append((self.headers["authorization"], json.loads(self.rfile.read(length))))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        server = HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/graphql", asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_days_come_with_rows_and_size(serve):
    """31 days of one database; a day without a size has none."""
    days = [("2026-11-26", 100, 5), ("2026-11-27", 7, 0)]
    address, asked = serve(200, answer(days, [("2026-11-26", 4096)]))
    assert usage_by_day(URL, TOKEN, UNTIL, address=address) == [
        DayUsage(date(2026, 11, 26), 100, 5, 4096),
        DayUsage(date(2026, 11, 27), 7, 0, None),
    ]
    [(authorization, body)] = asked
    assert authorization == "Bearer secret"
    assert body["variables"] == {
        "accountTag": "0123456789abcdef0123456789abcdef",
        "databaseId": "f1e2d3c4-1111-2222-3333-444455556666",
        "start": "2026-10-28",
        "end": "2026-11-27",
    }
    assert "d1AnalyticsAdaptiveGroups" in body["query"]
    assert "d1StorageAdaptiveGroups" in body["query"]


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (403, {"errors": [{"message": "no"}]}, D1AuthError),
        (200, {"data": None, "errors": [{"extensions": {"code": "authz"}}]}, D1AuthError),
        (200, {"data": {"viewer": {}}, "errors": None}, D1Error),
        (500, {}, D1Error),
    ],
)
def test_a_refusal_names_what_is_missing(serve, status: int, body: Any, error: type[Exception]):
    """A token without the permission, or an answer of another form; never the token itself."""
    address, _ = serve(status, body)
    with pytest.raises(error) as caught:
        usage_by_day(URL, TOKEN, UNTIL, address=address)
    assert "secret" not in str(caught.value)


def test_a_database_by_name_is_refused():
    """The API filters by ID."""
    with pytest.raises(InputError, match="database's ID"):
        usage_by_day("d1://abc/shop", TOKEN, UNTIL)


def test_the_busiest_statements_come_with_their_rows(serve):
    """As `wrangler d1 insights` asks: of one database, of the last week."""
    told = {
        "sum": {"rowsRead": 900, "rowsWritten": 0},
        "count": 9,
        "dimensions": {"query": "SELECT 1"},
    }
    account = {"d1QueriesAdaptiveGroups": [told]}
    address, asked = serve(200, {"data": {"viewer": {"accounts": [account]}}, "errors": None})
    now = datetime(2026, 11, 27, 12, tzinfo=UTC)
    assert busiest_queries(URL, TOKEN, now, address=address) == [QueryUsage("SELECT 1", 9, 900, 0)]
    assert asked[0][1]["variables"]["filter"] == {
        "AND": [
            {
                "datetimeHour_geq": "2026-11-20T12:00:00Z",
                "datetimeHour_leq": "2026-11-27T12:00:00Z",
                "databaseId": "f1e2d3c4-1111-2222-3333-444455556666",
            }
        ]
    }


def test_a_quiet_day_keeps_its_size(serve):
    """Cloudflare has no rows for a day on which nothing was read."""
    address, _ = serve(200, answer([], [("2026-11-26", 4096)]))
    found = usage_by_day(URL, TOKEN, UNTIL, address=address)
    assert found == [DayUsage(date(2026, 11, 26), 0, 0, 4096)]
