"""Merchants see d1lab's results where they work: an app asks the gateway by a service binding."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pyarrow as pa
import pytest

from d1lab.d1 import Database, open_database
from d1lab.d1.database import Statement
from d1lab.d1.migrate import migrate
from d1lab.d1.sql_tokens import statements
from d1lab.ops.worker_files import init_worker
from d1lab.outbox import stage
from d1lab.push.push import push
from tests.support import outside, shop_app, workerd

BINDING = [{"binding": "D1LAB", "service": "d1lab-gateway"}]


@contextmanager
def _beside_the_gateway(
    app: Path, folder: Path, *changes: tuple[str, str]
) -> Iterator[workerd.Engine]:
    """An app with the documented lines, and the gateway as `d1lab worker init` writes it."""
    target, gateway = folder / "app", folder / "gateway"
    shutil.copytree(app, target)
    code = (target / "worker.js").read_text()
    for old, new in changes:
        assert code.count(old) == 1, old
        code = code.replace(old, new)
    (target / "worker.js").write_text(code)
    _bind(next(target.glob("wrangler.json*")), services=BINDING)
    init_worker("gateway", gateway)
    config = gateway / "wrangler.jsonc"
    name = workerd.database_names()[0]
    text = config.read_text().replace("YOUR_DATABASE_ID", name)
    config.write_text(text.replace('"YOUR_DATABASE": "DB"', f'"{name}": "DB"'))
    (folder / "state").mkdir()
    with workerd.running(folder / "state", target, config) as engine:
        yield engine


def _bind(path: Path, **bindings: Any) -> None:
    lines = path.read_text().splitlines()
    config = json.loads("".join(line for line in lines if not line.strip().startswith("//")))
    path.write_text(json.dumps(config | bindings))


def _push_segment(db: Database, run_dir: Path) -> None:
    """Push a run of the report customers: one customer is a vip."""
    migrate(db)
    db.execute("INSERT INTO customer_insights (shop, customer_id) VALUES ('harbor', 'ada')")
    rows = {"shop": ["harbor"], "customer_id": ["ada"], "customer_segment": ["vip"]}
    stage(pa.table(rows), "customer_insights", run_dir)
    record = {"status": "done", "report": "customers", "shop": "harbor", "as_of": "2026-05-01"}
    (run_dir / "run.json").write_text(json.dumps(record))
    push(db, run_dir)


def _assert_shown(told: dict[str, Any]) -> None:
    [table] = told["tables"]
    assert (table["table"], table["as_of"]) == ("customer_insights", "2026-05-01")
    assert table["rows"] == [["harbor", "ada", "vip"]]


@pytest.mark.engine
def test_the_small_app_shows_what_was_pushed(engine, tmp_path: Path):
    """Its own dashboard's figures come from the gateway, and a report's results beside them."""
    routes = """const routes = {
  shown: (db, { shop }, env, name) => env.D1LAB.dashboard(name, shop),
  results: (db, { shop, report }, env, name) => env.D1LAB.results(name, shop, report),"""
    change = ("const routes = {", routes)
    with _beside_the_gateway(shop_app.HOME, tmp_path, change) as engine:
        shop = shop_app.ShopApp(engine)
        with closing(open_database(shop.url)) as db:
            _push_segment(db, tmp_path / "run")
        uses = [shop_app.Use("harbor", "d1", sku, 2.5, "2026-05-01") for sku in "ABA"]
        shop.track(*uses)
        own = shop.dashboard("harbor", "2026-01-01")
        shown = shop.ask("shown", shop="harbor")
        figures = ("total_discounts", "total_uses", "total_savings", "unique_skus")
        assert [shown[figure] for figure in figures] == [*own.values()] == [1, 1, 5, 1]
        assert shown["reports"]["customers"]["as_of"] == "2026-05-01"
        _assert_shown(shop.ask("results", shop="harbor", report="customers"))


@pytest.mark.long
@pytest.mark.engine
def test_the_guides_loader_shows_what_was_pushed(engine, tmp_path: Path):
    """The gateway gives the guide's loader the figures that its own statement gives."""
    folder = outside.guide_app()
    name = workerd.database_names()[0]
    asked = 'url.searchParams.get("shop")'
    loader = f'case "/dashboard": return json(await computeStats(env, {asked}));'
    change = f"""case "/own": return json(await computeStats(env, {asked}));
        case "/dashboard": return json(await env.D1LAB.dashboard("{name}", {asked}));
        case "/results": return json(await env.D1LAB.results(
          "{name}", {asked}, url.searchParams.get("report")));"""
    with _beside_the_gateway(folder, tmp_path, (loader, change)) as engine:
        address = f"http://127.0.0.1:{engine.port}"
        with closing(open_database(engine.fresh())) as db:
            db.batch([Statement(sql) for sql in statements((folder / "schema.sql").read_text())])
            _push_segment(db, tmp_path / "run")
        use = {"shop": "harbor", "discountId": "d1", "amount": 2.5}
        uses = [{**use, "sku": sku, "at": "2026-05-01T00:00:00Z"} for sku in ("S1", "S2", "S1")]
        assert httpx2.post(f"{address}/track", json=uses).json()["ok"] == 3

        def shown(path: str) -> dict[str, Any]:
            return httpx2.get(f"{address}/{path}").json()

        own = shown("own?shop=harbor")
        dashboard = shown("dashboard?shop=harbor")
        assert {figure: dashboard[figure] for figure in own} == own
        assert own["total_savings"] > 0
        _assert_shown(shown("results?shop=harbor&report=customers"))
