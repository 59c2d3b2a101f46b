"""Notebook API: read-only access to one warehouse. Staged results are written later by push.

    lab = d1lab.open("demo", shop="harbor")   the warehouse of one database; no token needed
    lab.tables.order_lines.df(100)            tables complete with Tab: views first, then raw
    lab.sql("FROM products WHERE sku = $sku", sku="A-1").df()
    lab.metric("turnover", since="2026-01-01", until="2026-03-31")
    lab.search("winter sock")                 discounts, codes, articles, customers, tests
    lab.describe()                            every table: rows, age, key, columns, null shares
    lab.stage(frame, table="inventory_impact")

Modules: session (Lab, open), tables (lab.tables), query (SQL and its errors), finding (search),
showing (verdict, figures, table, note, stop), dictionary (describe), state (age, simulated,
quarantined), vocabulary (names of columns), magic (%%d1).
"""

from d1lab.lab.freshness import Freshness
from d1lab.lab.lab import Lab
from d1lab.lab.opening import open
from d1lab.lab.tables import WarehouseTable, WarehouseTables

__all__ = ["Freshness", "Lab", "WarehouseTable", "WarehouseTables", "open"]
