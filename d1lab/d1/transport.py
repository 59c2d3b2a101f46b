"""HTTP to Cloudflare or the local engine: requests, errors, and retries.

A request is retried after a transient error only if it is safe to repeat. Waits grow, with random
jitter; a `retry-after` header takes precedence.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx2
import orjson
import stamina
from pydantic import SecretStr
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from d1lab.d1.envelope import opened
from d1lab.d1.request_limit import RequestLimit, current_limit
from d1lab.errors import D1UnavailableError

T = TypeVar("T")

Authorize = Callable[[SecretStr, httpx2.Request], dict[str, str]]
"""Returns the headers that prove a token for a request, which is about to be sent."""

ATTEMPTS = 6
PATIENCE_SECONDS = 330.0  # Cloudflare rejects requests for 5 minutes after its rate limit
CLOUDFLARE_HOST = "api.cloudflare.com"  # the only host with Cloudflare's limit on requests
TIMEOUT = httpx2.Timeout(60.0, connect=10.0)  # D1 itself times out after 30 seconds

_log = logging.getLogger(__name__)


def _log_retry(details: RetryDetails) -> None:
    """Log the reason for a wait, which can take minutes."""
    reason = str(details.caused_by).removesuffix(".")
    _log.warning("%s. Retrying in %.1f s", reason, details.wait_for)


set_on_retry_hooks([_log_retry])  # instead of stamina's own, which do not show the reason


class Transport:
    """An HTTP client for one API. Thread-safe.

    Args:
        base: The base URL of all paths.
        handler: The HTTP transport. Default: the network. Tests pass a mock.
        authorize: Returns the headers that prove the token for a request. Default: a bearer token.
        is_local: Whether the server is on this machine: then no proxy is used, and responses are
            not compressed, because that takes longer than sending them.
    """

    def __init__(
        self,
        base: str,
        *,
        handler: httpx2.BaseTransport | None = None,
        authorize: Authorize | None = None,
        is_local: bool = False,
    ) -> None:
        self._authorize = authorize or _bearer
        self._hint = ". Check that `wrangler dev` is running." if is_local else ""
        self._is_limited = httpx2.URL(base).host == CLOUDFLARE_HOST
        self._client = httpx2.Client(
            base_url=base,
            timeout=TIMEOUT,
            transport=handler,
            trust_env=not is_local,
            headers={"accept-encoding": "identity"} if is_local else None,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(
        self, path: str, token: SecretStr | None, read: Callable[[Any], T], **params: str | int
    ) -> T:
        """Send a GET, with retries; return the result as converted by `read`."""
        return self._send("GET", path, token, read, again=True, params=params)

    def post(
        self,
        path: str,
        token: SecretStr | None,
        body: object,
        read: Callable[[Any], T],
        *,
        again: bool,
    ) -> T:
        """Send a POST of `body`; return the result as converted by `read`.

        Args:
            path: The path, relative to the base.
            token: The API token; None for the local engine.
            body: The body, sent as JSON.
            read: Checks and converts the result; see `d1lab.d1.envelope`.
            again: Whether the request is safe to repeat.

        Raises:
            D1Error: The request failed (see `d1lab.d1.envelope` and `d1lab.d1.error_mapping`).
        """
        content = orjson.dumps(body)
        return self._send("POST", path, token, read, again=again, content=content)

    def _send(
        self,
        method: str,
        path: str,
        token: SecretStr | None,
        read: Callable[[Any], T],
        *,
        again: bool,
        **what: Any,
    ) -> T:
        for attempt in stamina.retry_context(
            on=_retry_wait,
            attempts=ATTEMPTS if again else 1,
            timeout=2 * PATIENCE_SECONDS,
            wait_initial=0.5,
            wait_max=20.0,
        ):
            with attempt, _within_limit(current_limit() if self._is_limited else None):
                return opened(self._once(method, path, token, what), read)
        raise AssertionError("stamina tries at least once")  # pragma: no cover

    def _once(
        self, method: str, path: str, token: SecretStr | None, what: dict[str, Any]
    ) -> httpx2.Response:
        headers = {"content-type": "application/json"}
        request = self._client.build_request(method, path, headers=headers, **what)
        if token is not None:
            request.headers.update(self._authorize(token, request))
        try:
            return self._client.send(request)
        except httpx2.HTTPError as error:  # its request contains the token, so it is not chained
            host, why = self._client.base_url.host, f"{type(error).__name__} {error}"
            raise D1UnavailableError(f"no response from {host}: {why}{self._hint}") from None


@contextmanager
def _within_limit(limit: RequestLimit | None) -> Generator[None]:
    """Send a request when the limit allows it, and let the limit know of a 429."""
    if limit is not None:
        limit.take()
    try:
        yield
    except D1UnavailableError as error:
        if limit is not None and error.status == 429:
            limit.rejected(error.retry_after_seconds)
        raise


def _bearer(token: SecretStr, _request: httpx2.Request) -> dict[str, str]:
    return {"authorization": f"Bearer {token.get_secret_value()}"}


def _retry_wait(error: Exception) -> bool | float:
    """Return whether to retry, or after how many seconds."""
    if not isinstance(error, D1UnavailableError):
        return False
    asked = error.retry_after_seconds
    return True if asked is None else asked if asked <= PATIENCE_SECONDS else False
