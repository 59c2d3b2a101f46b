"""Record where D1 answered a pull through the gateway: regions, and primary or replica."""

# pyright: standard

from __future__ import annotations

import duckdb

from d1lab.d1.gateway import GatewayDatabase

_TABLE = """
CREATE OR REPLACE TABLE d1lab.served_by (region VARCHAR, is_primary BOOLEAN, statements BIGINT)
"""


def record_served(con: duckdb.DuckDBPyConnection, db: GatewayDatabase) -> None:
    """Replace the table d1lab.served_by: the region, whether by the primary, and statements."""
    con.execute(_TABLE)
    for where, statements in db.served.items():
        con.execute("INSERT INTO d1lab.served_by VALUES (?, ?, ?)", [*where, statements])
