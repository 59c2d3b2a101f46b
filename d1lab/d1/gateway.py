"""D1 through d1lab's gateway Worker, which reads replicas with D1's sessions.

The first request of a connection goes to the primary. From then on each request carries the newest
bookmark that a response had, so that every replica is at least as fresh as what was read before: a
pull loses no row below its watermark, and a push reads its own writes.

Requests are signed with one of two secrets (HMAC-SHA256, valid for 60 seconds): the reader's runs
statements that only read, which the Worker checks, and the writer's runs all. Each request has a
nonce, by which the Worker rejects a write that somebody sends a second time.
"""

from __future__ import annotations

import hmac
import re
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from threading import Lock
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx2
from pydantic import SecretStr

from d1lab.d1 import envelope
from d1lab.d1.database import Meter, Result, Statement, Usage
from d1lab.d1.limits import is_read
from d1lab.d1.rest import RestDatabase, is_loopback, port_of, require_sendable
from d1lab.d1.transport import Transport
from d1lab.errors import D1AuthError, InputError

KINDS = ("gateway+https", "gateway+http")

_FORM = "gateway+https://HOST/DATABASE, or gateway+http://127.0.0.1:PORT/DATABASE on this computer"
_SECRETS = "Set D1LAB_GATEWAY_READER, or D1LAB_GATEWAY_WRITER to write, as in the Worker."


class ServedBy(NamedTuple):
    """Where D1 answered a statement."""

    region: str  # such as 'WEUR'; empty if D1 does not tell
    is_primary: bool


class GatewayInfo(NamedTuple):
    """What a gateway says of itself."""

    version: str
    role: str  # of the secret: 'reader' or 'writer'
    databases: tuple[str, ...]
    has_reader: bool
    has_writer: bool
    cache: str


