"""The warehouse that a pull begins from."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from d1lab import warehouse
from d1lab.errors import StaleDataError
from d1lab.warehouse import Records


@contextmanager
def old_warehouse(
    folder: Path, url: str
) -> Generator[tuple[duckdb.DuckDBPyConnection | None, Records, str]]:
    """Open the current warehouse; yield it, its records, and a note if it has to be rebuilt."""
    nothing = Records(None, {})
    if not (folder / warehouse.FILE_NAME).is_file():
        yield None, nothing, ""
        return
    try:
        con = warehouse.attach(folder)
    except StaleDataError:
        yield None, nothing, "the warehouse could not be read and was rebuilt"
        return
    with con:
        if warehouse.format_of(con) != warehouse.FORMAT:
            yield None, nothing, "the warehouse was of another version and was rebuilt"
            return
        known = warehouse.records(con)
        if known.pull and known.pull.url != url:
            yield None, nothing, f"the warehouse belonged to {known.pull.url} and was rebuilt"
            return
        yield con, known, ""
