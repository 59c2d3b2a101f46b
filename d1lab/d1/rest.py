"""D1 over HTTP: Cloudflare's REST API, and the API of the local engine (`wrangler dev`)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlsplit

import httpx2
from pydantic import SecretStr

from d1lab.d1 import envelope, limits
from d1lab.d1.database import Meter, Result, Statement, TableInfo, Usage, Value
from d1lab.d1.details import DatabaseDetails, details
from d1lab.d1.encoding import bind_as_text, tagged, untagged
from d1lab.d1.error_mapping import with_statement
from d1lab.d1.schema import read_tables
from d1lab.d1.transport import Transport
from d1lab.errors import D1AuthError, D1Error, D1QueryError, InputError, UnknownName

T = TypeVar("T")

CLOUDFLARE = "https://api.cloudflare.com/client/v4/accounts/"
EXPLORER = "/cdn-cgi/local/explorer/api/d1/database"
SAFE = 2**53  # D1 rounds JSON numbers from here on
_LARGEST = 2**63 + 1024  # 64 bits, rounded

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PAGE = 100


class RestDatabase:
    """A D1 database behind HTTP.

    Every value is exact. Integers that JSON would round are detected and read again as text, which
    bills the rows of that response twice. Only a whole REAL (1.0) can be returned as the integer 1,
    because D1's JSON does not distinguish them. A write with such an integer in RETURNING
    raises after it took effect: return `CAST(x AS TEXT)` instead.

    D1's API binds text only: parameters of other types are sent in one JSON text, and their
    placeholders are replaced by expressions that read them (see `encoding.bind_as_text`). Such a
    statement must not have a placeholder where SQL allows only a bare parameter.

    Args:
        url: `d1://ACCOUNT_ID/DATABASE` or `wrangler+http://127.0.0.1:PORT/DATABASE`; the database
            by id or by name.
        read_token: For `d1://`: the API token for reads.
        write_token: For `d1://`: the API token for writes.
        read_only: Whether to reject every write.
        handler: The HTTP transport; tests pass `httpx2.MockTransport`.

    Raises:
        InputError: The URL is malformed, or would send plain HTTP to another machine.
        D1AuthError: The URL is `d1://` and the read token is missing or invalid.
    """

    def __init__(
        self,
        url: str,
        *,
        read_token: SecretStr | None = None,
        write_token: SecretStr | None = None,
        read_only: bool = False,
        handler: httpx2.BaseTransport | None = None,
    ) -> None:
        self.url, self.read_only = url, read_only
        self.meter = Meter()
        self._is_local = not url.startswith("d1:")
        base, self._name = endpoint(url)
        self._read_token = self._write_token = None
        if not self._is_local:
            self._read_token = read_token or write_token
            self._write_token = write_token
            for token in filter(None, (read_token, write_token)):
                require_sendable(token)
            if self._read_token is None:
                raise D1AuthError(
                    f"{url}: API token missing. Set D1LAB_READ_TOKEN (permission D1:Read)."
                )
        self._transport = Transport(base, handler=handler, is_local=self._is_local)

    _needs_to_write = "API token missing. Set D1LAB_WRITE_TOKEN (permission D1:Edit)."

    def __repr__(self) -> str:
        return f"RestDatabase({self.url!r})"

    def query(self, sql: str, params: Sequence[Value] = (), *, table: str = "") -> Result:
        """Run one read statement: see `Database.query`."""
        limits.require_read(sql)
        return self._read([Statement(sql, tuple(params))], table)[0]

    def execute(
        self, sql: str, params: Sequence[Value] = (), *, table: str = "", idempotent: bool = False
    ) -> Result:
        """Run one statement that can write: see `Database.execute`."""
        return self.batch([Statement(sql, tuple(params))], table=table, idempotent=idempotent)[0]

    def batch(
        self, statements: Sequence[Statement], *, table: str = "", idempotent: bool = False
    ) -> list[Result]:
        """Run statements in one transaction: see `Database.batch`."""
        if not statements:
            return []
        if all(limits.is_read(statement.sql) for statement in statements):
            return self._read(statements, table)
        if self.read_only:
            raise InputError(f"{self.url} was opened read-only")
        if self._write_token is None and not self._is_local:
            raise D1AuthError(f"{self.url}: {self._needs_to_write}")
        results = self._send(statements, self._write_token, table, again=idempotent)
        if any(map(_has_rounded, results)):
            raise D1QueryError(
                "the write succeeded, but the response contains an integer above "
                "2^53 that D1 rounds in JSON. Use RETURNING CAST(x AS TEXT)."
            )
        return results

    def tables(self) -> dict[str, TableInfo]:
        """Return the user's tables by name: see `Database.tables`."""
        return read_tables(self)

    def bookmark(self) -> str | None:
        """Return D1's Time Travel bookmark; None on the local engine, or after an error."""
        if self._is_local:
            return None
        try:
            path = f"{self._path}/time_travel/bookmark"
            return self._transport.get(path, self._read_token, envelope.bookmark)
        except D1Error:
            return None

    def others_mark(self) -> None:
        """Return None: D1 does not report which connection wrote."""

    def size_bytes(self) -> int | None:
        """Return the size reported by Cloudflare; None for the local engine."""
        if self._is_local:
            return None
        return self._transport.get(self._path, self._read_token, envelope.file_size)

    def details(self) -> DatabaseDetails | None:
        """Return what Cloudflare tells about the database; None for the local engine."""
        return None if self._is_local else self._get_about("", details)

    def bookmark_at(self, moment: datetime) -> str | None:
        """Return the bookmark that Time Travel would restore for a time; None without one.

        Raises:
            D1Error: D1 cannot go back that far, or the request failed.
        """
        if self._is_local:
            return None
        at = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return self._get_about("/time_travel/bookmark", envelope.bookmark, timestamp=at)

    def _get_about(self, path: str, read: Callable[[Any], T], **params: str) -> T:
        return self._transport.get(f"{self._path}{path}", self._read_token, read, **params)

    def close(self) -> None:
        """Close the connections."""
        self.meter.close()
        self._transport.close()

    @cached_property
    def _path(self) -> str:
        """Return the API path of the database by its id, looked up once.

        The local engine creates an empty database for any unknown id, so the id is checked first.
        """
        if not self._is_local and _ID.fullmatch(self._name):
            return f"/{self._name}"
        known = list_ids(self._transport, self._read_token)
        if self._name in known.values():
            return f"/{self._name}"
        if self._name not in known:
            raise UnknownName("database", self._name, {*known, *known.values()}, self.url)
        return f"/{known[self._name]}"

    def _read(self, statements: Sequence[Statement], table: str) -> list[Result]:
        results = self._send(statements, self._read_token, table, again=True)
        if not any(map(_has_rounded, results)):
            return results
        wrapped = [
            statement._replace(sql=tagged(statement.sql, len(result.columns)))
            if result.rows
            else statement
            for statement, result in zip(statements, results, strict=True)
        ]
        exact = self._send(wrapped, self._read_token, table, again=True)
        return [
            first._replace(rows=[tuple(map(untagged, row)) for row in second.rows],
                           usage=first.usage + second.usage)
            for first, second in zip(results, exact, strict=True)
        ]  # fmt: skip

    def _send(
        self,
        statements: Sequence[Statement],
        token: SecretStr | None,
        table: str,
        *,
        again: bool,
    ) -> list[Result]:
        for sql, params, _ in statements:
            limits.check(sql, params)
        bound = [bind_as_text(sql, params) for sql, params, _ in statements]
        try:
            results = self._post(statements, bound, token, again=again)
        except D1Error as error:
            raise (
                with_statement(error, statements[0].sql) if len(statements) == 1 else error
            ) from None
        results[0] = results[0]._replace(usage=results[0].usage + Usage(calls=1))
        self.meter.add(table, sum((result.usage for result in results), Usage()))
        self.meter.note_size(results)
        return results

    def _post(
        self,
        statements: Sequence[Statement],
        bound: Sequence[tuple[str, list[str]]],
        token: SecretStr | None,
        *,
        again: bool,
    ) -> list[Result]:
        """Send the statements, each bound as text, in one request; return their results."""
        bodies = [
            {"sql": sql, "params": params} if params else {"sql": sql} for sql, params in bound
        ]
        body = bodies[0] if len(bodies) == 1 else {"batch": bodies}
        read = envelope.results_of(statements)
        return self._transport.post(f"{self._path}/raw", token, body, read, again=again)