class GatewayDatabase(RestDatabase):
    """A D1 database behind the gateway; values are as exact as in `RestDatabase`.

    Args:
        url: `gateway+https://HOST/DATABASE`, or `gateway+http://127.0.0.1:PORT/DATABASE`.
        reader: The reader's secret.
        writer: The writer's secret, without which writes are rejected.
        read_only: Whether to reject every write.
        handler: The HTTP transport; tests pass `httpx2.MockTransport`.

    Raises:
        InputError: The URL is malformed, or would send plain HTTP to another machine.
        D1AuthError: A secret is missing or invalid.
    """

    def __init__(
        self,
        url: str,
        *,
        reader: SecretStr | None = None,
        writer: SecretStr | None = None,
        read_only: bool = False,
        handler: httpx2.BaseTransport | None = None,
    ) -> None:
        base, self._name = gateway_endpoint(url)
        for secret in filter(None, (reader, writer)):
            require_sendable(secret)
        if reader is None and writer is None:
            raise D1AuthError(f"{url}: the gateway's secret is missing. {_SECRETS}")
        self.url, self.read_only, self.meter = url, read_only, Meter()
        self._is_local = False  # a secret is always needed
        self._read_token, self._write_token = reader or writer, writer
        is_local = base.startswith("http:")
        self._transport = Transport(base, handler=handler, authorize=sign, is_local=is_local)
        self._mark, self._lock = "first-primary", Lock()
        self.served: Counter[ServedBy] = Counter()

    _needs_to_write = "the writer's secret is missing. Set D1LAB_GATEWAY_WRITER, as in the Worker."

    def __repr__(self) -> str:
        return f"GatewayDatabase({self.url!r})"

    def bookmark(self) -> None:
        """Return None: a session's bookmark can differ although nothing changed."""

    def size_bytes(self) -> None:
        """Return None: only Cloudflare's API tells the size."""

    def details(self) -> None:
        """Return None, as for the size."""

    def bookmark_at(self, moment: datetime) -> None:
        """Return None: Time Travel is the API's."""

    @property
    def has_writer_secret(self) -> bool:
        """Whether it was opened with the writer's secret."""
        return self._write_token is not None

    def about(self, *, writer: bool = False) -> GatewayInfo:
        """Ask the gateway for its version and bindings, with one of the two secrets."""
        token = self._write_token if writer else self._read_token
        return self._transport.get(f"{self._path}/version", token, _info)

    @property
    def _path(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return f"/{self._name}"

    def _post(
        self,
        statements: Sequence[Statement],
        bound: Sequence[tuple[str, list[str]]],
        token: SecretStr | None,
        *,
        again: bool,
    ) -> list[Result]:
        is_write = not all(is_read(statement.sql) for statement in statements)
        body = {"statements": bound, "bookmark": self._mark, "write": is_write}
        read_results = envelope.results_of(statements)

        def read(found: Any) -> list[Result]:
            session = envelope.session_of(found)
            results = read_results(session.results)
            self._learn(session)
            self.meter.add_overhead(Usage(0, *session.cost))
            return results

        try:
            return self._transport.post(f"{self._path}/query", token, body, read, again=again)
        except D1AuthError as error:
            reason = str(error).partition(". ")[0]
            raise D1AuthError(f"{self.url}: {reason}. {_SECRETS}", status=error.status) from None

    def _learn(self, session: envelope.Session) -> None:
        """Keep the newest bookmark, and count where D1 answered."""
        with self._lock:
            is_first = self._mark == "first-primary" or session.is_renewed
            if session.bookmark:
                self._mark = session.bookmark if is_first else max(self._mark, session.bookmark)
            for region, is_primary in session.served:
                self.served[ServedBy(region, is_primary)] += 1


def sign(secret: SecretStr, request: httpx2.Request) -> dict[str, str]:
    """Return the headers of a signed request: time, nonce, and the HMAC of both, address, and body.

    Each attempt has its own signature, so the gateway tells d1lab's own retry from somebody's copy.
    """
    at, nonce = str(int(time.time())), secrets.token_hex(16)
    address = request.url.raw_path.decode()
    text = f"{at}\n{nonce}\n{request.method}\n{address}\n".encode() + request.content
    digest = hmac.digest(secret.get_secret_value().encode(), text, "sha256").hex()
    return {"x-d1lab-time": at, "x-d1lab-nonce": nonce, "x-d1lab-signature": digest}


def gateway_endpoint(url: str) -> tuple[str, str]:
    """Return the base URL of a gateway, and the name of the database there.

    >>> gateway_endpoint("gateway+https://d1lab-gateway.example.workers.dev/shop")
    ('https://d1lab-gateway.example.workers.dev', 'shop')

    Raises:
        InputError: The URL is malformed, or would send plain HTTP to another machine.
    """
    parts = urlsplit(url)
    match = re.fullmatch(r"/([\w.-]+)", parts.path)
    scheme = parts.scheme.removeprefix("gateway+")
    is_bare = not (parts.username or parts.query or parts.fragment) and parts.hostname
    if parts.scheme not in KINDS or not match or not is_bare:
        raise InputError(f"database URL {url!r}: expected {_FORM}")
    if scheme == "http" and not (is_loopback(parts.hostname or "") and port_of(parts)):
        raise InputError(
            f"{parts.hostname} is not this computer, or the port is missing. Plain HTTP is allowed "
            "for local connections only. Use gateway+https."
        )
    return f"{scheme}://{parts.netloc}", match[1]


def _info(found: Any) -> GatewayInfo:
    info = envelope.object_of(found)
    names = ("version", "role", "databases", "has_reader", "has_writer", "cache")
    version, role, databases, has_reader, has_writer, cache = (info.get(name) for name in names)
    if not isinstance(databases, list):
        raise envelope.MisshapenError("the gateway lists no databases")
    bound = tuple(map(str, databases))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return GatewayInfo(
        str(version), str(role), bound, bool(has_reader), bool(has_writer), str(cache)
    )
