"""An app of the guide's shape beside d1lab, under the real engine; its code is in app/."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx2

from tests.support import workerd

HOME = Path(__file__).parent / "app"
SCHEMA = [
    "\n".join(line for line in statement.splitlines() if not line.startswith("--"))
    for statement in (HOME / "schema.sql").read_text().split(";")
    if statement.strip()
]
SETTLE_SECONDS = 60
FLUSH_SECONDS = 5


class Use(NamedTuple):
    """One use of a discount, as the app hears of it; `at` is an ISO time in UTC."""

    shop: str
    discount_id: str
    sku: str
    amount: float
    at: str


class ShopApp:
    """The app on a database of its own, whose tables are there and empty."""

    def __init__(self, engine: workerd.Engine) -> None:
        self._engine = engine
        self.url = engine.fresh()
        self._tracked = self._delivered = 0
        self.batch([(statement, ()) for statement in SCHEMA])

    @property
    def file(self) -> Path:
        """The SQLite file of its database."""
        return self._engine.file(self.url)

    def track(self, *uses: Use) -> None:
        """Count uses as customers make them: an upsert and a message to the queue for each."""
        self._tracked += self.ask("track", uses=[use._asdict() for use in uses])

    def settle(self) -> None:
        """Wait until the queue has counted all that was tracked.

        The local queue can forget that messages wait: its timer is set again only when a delivery,
        its line in the log included, went well. What it forgot, the app counts by itself.
        """
        wanted = self._tracked + self._delivered
        start = flushed = time.monotonic()
        while (counted := self._counted()) < wanted:
            now = time.monotonic()
            missing = f"the queue counted {counted} of {wanted} uses"
            assert now < start + SETTLE_SECONDS, f"{missing}:\n{self._engine.log()}"
            if now > flushed + FLUSH_SECONDS:
                flushed = now
                self.ask("flush")
            time.sleep(0.05)

    def deliver(self, *uses: Use, stop_after: int | None = None) -> None:
        """Hand the queue's consumer a batch at once; a second time is what a queue may do, too.

        Raises:
            AppError: It was to stop after some uses, as a consumer that is shut down.
        """
        self.settle()
        before = self._counted()
        try:
            self.ask("deliver", uses=[use._asdict() for use in uses], stop_after=stop_after)
        finally:
            self._delivered += self._counted() - before

    def dashboard(self, shop: str, since: str) -> dict[str, Any]:
        """What the app shows of a shop: discounts, uses, savings and skus used since a day."""
        return self.ask("dashboard", shop=shop, since=since)

    def archive(self, before: str) -> dict[str, int]:
        """The app's retention: rows made before a day go to analytics_archive."""
        return self.ask("archive", before=before)

    def sql(self, statement: str, *params: Any) -> list[dict[str, Any]]:
        """Rows of any statement, as the app itself would run it."""
        return self.batch([(statement, params)])[0]["rows"]

    def batch(self, statements: list[tuple[str, tuple[Any, ...]]]) -> list[dict[str, Any]]:
        """Several statements in one D1 batch: `rows` and billed rows `written` of each."""
        return self.ask("sql", statements=statements)

    def ask(self, route: str, **body: Any) -> Any:
        """What a route of the app answers."""
        name = self.url.rpartition("/")[2]
        address = f"http://127.0.0.1:{self._engine.port}/{name}/{route}"
        answer = httpx2.post(address, json=body, timeout=60)
        if answer.status_code != 200:
            raise AppError(answer.json()["error"])
        return answer.json()

    def _counted(self) -> int:
        [row] = self.sql("SELECT total(total_discounts_used) AS uses FROM daily_discount_stats")
        return int(row["uses"])


class AppError(Exception):
    """What the app answered instead of doing what it was asked."""


@contextmanager
def running(folder: Path) -> Iterator[workerd.Engine]:
    """An engine that runs the app: give it to `ShopApp`, once for each database."""
    with workerd.running(folder, HOME) as engine:
        yield engine
