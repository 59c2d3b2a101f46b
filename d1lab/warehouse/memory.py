"""Memory of DuckDB's queries: its limit, and what its allocator keeps of them."""

# pyright: standard

from __future__ import annotations

from pathlib import Path
from tempfile import gettempdir
from uuid import uuid4

import duckdb

from d1lab.files import own_prefix


def limit_memory(con: duckdb.DuckDBPyConnection, limit: str) -> None:
    """Let queries use so much memory, such as '2GB'; beyond it, DuckDB uses the disk."""
    _set_limit(con, limit)
    folder = Path(gettempdir()) / f"{own_prefix('d1lab')}{uuid4().hex}"
    # DuckDB makes the folder, and removes it.
    con.execute("SET temp_directory = $folder", {"folder": str(folder)})


def release_memory(con: duckdb.DuckDBPyConnection) -> None:
    """Give the system the free memory that the allocators of DuckDB and Arrow keep after a query.

    DuckDB does that when the limit is set. Its text has one digit, rounded down, so the middle of
    what it stands for is set: otherwise the limit would fall each time.
    """
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
    [(limit,)] = con.execute("SELECT current_setting('memory_limit')").fetchall()
    number, unit = limit.split()
    _set_limit(con, f"{float(number) + 0.05:.2f} {unit}")


def _set_limit(con: duckdb.DuckDBPyConnection, limit: str) -> None:
    con.execute("SET memory_limit = $limit", {"limit": limit})
