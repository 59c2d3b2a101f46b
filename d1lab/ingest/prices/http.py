"""One GET request with limits on total time, decompressed size, and redirect targets.

httpx2 limits each wait, but not their sum: a server that sends a byte every few seconds would
block forever. So a timer shuts the connection down. Bodies are decompressed here, because a
small gzip can expand to gigabytes.
"""

from __future__ import annotations

import socket
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from ipaddress import ip_address
from threading import Timer
from types import TracebackType
from typing import Any, NamedTuple
from urllib.request import getproxies

import httpx2

from d1lab.errors import InputError

Address = tuple[Any, ...]
"""A peer address: host and port first."""


class Unreachable(InputError):
    """The server could not be reached, or closed the connection early."""


class NotPublic(InputError):
    """The server is in a private network, which is not allowed here."""


class Answer(NamedTuple):
    """A server's response."""

    status: int
    headers: Mapping[str, str]
    body: bytes  # empty unless the status is 200 to 299
    public: bool  # whether it came from a public address


def is_public(address: Address) -> bool:
    """Whether an address is on the public Internet.

    >>> is_public(("127.0.0.1", 80)), is_public(("169.254.169.254", 80)), is_public(("9.9.9.9", 80))
    (False, False, True)
    """
    return ip_address(str(address[0]).partition("%")[0]).is_global


class Exchange:
    """Sends GET requests, one connection each.

    Args:
        user_agent: The User-Agent header.
        seconds: The time limit from the request to the last byte of the response.
        is_public: Whether an address is public; tests pass their own.
    """

    def __init__(
        self, user_agent: str, seconds: float, is_public: Callable[[Address], bool] = is_public
    ) -> None:
        self._seconds, self._is_public = seconds, is_public
        self._has_proxy = bool(getproxies())  # then the peer is the proxy
        self._client = httpx2.Client(
            headers={
                "user-agent": user_agent,
                "accept": "text/html, application/xhtml+xml",
                "accept-encoding": "gzip",
            },
            timeout=httpx2.Timeout(seconds, connect=min(10.0, seconds)),
            limits=httpx2.Limits(max_keepalive_connections=0),
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(
        self, url: httpx2.URL, most_bytes: int, *, cut: bool = False, only_public: bool = False
    ) -> Answer:
        """Send a GET request; return the response, without following redirects.

        Args:
            url: The URL.
            most_bytes: The limit on the decompressed body.
            cut: Whether to truncate a larger body; by default it is an error.
            only_public: Whether to reject a server in a private network.

        Raises:
            Unreachable: No response, not in time, or an incomplete one.
            NotPublic: The server is in a private network, and `only_public`.
            InputError: The body is too large or cannot be decompressed.
        """
        public = None if self._has_proxy else self._is_public
        with _Watch(self._seconds, public, only_public and not self._has_proxy) as watch:
            try:
                with self._client.stream("GET", url, extensions={"trace": watch.trace}) as answer:
                    body = _body(answer, most_bytes, cut) if answer.is_success else b""
                    if not watch.expired:  # a body without Content-Length just ends on shutdown
                        return Answer(answer.status_code, answer.headers, body, watch.public)
            except httpx2.TimeoutException:
                pass
            except (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, InputError) as error:
                if not watch.expired:
                    raise _named(error) from None
        raise Unreachable(f"no complete response within {self._seconds:g} s")


def _named(error: Exception) -> InputError:
    if isinstance(error, InputError):
        return error
    return Unreachable(f"no response: {str(error)[:120] or type(error).__name__}")


class _Watch:
    """Watches one exchange: records the peer address, and shuts it down at the time limit."""

    def __init__(
        self, seconds: float, is_public: Callable[[Address], bool] | None, only_public: bool
    ) -> None:
        self._is_public, self._only_public = is_public, only_public
        self._socket: socket.socket | None = None
        self._timer = Timer(seconds, self._expire)
        self._timer.daemon = True
        self.expired, self.public = False, False

    def __enter__(self) -> _Watch:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()

    def _expire(self) -> None:
        self.expired = True
        if self._socket is not None:
            with suppress(OSError):  # it has just ended on its own
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # also for a TLS socket

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Handle httpcore2's trace events, here the one for an open connection."""
        if event not in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            return
        stream = info["return_value"]
        self._socket = stream.get_extra_info("socket")
        if event.endswith("tcp.complete") and self._is_public:
            self.public = self._is_public(stream.get_extra_info("server_addr"))
            if self._only_public and not self.public:
                stream.close()
                raise NotPublic("redirect to a private network blocked")


def _body(answer: httpx2.Response, most_bytes: int, cut: bool) -> bytes:
    """Return the body, decompressed and limited in size."""
    packing = answer.headers.get("content-encoding", "identity").strip().lower()
    if packing not in ("identity", "gzip", "x-gzip", ""):
        raise InputError(f"unsupported content encoding {packing[:20]!r}")
    opener = zlib.decompressobj(wbits=31) if "gzip" in packing else None
    body = bytearray()
    for chunk in answer.iter_raw():
        room = most_bytes + 1 - len(body)
        body += _unpacked(opener, chunk, room) if opener else chunk
        if len(body) > most_bytes:
            if cut:
                return bytes(body[:most_bytes])
            raise InputError(f"the page is larger than {most_bytes / 1e6:g} MB")
    if opener and not opener.eof:
        raise Unreachable("connection closed before the response was complete")
    return bytes(body)


def _unpacked(opener: Any, chunk: bytes, most: int) -> bytes:
    try:
        return opener.decompress(chunk, most)
    except zlib.error as error:
        raise InputError(f"the response cannot be decompressed: {error}") from None
