"""The warehouse that a pull begins from."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import duckdb

from d1lab import warehouse
from d1lab.errors import StaleDataError
from d1lab.warehouse import Records


class OldWarehouse(NamedTuple):
    """The current warehouse, and why it has to be rebuilt, if so."""

    con: duckdb.DuckDBPyConnection | None  # None: a new one is built
    known: Records
    note: str = ""
    is_listed: bool = False  # it was built with the archive's files as they are now


@contextmanager
def old_warehouse(folder: Path, url: str) -> Generator[OldWarehouse]:
    """Open the current warehouse for the block, unless it has to be rebuilt."""
    nothing = Records(None, {})
    if not (folder / warehouse.FILE_NAME).is_file():
        yield OldWarehouse(None, nothing)
        return
    try:
        con = warehouse.attach(folder)
    except StaleDataError:
        yield OldWarehouse(None, nothing, "the warehouse could not be read and was rebuilt")
        return
    with con:
        if warehouse.format_of(con) != warehouse.FORMAT:
            yield OldWarehouse(
                None, nothing, "the warehouse was of another version and was rebuilt"
            )
            return
        known = warehouse.records(con)
        if known.pull and known.pull.url != url:
            yield OldWarehouse(
                None, nothing, f"the warehouse belonged to {known.pull.url} and was rebuilt"
            )
            return
        yield OldWarehouse(
            con, known, is_listed=warehouse.is_listed(con, warehouse.archive_of(folder))
        )
