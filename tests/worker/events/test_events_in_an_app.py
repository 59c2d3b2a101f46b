"""An app takes the events Worker with ten lines, and goes on as before."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from d1lab.d1 import open_database
from d1lab.d1.database import Statement
from d1lab.d1.migrate import migrate
from d1lab.d1.sql_tokens import statements
from d1lab.ops.worker_files import init_worker
from tests.support import outside, shop_app, workerd

IMPORT = 'import { consume, tidy, track } from "./d1lab/events.js";\n'
HANDLERS = """
  async queue(batch, env) {
    if (batch.queue === "d1lab-events") return consume(batch, env);
"""


def _with_events(app: Path, target: Path, *changes: tuple[str, str]) -> Path:
    """A copy of an app with the documented lines."""
    shutil.copytree(app, target)
    init_worker("events", target / "d1lab")
    code = IMPORT + (target / "worker.js").read_text()
    for old, new in (("\n  async queue(batch, env) {\n", HANDLERS), *changes):
        assert code.count(old) == 1, old
        code = code.replace(old, new)
    (target / "worker.js").write_text(code)
    return target


@pytest.mark.engine
def test_the_small_app_records_its_uses(engine, tmp_path: Path):
    """Its own counters and its queue stay; order_events has each use."""
    event = """await track({ DB: db }, {
        shop: use.shop, event_id: `${use.sku}-${use.at}`, type: "order", order_id: use.at,
        sku: use.sku, quantity: 1, discount_id: use.discount_id, discount_amount: use.amount,
        revenue: 10, occurred_at: use.at,
      });
      await env.USES.send({ number"""
    app = _with_events(shop_app.HOME, tmp_path / "app", ("await env.USES.send({ number", event))
    (tmp_path / "state").mkdir()
    with workerd.running(tmp_path / "state", app) as engine:
        shop = shop_app.ShopApp(engine)
        with closing(open_database(shop.url)) as db:
            migrate(db)
            use = shop_app.Use("harbor", "d1", "S1", 2.5, "2026-05-01T00:00:00Z")
            shop.track(use, use._replace(sku="S2"), use)
            sql = "SELECT sku, discount_amount FROM order_events ORDER BY sku"
            assert db.query(sql).rows == [("S1", 2.5), ("S2", 2.5)]
            assert db.query("SELECT sum(times_used) FROM discount_analytics").rows == [(1,)]


@pytest.mark.long
def test_the_guides_app_records_its_uses(tmp_path: Path):
    """With a message of its queue, and its cron, handled by d1lab's functions."""
    folder = outside.guide_app()
    if not workerd.WRANGLER.is_file():
        pytest.skip("the real engine is not installed: run `make test`, or npm ci in tests/engine")
    event = """await trackDiscountUsage(env, e);
              await track(env, {
                shop: e.shop, event_id: e.id, type: "order", order_id: e.id, sku: e.sku,
                quantity: 1, discount_id: e.discountId, discount_amount: e.amount, revenue: 10,
                occurred_at: e.at,
              });"""
    app = _with_events(
        folder,
        tmp_path / "app",
        ("await trackDiscountUsage(env, e);", event),
        ("{ await cleanupOldData(env);", "{ await tidy(env); await cleanupOldData(env);"),
    )
    (tmp_path / "state").mkdir()
    with (
        workerd.running(tmp_path / "state", app) as engine,
        closing(open_database(engine.fresh())) as db,
    ):
        db.batch([Statement(sql) for sql in statements((folder / "schema.sql").read_text())])
        migrate(db)
        use = {"shop": "harbor", "discountId": "d1", "sku": "S1", "amount": 2.5}
        uses = [use | {"id": f"e{n}", "at": "2026-05-01T00:00:00Z"} for n in (1, 2, 1)]
        address = f"http://127.0.0.1:{engine.port}/track"
        assert httpx2.post(address, json=uses, timeout=60).json()["ok"] == 3
        assert db.query("SELECT count(*) FROM order_events").rows == [(2,)]
        assert db.query("SELECT times_used FROM discount_analytics").rows == [(2,)]
