"""Online Retail (UCI) as order events of a shop, loaded through an embedded D1 into a warehouse.

541,909 invoice lines of a British gift wholesaler, December 2010 to December 2011. Lines without a
customer are included; cancellations are refunds. A cancellation does not refer to an invoice, so it
is assigned to the customer's last earlier line of the same product, or else is a refund of an
unknown order. Source: D. Chen, UCI Machine Learning Repository, 2015 (CC BY 4.0).
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.ingest.events import TrackResult, track_table
from d1lab.lab import Lab
from d1lab.pull import pull
from d1lab.warehouse import open_warehouse

SHOP = "online-retail"

_EVENTS = """
WITH lines AS (
    SELECT
        file_row_number AS line,
        InvoiceNo AS invoice,
        CustomerID::BIGINT::VARCHAR AS customer_id,
        StockCode AS sku,
        Description AS product_title,
        Quantity AS quantity,
        UnitPrice AS list_price,
        InvoiceDate AS occurred_at
    FROM read_parquet($path, file_row_number = true)
),
back AS (SELECT * FROM lines WHERE quantity < 0),
sold AS (SELECT * FROM lines WHERE quantity > 0)
SELECT
    $shop AS shop, line::VARCHAR AS event_id, 'order' AS type, invoice AS order_id, customer_id,
    sku, product_title, quantity, list_price, quantity * list_price AS revenue, occurred_at
FROM sold
UNION ALL BY NAME
SELECT
    $shop AS shop, back.line::VARCHAR AS event_id, 'refund' AS type,
    coalesce(sold.invoice, back.invoice) AS order_id, back.customer_id, back.sku,
    back.product_title, -back.quantity AS quantity, back.list_price,
    -back.quantity * back.list_price AS revenue, back.occurred_at
FROM back
ASOF LEFT JOIN sold
    ON sold.customer_id = back.customer_id AND sold.sku = back.sku
    AND sold.occurred_at <= back.occurred_at
ORDER BY event_id
"""


def load(source: Path, folder: Path) -> TrackResult:
    """Write the data set's events to a new D1 in `folder` and pull them."""
    db = SqliteDatabase.create(folder / "d1.sqlite")
    try:
        migrate(db)
        with duckdb.connect() as con:
            con.execute("SET TimeZone = 'UTC'")
            params = {"path": str(source), "shop": SHOP}
            tracked = track_table(db, con.sql(_EVENTS, params=params).to_arrow_table())
        pull(db, folder, database="proof")
    finally:
        db.close()
    return tracked


def open_lab(folder: Path) -> Lab:
    """Open a lab on the result of `load`."""
    return Lab(open_warehouse(folder), database="proof", folder=folder, shop=SHOP)
