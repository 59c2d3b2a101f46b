"""Shops at the edge of what reports can say: one order, all refunded, long names, many rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from d1lab import catalog
from d1lab.lab import Lab
from d1lab.pages.page import write_page
from d1lab.types import TYPES
from d1lab.warehouse import create_views, next_warehouse, open_warehouse
from tests.support.report_cells import report_cells
from tests.support.sample_run import write_run

SQL = Path(__file__).parents[1] / "fixtures" / "edges.sql"
SHOPS = ("one", "discounted", "refunded", "single", "yen", "dinar", "titles", "bare", "closed")
CURRENCIES = {"yen": "JPY", "dinar": "KWD"}
LAST_DAY = date(2026, 5, 7)

LARGE = """
INSERT INTO raw.order_events BY NAME
SELECT
    100000 + i AS _rowid, 100000 + i AS seq, 'large' AS shop, 'e' || i AS event_id,
    'order' AS type, 'o' || i AS order_id, 'c' || i % 997 AS customer_id, 's' || i % 26000 AS sku,
    'Product ' || i % 26000 AS product_title, 1 AS quantity, 10 AS list_price,
    'd' || i % 20000 AS discount_id, 'CODE' || i % 20000 AS discount_code,
    'percentage' AS discount_type, 1 AS discount_amount, 9 AS revenue,
    TIMESTAMP '2026-05-07 10:00:00' - to_hours((i % 600)::INTEGER) AS occurred_at
FROM range(52000) AS t (i);

INSERT INTO raw.inventory_impact BY NAME
SELECT
    i * 100 + day AS _rowid, 'large' AS shop, 's' || i AS sku,
    DATE '2026-05-07' - day::INTEGER AS date, 20 AS starting_inventory,
    0 AS units_sold_with_discount, 0 AS units_sold_regular_price, 20 AS ending_inventory
FROM range(26000) AS t (i), range(3) AS d (day);

INSERT INTO raw.ab_test_results BY NAME
SELECT
    100000 + i AS _rowid, 'large' AS shop, 't' || i AS test_id, 'Test ' || i AS test_name,
    '{"percent": 0}' AS variant_a_config, '{"percent": 10}' AS variant_b_config,
    80 + i % 7 AS variant_a_conversions, 90 + i % 11 AS variant_b_conversions,
    800 AS variant_a_revenue, 850 AS variant_b_revenue,
    TIMESTAMP '2026-04-20 00:00:00' - to_hours(i::INTEGER) AS started_at,
    CASE WHEN i > 20 THEN TIMESTAMP '2026-05-01 00:00:00' END AS ended_at
FROM range(500) AS t (i);

INSERT INTO raw.d1lab_ab_test_inputs
    (test_id, shop, variant_a_visitors, variant_b_visitors, share_b, share_declared_at)
SELECT 't' || i, 'large', 1000, 1010, 0.5, TIMESTAMP '2026-01-01 00:00:00'
FROM range(500) AS t (i);
"""
"""26,000 products, 20,000 codes, and 500 tests."""


def make_warehouse(folder: Path, *more: str) -> Path:
    """A warehouse of all small edge shops, and what other statements add."""
    with next_warehouse(folder) as con:
        for table in catalog.TABLES.values():
            columns = ", ".join(f"{c.name} {TYPES[c.type].duckdb}" for c in table.columns)
            con.execute(f"CREATE TABLE raw.{table.name} ({columns}, _rowid BIGINT)")
        create_views(con)
        for statements in (*more, SQL.read_text(encoding="utf-8")):
            con.execute(statements)
    return folder


@contextmanager
def _lab(folder: Path, shop: str, run_dir: Path) -> Iterator[Lab]:
    run_dir.mkdir(parents=True, exist_ok=True)
    with open_warehouse(folder) as con:
        currency = CURRENCIES.get(shop, "USD")
        places = {"folder": folder, "run_dir": run_dir}
        yield Lab(con, database="demo", shop=shop, currency=currency, **places)


def write_report(folder: Path, shop: str, report: str) -> tuple[Path, str]:
    """Run a report for a shop; return its page, and the reason why it stopped, if it did."""
    run_id = f"{shop}-{report}"
    with _lab(folder, shop, folder / "data" / "demo" / "runs" / run_id) as lab:
        cells, reason = report_cells(report, lab)
    fields = {"run_id": run_id, "report": report, "title": report, "shop": shop, "as_of": LAST_DAY}
    stopped = {"status": "skipped", "reason": reason} if reason else {}
    run = write_run(folder, cells, **fields, **stopped)
    return write_page(run, folder / "reports"), reason
