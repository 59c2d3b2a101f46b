"""Memory of DuckDB's queries: its limit, and what its allocator keeps of them."""

# pyright: standard

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir
from uuid import uuid4

import duckdb

from d1lab.allocators import give_back
from d1lab.files import own_prefix


def limit_memory(con: duckdb.DuckDBPyConnection, limit: str) -> None:
    """Let queries use so much memory, such as '2GB'; beyond it, DuckDB uses the disk."""
    _set_limit(con, limit)
    folder = Path(gettempdir()) / f"{own_prefix('d1lab')}{uuid4().hex}"
    # DuckDB makes the folder, and removes it.
    con.execute("SET temp_directory = $folder", {"folder": str(folder)})


@contextmanager
def half_of_memory(con: duckdb.DuckDBPyConnection, limit: str) -> Generator[None]:
    """Let a query use half of a limit: the other half is for what Python computes.

    Args:
        con: The query's connection, with the limit.
        limit: As for `limit_memory`.
    """
    number, unit = re.findall(r"[\d.]+|\w+", limit)
    with suppress(duckdb.OutOfMemoryException):  # temporary tables take more already
        _set_limit(con, f"{float(number) / 2}{unit}")
    try:
        yield
    finally:
        _set_limit(con, limit)


def release_memory(con: duckdb.DuckDBPyConnection, *, is_limited: bool = False) -> None:
    """Give the system the free memory that allocators keep after a query.

    DuckDB does that when the limit is set. Its text has one digit, rounded down, so the middle of
    what it stands for is set: otherwise the limit would fall each time.

    Args:
        con: The query's connection.
        is_limited: Whether a setting limits it. Then, what DuckDB has read, and temporary tables,
            stay in an eighth of the limit at most: the rest is read again, or goes to the disk.
    """
    give_back()
    number, unit = limit_of(con).split()
    whole = float(number) + 0.05
    if is_limited:
        with suppress(duckdb.OutOfMemoryException):  # temporary tables take more
            _set_limit(con, f"{whole / 8:.2f} {unit}")
    _set_limit(con, f"{whole:.2f} {unit}")


def limit_of(con: duckdb.DuckDBPyConnection) -> str:
    """Return what queries can use, such as '1.8 GiB', with one digit."""
    [(limit,)] = con.execute("SELECT current_setting('memory_limit')").fetchall()
    return limit


def _set_limit(con: duckdb.DuckDBPyConnection, limit: str) -> None:
    con.execute("SET memory_limit = $limit", {"limit": limit})
