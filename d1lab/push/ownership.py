"""Which parts of the app's tables d1lab owns: the record in D1 (`d1lab_owned`).

A part is a table's counters, which `aggregate` maintains, or one result column. d1lab owns a part
if it was empty when d1lab first wrote to it, or if it was handed over. d1lab owns all of its own
tables.
"""

# ruff: noqa: S608  (identifiers are quoted, values are bound)
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from d1lab import catalog
from d1lab.catalog import OWNED
from d1lab.d1 import Database, TableInfo
from d1lab.d1.database import Statement, quote
from d1lab.push.staged import Staged

COUNTERS = "counters"
"""The part of a table that `aggregate` maintains; other parts are named after their column."""

TAKE_OVER = "-take-over-"
"""Marks the id of a run that handed over a table."""

RECORDED = Statement("SELECT table_name, part FROM d1lab_owned WHERE how <> 'left'")

_INTO = "INSERT INTO d1lab_owned (table_name, part, how, run_id, since)"
_EMPTY = f"{_INTO} SELECT ?1, ?2, 'empty', NULL, ?3"
_TAKE = (
    f"{_INTO} VALUES (?1, ?2, 'take-over', ?4, ?3)"
    " ON CONFLICT DO UPDATE SET how = 'take-over', run_id = ?4, since = ?3, counted_in = NULL"
)
_LEAVE = (
    "UPDATE d1lab_owned SET how = 'left', run_id = NULL, since = ?2, counted_in = NULL"
    " WHERE table_name = ?1 AND part = 'counters'"
)
_COUNT = "UPDATE d1lab_owned SET counted_in = ?2 WHERE table_name = ?1 AND part = 'counters'"


class Part(NamedTuple):
    """A part of an app's table that d1lab can own."""

    table: str
    part: str


def owned(db: Database) -> frozenset[Part]:
    """Return the recorded parts; empty if the table of records is missing."""
    there = OWNED in catalog.by_declared_name(db.tables())
    return _recorded(db) if there else frozenset()


def _recorded(db: Database) -> frozenset[Part]:
    rows = db.query(RECORDED.sql, table=OWNED).rows
    return frozenset(Part(str(table), str(part)) for table, part in rows)


def parts(table: catalog.Table) -> tuple[Part, ...]:
    """Return every part of an app's table that d1lab could own."""
    counters = (COUNTERS,) if table.owned("aggregate") else ()
    columns = (*table.owned("analysis"), *table.owned("worker"))
    return tuple(Part(table.name, part) for part in (*counters, *columns))


def claim(db: Database, wanted: Sequence[Part]) -> frozenset[Part]:
    """Claim the wanted parts that are still empty, and return the wanted parts that d1lab owns.

    Checking a table for rows reads one row. Checking a column for values reads the whole
    table, but only once: afterwards the part is on record.
    """
    known = _recorded(db)
    asked = [part for part in wanted if part not in known]
    if not asked:
        return known & frozenset(wanted)
    now = _now()
    statements = [Statement(_claim_sql(part), (*part, now)) for part in asked]
    db.batch(statements, table=OWNED, idempotent=True)
    return _recorded(db) & frozenset(wanted)


def vacant(db: Database, wanted: Sequence[Part]) -> frozenset[Part]:
    """Return the parts that d1lab owns or `claim` would claim, without writing."""
    known = _recorded(db)
    free = {
        part
        for part in wanted
        if part not in known and not db.query(_taken_sql(part), table=part.table).rows
    }
    return (known | free) & frozenset(wanted)


def filled(db: Database, columns: Sequence[Part]) -> dict[str, int]:
    """Count the rows with a value in each result column. Reads the whole table once."""
    if not columns:
        return {}
    counts = ", ".join(f"count({quote(part.part)})" for part in columns)
    name = columns[0].table
    [found] = db.query(f"SELECT {counts} FROM {quote(name)}", table=name).rows
    return {part.part: int(str(count)) for part, count in zip(columns, found, strict=True)}


