"""A project with a ledger and run folders written by hand, and a receiver of messages."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler, TCPServer
from typing import Any

import pytest

from d1lab.config import Settings
from d1lab.display import Figure, Figures, Verdict
from d1lab.jobs.ledger import RunLedger, open_ledger
from tests.support.sample_run import DAY, STARTED, code, markdown, run_record, write_run

SECRET = "s3cret-t0ken"


class Project:
    """A project with runs: `add` adds a completed run of a report."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(root=folder)
        self.ledger: RunLedger = open_ledger(self.settings)
        self._runs = 0

    def add(
        self,
        status: str = "done",
        *,
        short: float | None = 3,
        verdict: str = "good",
        day: int = 0,
        cells: Sequence[dict[str, Any]] | None = None,
        **fields: Any,
    ) -> str:
        """Add a completed run; `short` is its key figure."""
        run_id = f"r{self._runs}"
        at = STARTED + timedelta(hours=self._runs)
        self._runs += 1
        figure = Figure.of("products_short", short, label="Products that run out", better="lower")
        story = [
            markdown("# Stock"),
            code("lab.verdict(...)", Verdict.of(f"{short} products run out.", verdict)),
            code("lab.figures(...)", Figures.of(figure)),
        ]
        as_of = DAY + timedelta(days=day)
        fault = {"cell_index": 2, "ename": "InputError", "message": "no column 'sku'"}
        record = {"run_id": run_id, "status": status, "as_of": as_of, "started_at": at}
        if status in ("failed", "timeout"):
            record |= {"error": fault}
            story = story[:1]
        write_run(self.settings.root, story if cells is None else cells, **record | fields)
        self._record(run_record(**record | fields))
        return run_id

    def _record(self, record: Any) -> None:
        row = {
            "run_id": record.run_id,
            "series": f"{record.report} {record.shop}",
            "as_of": record.as_of.isoformat(),
            "key": "",
            "inputs": "{}",
            "database": "demo",
            "shop": record.shop,
            "report": record.report,
            "parameters": "{}",
            "status": "running",
            "started_at": record.started_at.isoformat(),
        }
        self.ledger.start(row)
        page = f"{record.database}/{record.shop}/{record.report}/{record.as_of}.html"
        self.ledger.finish(record, "", {}, page)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


class Receiver(HTTPServer):
    """Receives messages on loopback; `status` is its HTTP status."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.messages: list[dict[str, Any]] = []

    def url(self, path: str = SECRET) -> str:
        """The receiver's Apprise URL, with a secret in its path."""
        return f"json://user:{SECRET}@127.0.0.1:{self.server_port}/{path}"

    def titles(self) -> list[str]:
        """Return the messages since the last call."""
        titles = [message["title"] for message in self.messages]
        self.messages.clear()
        return titles

    def attachment(self) -> str:
        """The only attachment of the only message."""
        [message] = self.messages
        [attached] = message["attachments"]
        return base64.b64decode(attached["base64"]).decode()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.status == 200:
            self.server.messages.append(body | {"path": self.path})
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


class Mailbox(TCPServer):
    """Receives mail on loopback, with the part of SMTP that a client needs."""

    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _MailHandler)
        self.mails: list[Message] = []

    def url(self) -> str:
        """The mailbox's Apprise URL."""
        address = f"127.0.0.1:{self.server_address[1]}"
        return f"mailto://{address}?from=d1lab@example.org&to=pm@example.org&mode=insecure"


class _MailHandler(StreamRequestHandler):
    server: Mailbox

    def handle(self) -> None:
        self.wfile.write(b"220 ready\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.mails.append(message_from_bytes(b"".join(lines)))
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
            if word == b"QUIT":
                return


@contextmanager
def _running(server: TCPServer) -> Iterator[Any]:
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with _running(Receiver()) as server:
        yield server


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with _running(Mailbox()) as server:
        yield server
