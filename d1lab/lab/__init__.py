"""Notebook API: read-only access to one warehouse. Staged results are written later by push.

    lab = d1lab.open("demo", shop="harbor")   opens a warehouse; needs no token
    lab.tables.order_lines.df(100)            tables with Tab completion: views first, then raw
    lab.sql("FROM products WHERE sku = $sku", sku="A-1").df()
    lab.metric("turnover", since="2026-01-01", until="2026-03-31")
    lab.search("winter sock")                 discounts, codes, products, customers, tests
    lab.describe()                            all tables: rows, age, key, columns, null shares
    lab.stage(frame, table="inventory_impact")
    lab.share("order")                        link to one action, test, or product on a page

Modules: opening (open), lab (Lab), tables (lab.tables), query (SQL and its errors), display and
charting (verdict, figures, table, chart, note, stop), metric_calls (metric, metrics), dictionary
(describe), freshness (age, simulated, quarantined), app_shops and push_tables (the app's own
tables), sharing (share), magic (%%d1), controls (widgets of parameters), labextensions (d1lab's
part of JupyterLab, in JavaScript).
"""

from d1lab.lab.freshness import Freshness
from d1lab.lab.lab import Lab
from d1lab.lab.opening import open
from d1lab.lab.tables import WarehouseTable, WarehouseTables

__all__ = ["Freshness", "Lab", "WarehouseTable", "WarehouseTables", "open"]
