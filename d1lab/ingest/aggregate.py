"""The app's counters, made of the order events: absolute values, written where they differ.

Each run counts all events anew and compares with what D1 holds, so every event counts exactly
once however often this runs or dies; late, corrected and deleted events need no rule of their
own. What a figure means stands in the header of its file in ingest/aggregates.

A row remembers how many events are behind it (`event_count`). One whose events were all deleted
goes to zero; one that never had any is the app's own and stays untouched.
"""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import NamedTuple

import duckdb

from d1lab import catalog
from d1lab.catalog import DUCKDB_TYPES, Column, Table
from d1lab.d1.database import Database, quote
from d1lab.d1.write import upsert
from d1lab.errors import InputError
from d1lab.pull import pull
from d1lab.warehouse import open_warehouse

AGGREGATES = Path(__file__).parent / "aggregates"

_COUNTED = "event_count"
_COUNTS = """
SELECT count(*), (SELECT count(*) FROM d1lab.quarantine WHERE table_name = 'order_events')
FROM order_lines
"""


class AggregateResult(NamedTuple):
    """What an aggregation did; with `dry_run`, what it would do."""

    events: int  # order lines and refunds counted, over all shops
    changed: dict[str, int]  # rows whose figures differ and were written, by table
    rows_written: int  # as D1 bills them
    quarantined: int  # values of events that did not fit their types, hence counted as missing
    seconds: float
    dry_run: bool


def aggregate(
    db: Database, folder: Path, *, database: str, dry_run: bool = False
) -> AggregateResult:
    """Bring the aggregate columns of D1's tables up to the order events.

    Args:
        db: The database.
        folder: Its folder: the tables that matter are pulled into the warehouse there first.
        database: Its name, for the warehouse.
        dry_run: Compute and compare, but write nothing.

    Raises:
        InputError: The database lacks a column that `d1lab migrate` adds.
        D1Error: As d1lab.errors draws them. What was written stays; the next run does the rest.
    """
    start = monotonic()
    _require_columns(db)
    before = db.meter.total.rows_written
    pull(db, folder, database=database, tables=[table.name for table in _tables()])
    changed = {}
    with open_warehouse(folder) as con:
        ((events, quarantined),) = con.sql(_COUNTS).fetchall()
        for table in aggregate_tables():
            rows = differences(con, table)
            changed[table.name] = len(rows)
            if not dry_run:
                upsert(db, table.name, table.key, _columns(table), rows)
    written = db.meter.total.rows_written - before
    return AggregateResult(events, changed, written, quarantined, monotonic() - start, dry_run)


def aggregate_tables() -> list[Table]:
    """The tables that have a file in ingest/aggregates, in the order of their names."""
    return [catalog.table(path.stem) for path in sorted(AGGREGATES.glob("*.sql"))]


def differences(con: duckdb.DuckDBPyConnection, table: Table) -> list[str]:
    """Rows of D1's table that the events say otherwise, each a JSON array of key and figures.

    Args:
        con: A warehouse: the view `order_lines`, and D1's table in the schema `raw`.
        table: One of `aggregate_tables`.
    """
    return [row for (row,) in con.sql(_difference_sql(table)).fetchall()]


def _tables() -> list[Table]:
    """What an aggregation reads."""
    return [catalog.table("order_events"), *aggregate_tables()]


def _columns(table: Table) -> tuple[str, ...]:
    return (*table.key, *table.owned("aggregate"))


def _sql(table: Table) -> str:
    return (AGGREGATES / f"{table.name}.sql").read_text()


def _difference_sql(table: Table) -> str:
    keys = ", ".join(map(quote, table.key))
    names = [quote(name) for name in _columns(table)]
    figures = [quote(name) for name in table.owned("aggregate")]
    typed = ", ".join(
        f"{quote(name)}::{DUCKDB_TYPES[table.column(name).type]} AS {quote(name)}"
        for name in _columns(table)
    )
    differs = " OR ".join(f"fresh.{name} IS DISTINCT FROM stored.{name}" for name in figures)
    empty = ", ".join(_empty(table.column(name)) for name in table.owned("aggregate"))
    return f"""
        WITH fresh AS MATERIALIZED (SELECT {typed} FROM ({_sql(table)})),
        stored AS (SELECT * FROM raw.{quote(table.name)}),
        changed AS (
            SELECT fresh.* FROM fresh LEFT JOIN stored USING ({keys}) WHERE {differs}
            UNION ALL
            SELECT {keys}, {empty} FROM stored ANTI JOIN fresh USING ({keys})
            WHERE stored.{quote(_COUNTED)} > 0
        )
        SELECT json_array({", ".join(names)}) FROM changed ORDER BY {keys}
    """  # noqa: S608


def _empty(column: Column) -> str:
    """What a group without events holds: nothing was counted, and an average of it is unknown."""
    return (
        "0" if column.type in ("integer", "money") and column.name != "avg_order_value" else "NULL"
    )


def _require_columns(db: Database) -> None:
    found = catalog.by_declared_name(db.tables())
    for table in _tables():
        held = found[table.name].columns if table.name in found else ()
        lacking = {*_columns(table)} - {column.name.lower() for column in held}
        if lacking:
            raise InputError(
                f"{db.url}: columns missing in table {table.name!r}: "
                f"{', '.join(sorted(lacking))}. Run `d1lab doctor` to see how to add "
                "them."
            )
