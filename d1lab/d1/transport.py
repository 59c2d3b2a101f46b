"""HTTP to Cloudflare, or to the local engine: one request, its faults, its retries.

A request is sent again after a passing fault only where sending it twice is harmless. The waits
grow, with a random part; what a `retry-after` header asks for is waited instead.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import httpx2
import orjson
import stamina
from pydantic import SecretStr
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from d1lab.d1.envelope import opened
from d1lab.errors import D1UnavailableError

T = TypeVar("T")

ATTEMPTS = 6
PATIENCE_SECONDS = 330.0  # Cloudflare refuses for 5 minutes once its rate limit is passed
TIMEOUT = httpx2.Timeout(60.0, connect=10.0)  # D1 gives up by itself after 30 seconds

_log = logging.getLogger(__name__)


def _log_retry(details: RetryDetails) -> None:
    """Say why nothing seems to happen: a wait may take minutes."""
    _log.warning("%s. Retrying in %.1f s", details.caused_by, details.wait_for)


set_on_retry_hooks([_log_retry])  # in place of stamina's own, which name no reason


class Transport:
    """One HTTP client for one API. Safe between threads.

    Args:
        base: The address that paths are relative to.
        handler: What carries requests out; by default the network. Tests pass a mock.
        is_local: Whether it is on this machine: then no proxy applies, and answers are not
            compressed, which would take longer than sending them.
    """

    def __init__(
        self, base: str, *, handler: httpx2.BaseTransport | None = None, is_local: bool = False
    ) -> None:
        self._hint = ". Check that `wrangler dev` is running." if is_local else ""
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
        """What `read` makes of the result that a GET gives; repeated after passing faults."""
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
        """What `read` makes of the result that a POST of `body` gives.

        Args:
            path: Where to, relative to the base.
            token: What the request is authorized with; None for the local engine.
            body: What is sent as JSON.
            read: Checks and converts the result, as `d1lab.d1.envelope` has it.
            again: Whether sending it twice is harmless.

        Raises:
            D1Error: As `d1lab.d1.envelope` and `d1lab.d1.error_mapping` read the answer.
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
        headers = {"content-type": "application/json"}
        if token is not None:
            headers["authorization"] = f"Bearer {token.get_secret_value()}"
        for attempt in stamina.retry_context(
            on=_retry_wait,
            attempts=ATTEMPTS if again else 1,
            timeout=2 * PATIENCE_SECONDS,
            wait_initial=0.5,
            wait_max=20.0,
        ):
            with attempt:
                return opened(self._once(method, path, headers, what), read)
        raise AssertionError("stamina tries at least once")  # pragma: no cover

    def _once(
        self, method: str, path: str, headers: dict[str, str], what: dict[str, Any]
    ) -> httpx2.Response:
        try:
            return self._client.request(method, path, headers=headers, **what)
        except httpx2.HTTPError as error:  # its request holds the token: it is not passed on
            host, why = self._client.base_url.host, f"{type(error).__name__} {error}"
            raise D1UnavailableError(f"no response from {host}: {why}{self._hint}") from None


def _retry_wait(error: Exception) -> bool | float:
    """Whether to try again, or after how many seconds."""
    if not isinstance(error, D1UnavailableError):
        return False
    asked = error.retry_after_seconds
    return True if asked is None else asked if asked <= PATIENCE_SECONDS else False