def permitted(
    db: Database,
    outbox: Sequence[Staged],
    tables: Mapping[str, TableInfo],
    ask: Callable[..., frozenset[Part]],
) -> list[Staged]:
    """Hold back the columns of an outbox that have values from something other than d1lab.

    Rows are inserted into an app's table only if d1lab also maintains its counters. Columns
    that are missing in D1 are left out.

    Args:
        db: The database.
        outbox: A run's staged results.
        tables: D1's tables by the catalog's names.
        ask: `claim` for a push, `vacant` for a dry run.
    """
    wanted = [
        Part(staged.table.name, part)
        for staged in outbox
        if staged.table.is_guides
        for part in _parts_of(staged, tables[staged.table.name])
    ]
    ours = ask(db, wanted) if wanted else frozenset[Part]()
    return [_narrowed(staged, ours) if staged.table.is_guides else staged for staged in outbox]


def claimed_by(db: Database, allowed: Sequence[Staged]) -> frozenset[Part]:
    """Return the parts that a push of what is permitted puts on record: one row each."""
    wanted = {
        Part(staged.table.name, part)
        for staged in allowed
        if staged.table.is_guides
        for part in (*staged.columns, *([COUNTERS] if staged.makes_rows else []))
    }
    return frozenset(wanted) - _recorded(db) if wanted else frozenset()


def _parts_of(staged: Staged, table: TableInfo) -> list[str]:
    present = {column.name.lower() for column in table.columns}
    kept = [column for column in staged.columns if column in present]
    return [*kept, COUNTERS] if staged.makes_rows else kept


def _narrowed(staged: Staged, ours: frozenset[Part]) -> Staged:
    name = staged.table.name
    places = [i for i, column in enumerate(staged.columns) if Part(name, column) in ours]
    rows = {key: tuple(values[i] for i in places) for key, values in staged.rows.items()}
    kept = tuple(staged.columns[i] for i in places)
    return staged._replace(
        columns=kept,
        rows=rows,
        makes_rows=staged.makes_rows and Part(name, COUNTERS) in ours,
        held_back=tuple(column for column in staged.columns if column not in kept),
    )


def hand_over(taken: Sequence[Part], run_id: str) -> list[Statement]:
    """Build the statements that record a take-over."""
    now = _now()
    return [Statement(_TAKE, (*part, now, run_id)) for part in taken]


def give_back(run_id: str, table: str) -> Statement:
    """Build the statement that deletes a take-over's record for a table."""
    return Statement(
        "DELETE FROM d1lab_owned WHERE run_id = ?1 AND table_name = ?2", (run_id, table)
    )


def last_counted(db: Database) -> dict[str, str]:
    """Return the last aggregation that wrote the counters of each table, by the table's name.

    '' for a table that was claimed when it was empty, and not counted since.
    """
    sql = (
        "SELECT table_name, coalesce(counted_in, '') FROM d1lab_owned WHERE part = 'counters'"
        " AND (counted_in IS NOT NULL OR how = 'empty')"
    )
    return {str(table): str(run) for table, run in db.query(sql, table=OWNED).rows}


def count_in(table: str, aggregation: str) -> Statement:
    """Build the statement that records which aggregation writes a table's counters."""
    return Statement(_COUNT, (table, aggregation))


def leave(table: str) -> Statement:
    """Build the statement that leaves a table's counters to whoever else writes them."""
    return Statement(_LEAVE, (table, _now()))


def left_tables(db: Database) -> dict[str, str]:
    """Return the tables whose counters were left, each with the time (UTC)."""
    if OWNED not in catalog.by_declared_name(db.tables()):
        return {}
    sql = "SELECT table_name, since FROM d1lab_owned WHERE how = 'left'"
    return {str(table): str(since) for table, since in db.query(sql, table=OWNED).rows}


def _claim_sql(part: Part) -> str:
    return (
        f"{_EMPTY} WHERE NOT EXISTS ({_taken_sql(part)}) ON CONFLICT DO UPDATE "
        "SET how = 'empty', since = excluded.since WHERE how = 'left'"
    )


def _taken_sql(part: Part) -> str:
    """Build SQL that finds a row with a value in a part."""
    filled = "" if part.part == COUNTERS else f" WHERE {quote(part.part)} IS NOT NULL"
    return f"SELECT 1 FROM {quote(part.table)}{filled} LIMIT 1"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
