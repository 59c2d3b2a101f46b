"""The guide's own app runs under the real engine, and d1lab beside it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from d1lab.d1 import Database, open_database
from d1lab.d1.database import Statement
from d1lab.d1.migrate import migrate
from d1lab.d1.sql_tokens import statements
from d1lab.ingest.aggregate import aggregate
from d1lab.lab import Lab
from d1lab.pull import pull
from d1lab.warehouse import open_warehouse
from tests.support import workerd
from tests.support.outside import guide_app
from tests.support.workerd import WRANGLER, Engine

FOLDER = guide_app()
USES = 150
SETTLE_SECONDS = 60


class GuideApp:
    """The guide's Worker, its queue and Durable Object, on the engine's first database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.url, self._address = engine.fresh(), f"http://127.0.0.1:{engine.port}"

    def get(self, route: str) -> Any:
        """What a route shows."""
        return httpx2.get(f"{self._address}/{route}", timeout=60).json()

    def track(self, uses: list[dict[str, Any]]) -> None:
        """Count uses as the guide does, and wait for the queue."""
        before = self._counted()
        told = httpx2.post(f"{self._address}/track", json=uses, timeout=120).json()
        assert told == {"ok": len(uses), "errors": [], "failed": 0}
        until = time.monotonic() + SETTLE_SECONDS
        while self._counted() < before + len(uses):
            assert time.monotonic() < until, f"not all uses counted:\n{self._engine.log()}"
            time.sleep(0.05)

    def sql(self, sql: str) -> list[dict[str, Any]]:
        """Rows of any statement."""
        body = {"sql": sql}
        return httpx2.post(f"{self._address}/sql", json=body, timeout=60).json()["results"]

    def _counted(self) -> int:
        [row] = self.sql("SELECT total(total_discounts_used) AS uses FROM daily_discount_stats")
        return int(row["uses"])


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuideApp]:
    """The app with its tables, empty."""
    if not WRANGLER.is_file():
        pytest.skip("the real engine is not installed: run `make test`, or npm ci in tests/engine")
    with workerd.running(tmp_path_factory.mktemp("guide"), FOLDER) as engine:
        app = GuideApp(engine)
        with closing(open_database(app.url)) as db:
            schema = (FOLDER / "schema.sql").read_text()
            db.batch([Statement(sql) for sql in statements(schema)])
        yield app


def uses(first: int, count: int) -> list[dict[str, Any]]:
    """Uses of today, by five discounts on seven SKUs; the first of all is its pair's only one."""
    at = datetime.now(UTC).strftime("%Y-%m-%dT00:00:00Z")
    return [
        {
            "shop": "harbor",
            "discountId": f"d{number % 5}",
            "sku": f"S{number % 7}" if number else "once",
            "amount": 1 + number % 9 / 4,
            "at": at,
        }
        for number in range(first, first + count)
    ]


@pytest.mark.engine
@pytest.mark.long
def test_the_guides_app_counts_beside_d1lab(guide: GuideApp, tmp_path: Path):
    """Its routes before and after migrate; the pages count as Python does, also past retention."""
    tracked = uses(0, USES)
    guide.track(tracked)
    shown = guide.get("dashboard?shop=harbor")
    tables = ("discount_analytics", "daily_discount_stats", "product_performance")
    held = {name: guide.sql(f"SELECT * FROM {name}") for name in tables}
    with closing(open_database(guide.url)) as db:
        migrate(db)
        assert guide.get("dashboard?shop=harbor") == shown
        assert set(tables) == set(aggregate(db, tmp_path, database="guide").kept)
        assert {name: guide.sql(f"SELECT * FROM {name}") for name in tables} == held
        tracked += (more := uses(USES, USES))
        guide.track(more)
        require_counted(db, tmp_path, tracked)
        guide.sql("UPDATE discount_analytics SET created_at = '2026-01-01' WHERE sku = 'S3'")
        moved = guide.get("cleanup")
        assert moved["archived"]["changes"] == moved["deleted"]["changes"] == 5
        assert guide.get("monitor")["metrics"]["total_rows"] == 31
        require_counted(db, tmp_path, tracked)


def require_counted(db: Database, folder: Path, tracked: list[dict[str, Any]]) -> None:
    """Raise an AssertionError unless uses, savings and units are those that were tracked."""
    pull(db, folder, database="guide", counters="always")
    with open_warehouse(folder) as con:
        lab = Lab(con, database="guide", folder=folder, shop="harbor")
        today = datetime.now(UTC).date()
        used = lab.metric("counted_discounts", until=today).set_index("discount_id")
        assert used["times_used"].to_dict() == Counter(use["discountId"] for use in tracked)
        assert used["savings"].sum() == pytest.approx(sum(use["amount"] for use in tracked))
        sold = lab.metric("counted_products").set_index("sku")
        assert sold["units_with"].to_dict() == Counter(use["sku"] for use in tracked)
