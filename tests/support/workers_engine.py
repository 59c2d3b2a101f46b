"""d1lab's Workers under the real engine; the Worker that calls them is in workers/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2

from tests.support import workerd

HOME = Path(__file__).parent / "workers"


class WorkerDatabase:
    """A database of its own, and the Workers' functions on it."""

    def __init__(self, engine: workerd.Engine) -> None:
        self.url, self._port = engine.fresh(), engine.port

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
        answer = httpx2.post(address, json=body, timeout=120)
        assert answer.status_code == 200, answer.text
        return answer.json()
