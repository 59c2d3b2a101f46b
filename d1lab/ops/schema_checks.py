"""Checks of a database's schema: migrations, tables, columns, unique indexes, and triggers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from d1lab import catalog
from d1lab.catalog import (
    CAMPAIGNS,
    CHANGES,
    COUNTED,
    FORGOTTEN,
    OF_WORKERS,
    ORDERS,
    PUSHES,
    RESULTS,
    TABLES,
)
from d1lab.counting import counted
from d1lab.d1 import Database, TableInfo
from d1lab.d1.migrate import pending
from d1lab.d1.schema import Index, SchemaObject, declared, foreign, has_unique, indexes

Level = Literal["problem", "note", "ok"]

_AUDIT_ROWS = 2_000
_RECORDS = (CHANGES, PUSHES, RESULTS, ORDERS, CAMPAIGNS, COUNTED, FORGOTTEN, *OF_WORKERS)
"""d1lab's tables that are not pulled."""


class Check(NamedTuple):
    """The result of one check.

    A missing requirement of writes is not a problem if nothing is written.
    """

    level: Level
    subject: str
    found: str
    todo: str = ""
    needed_for: Literal["reading", "writing"] = "reading"


class AuditedPush(NamedTuple):
    """One row of the audit log of pushes."""

    run_id: str
    table: str
    action: str
    status: str
    started_at: str


class FoundSchema(NamedTuple):
    """Data that is read once and used by several checks."""

    tables: dict[str, TableInfo]
    indexes: dict[str, tuple[Index, ...]]
    triggers: frozenset[str]
    foreign: dict[str, tuple[str, ...]]  # the app's tables with the name of a d1lab table
    pending: tuple[str, ...]  # migrations, by file name
    audit: tuple[AuditedPush, ...]  # the newest first

    @property
    def is_only_read(self) -> bool:
        """Whether the app's tables exist, but none of d1lab's."""
        ours = {name for name, table in TABLES.items() if not table.is_guides} | {*_RECORDS}
        return bool(self.tables) and not self.tables.keys() & ours - self.foreign.keys()


def read_schema(db: Database) -> FoundSchema:
    """Read what the checks share: tables, indexes, triggers, migrations, and audit rows."""
    tables = catalog.by_declared_name(db.tables())
    triggers = db.query("SELECT name FROM sqlite_schema WHERE type = 'trigger'").rows
    return FoundSchema(
        tables,
        catalog.by_declared_name(indexes(db)),
        frozenset(str(name) for (name,) in triggers),
        foreign(tables),
        tuple(pending(db)),
        tuple(_audit(db)) if PUSHES in tables else (),
    )


def _audit(db: Database) -> Iterator[AuditedPush]:
    """Return the newest audit rows: run ids start with the time, so key order is time order."""
    rows = db.query(
        "SELECT run_id, table_name, action, status, started_at FROM d1lab_pushes"
        " ORDER BY run_id DESC LIMIT ?1",
        (_AUDIT_ROWS,),
        table=PUSHES,
    ).rows
    for row in rows:
        yield AuditedPush(*map(str, row))


def migrations(schema: FoundSchema) -> Iterator[Check]:
    """Check for migrations that were not applied."""
    if schema.is_only_read:
        return
    if schema.pending:
        names = ", ".join(schema.pending)
        yield Check("problem", "migrations", f"pending: {names}", "d1lab migrate", "writing")
    else:
        yield Check("ok", "migrations", "all applied")


def shape(schema: FoundSchema) -> Iterator[Check]:
    """Check for missing tables and columns."""
    for name in (*TABLES, *_RECORDS):
        info = schema.tables.get(name)
        if name in schema.foreign:
            yield _foreign(name, schema.foreign[name])
            continue
        if info is None:
            item = SchemaObject("table", name, name)
            if not schema.is_only_read:
                todo = _fix(schema, item)
                yield Check("problem", f"table {name}", "missing", todo, "writing")
            continue
        present = {column.name.lower() for column in info.columns}
        declared_columns = TABLES[name].columns if name in TABLES else ()
        absent = [column.name for column in declared_columns if column.name not in present]
        if absent:
            yield _missing(TABLES[name], absent)
        else:
            yield Check("ok", f"table {name}", f"complete ({counted(len(present), 'column')})")


def _foreign(name: str, absent: tuple[str, ...]) -> Check:
    migration = declared()[SchemaObject("table", name, name)]
    return Check(
        "note",
        f"table {name}",
        f"the app's own table, without the columns {', '.join(absent)}. d1lab pulls it as "
        f"app_{name} and does not write it",
        f"for d1lab's table of this name, rename the app's, then apply {migration} by hand",
    )


def _missing(table: catalog.Table, absent: list[str]) -> Check:
    """Note missing columns of an app's table, which d1lab does not add."""
    is_keyed = not {*table.key} & {*absent}
    consequence = "read as NULL, not written" if is_keyed else "its rows cannot be identified"
    return Check(
        "note" if is_keyed else "problem",
        f"table {table.name}",
        f"missing columns: {', '.join(absent)} ({consequence})",
        "" if is_keyed else "add them with ALTER TABLE",
    )


def _fix(schema: FoundSchema, item: SchemaObject) -> str:
    migration = declared()[item]
    if migration not in schema.pending:
        return (
            f"{migration} is recorded as applied, but this is missing. Add it manually, "
            "as in that migration."
        )
    return f"d1lab migrate (applies {migration})"


def unique(schema: FoundSchema) -> Iterator[Check]:
    """Check for missing unique indexes on the keys of the tables."""
    for table in TABLES.values():
        if table.name not in schema.tables or table.name in schema.foreign or not table.is_keyed:
            continue
        keyed = has_unique(schema.indexes.get(table.name, ()), table.key)
        if keyed:
            continue
        key = ", ".join(table.key)
        written = _is_written(table)
        consequence = (
            "d1lab cannot write to it safely" if written else ("duplicate rows are possible")
        )
        yield Check(
            "problem" if written else "note",
            f"table {table.name}",
            f"no UNIQUE index on ({key}): {consequence}",
            f"create a UNIQUE index on ({key})",
            "writing" if written else "reading",
        )


def _is_written(table: catalog.Table) -> bool:
    return not table.is_guides or bool(table.owned("analysis") or table.owned("aggregate"))


def triggers(schema: FoundSchema) -> Iterator[Check]:
    """Check the triggers of the change log, without which pulls miss corrections of old events."""
    if "order_events" not in schema.tables or "order_events" in schema.foreign:
        return
    log = [item for item in declared() if item[:2] == ("trigger", "order_events")]
    for item in log:
        if item.name not in schema.triggers:
            yield Check(
                "problem",
                f"trigger {item.name}",
                "missing: pulls do not detect corrected or deleted events. Use "
                "`d1lab pull --full` until it is added.",
                _fix(schema, item),
            )


def unknown_tables(schema: FoundSchema) -> Iterator[Check]:
    """Note the app's own tables and columns, which d1lab leaves alone."""
    extra = sorted(schema.tables.keys() - TABLES.keys() - {*_RECORDS})
    if extra:
        yield Check("note", "app tables", f"pulled unchanged: {', '.join(extra)}")
    for name in TABLES:
        if name in schema.foreign:
            continue
        known = {column.name for column in TABLES[name].columns}
        held = schema.tables[name].columns if name in schema.tables else ()
        own = [column.name for column in held if column.name.lower() not in known]
        if own:
            yield Check("note", f"table {name}", f"additional app columns: {', '.join(own)}")
