"""Cloudflare's GraphQL API on loopback, in the form that its documentation has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any


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


@contextmanager
def serving(status: int, body: Any) -> Iterator[tuple[str, list[Any]]]:
    """A server that gives one answer: its address, and the requests that it got."""
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
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/graphql", asked
    finally:
        server.shutdown()
        server.server_close()