def list_ids(transport: Transport, token: SecretStr | None) -> dict[str, str]:
    """Return the ids of all databases of an account by name, page by page.

    Args:
        transport: Of an address that `endpoint` returns.
        token: A token with D1:Read; None for the local engine.
    """
    known: dict[str, str] = {}
    for page in range(1, 1_000_000):
        new = transport.get("", token, envelope.ids_by_name, page=page, per_page=_PAGE)
        if not new.keys() - known.keys():  # the local engine returns all of them on every page
            break
        known |= new
    return known


def require_sendable(token: SecretStr) -> None:
    """Reject a token that is not valid in a header: the HTTP client's error would show it."""
    text = token.get_secret_value()
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise D1AuthError(
            "an API token contains a line break, space, or other invalid character. "
            "Set D1LAB_READ_TOKEN and D1LAB_WRITE_TOKEN again."
        )


def endpoint(url: str) -> tuple[str, str]:
    """Return the API's base URL for a database, and the database's name or id.

    Raises:
        InputError: The URL is malformed, or would send plain HTTP to another machine.
    """
    return _cloudflare(url) if url.startswith("d1:") else _local(url)


def _cloudflare(url: str) -> tuple[str, str]:
    match = re.fullmatch(r"d1://([0-9A-Za-z]+)/([\w.-]+)", url)
    if not match:
        raise InputError(
            f"invalid database URL {url!r}. Use d1://ACCOUNT_ID/DATABASE_ID with the "
            "account ID (32 hex digits) and the database ID or name."
        )
    return f"{CLOUDFLARE}{match[1]}/d1/database", match[2]


def _local(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    match = re.fullmatch(r"/([\w.-]+)", parts.path)
    if not match or not port_of(parts) or parts.username or parts.query:
        raise InputError(f"database URL {url!r}: expected wrangler+http://127.0.0.1:PORT/DATABASE")
    if not is_loopback(parts.hostname or ""):
        raise InputError(
            f"{parts.hostname} is not this computer. Plain HTTP is allowed for local "
            "connections only."
        )
    return f"http://{parts.netloc}{EXPLORER}", match[1]


def port_of(parts: SplitResult) -> int | None:
    """Return the port of a URL; None without a valid one."""
    try:
        return parts.port
    except ValueError:  # not a number, or above 65535
        return None


def is_loopback(host: str) -> bool:
    """Whether a host is this computer."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _has_rounded(result: Result) -> bool:
    """Whether a number can be an integer that JSON rounded."""
    return any(
        isinstance(cell, (int, float)) and SAFE <= abs(cell) <= _LARGEST
        for cell in chain.from_iterable(result.rows)
    )
