"""d1lab's Workers on a database of the real engine; tests/engine/worker.js calls them."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from tests.support import workerd

READER, WRITER = SecretStr("reader"), SecretStr("writer")


class WorkerDatabase:
    """A database of its own, and the Workers' functions on it."""

    def __init__(self, engine: workerd.Engine, url: str = "") -> None:
        self.url, self._port, self._client = url or engine.fresh(), engine.port, engine.client

    @property
    def gateway(self) -> str:
        """The same database by the gateway."""
        return f"gateway+http://127.0.0.1:{self._port}/{self.name}"

    @property
    def name(self) -> str:
        """The database's name, which is its id."""
        return self.url.rpartition("/")[2]

    def ask(self, route: str, **body: Any) -> Any:
        """Call a route of the test's Worker.

        Raises:
            AssertionError: The Worker failed; the message is its error.
        """
        address = f"http://127.0.0.1:{self._port}/{self.name}/{route}"
        answer = self._client.post(address, json=body, timeout=120)
        assert answer.status_code == 200, answer.text
        return answer.json()
