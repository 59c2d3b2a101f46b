"""Rows that several metrics read and that take long to find: each lab finds them once.

They stand in temporary tables that hide the views of the same names.
"""
# ruff: noqa: S608  (names are constants)

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from d1lab.metrics import Metric
from d1lab.warehouse import OWN

WALK_INS = "walk_in_customers"
ORDERS = "customer_orders"


class SharedTables:
    """The temporary tables of a connection on which d1lab's own metrics run."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        self._done: set[str] = set()

    def prepare(self, metric: Metric, params: Mapping[str, object]) -> None:
        """Find the rows that a metric is about to read."""
        if {WALK_INS, ORDERS} & {*metric.reads}:
            self._once(f"CREATE TEMP TABLE {WALK_INS} AS FROM {OWN}.{WALK_INS}")
        if ORDERS in metric.reads and "shop" in params:
            self._find_orders(str(params["shop"]))

    def _find_orders(self, shop: str) -> None:
        """Keep a shop's orders without their IDs, which no metric reads and which take memory."""
        rows = f"SELECT * EXCLUDE (order_id) FROM {OWN}.{ORDERS}"
        self._once(f"CREATE TEMP TABLE {ORDERS} AS {rows} LIMIT 0")
        self._once(f"INSERT INTO {ORDERS} {rows} WHERE shop = $shop", shop=shop)

    def _once(self, sql: str, **params: str) -> None:
        key = repr((sql, params))
        if key not in self._done:
            self._con.execute(sql, params)
            self._done.add(key)
