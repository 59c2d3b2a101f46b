"""The plan of a push: the difference between a run's outbox and D1, without any write."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from d1lab import catalog
from d1lab.catalog import OWNED, PUSHES, RESULTS
from d1lab.d1 import Database, TableInfo, Usage, Value
from d1lab.d1.ahead import Ahead
from d1lab.d1.billing import written_per_row
from d1lab.d1.limits import cost
from d1lab.d1.schema import (
    INDEXES,
    SchemaObject,
    declared,
    has_unique,
    indexes,
    schema_statements,
)
from d1lab.errors import PushError
from d1lab.outbox import staged_rows
from d1lab.push import audit
from d1lab.push.apply import Classified, classify_apply, is_empty, same, states
from d1lab.push.before_image import BeforeImage, ImageRow, State, load_image, mark_path
from d1lab.push.named_tables import Named
from d1lab.push.ownership import RECORDED, claimed_by, permitted, vacant
from d1lab.push.staged import Key, Staged, read_staged

Standing = Literal["new", "begun", "done", "rolled back", "held back"]

_OURS = (PUSHES, RESULTS, OWNED)
_SAMPLE = 5
_AUDIT_ROWS = 3  # the audit row is inserted, then updated; plus the holder's row


class RowChange(NamedTuple):
    """One row before and after the push."""

    key: dict[str, str]
    before: dict[str, Value] | None  # None: the push would insert the row
    after: dict[str, Value]


class TablePlan(NamedTuple):
    """The effect of a push on one table; counts are rows."""

    table: str
    standing: Standing  # state of the push: done and rolled back ones change nothing
    staged: int
    changed: int  # rows to write, including new ones
    created: int
    unchanged: int
    missing: int  # missing in D1, where only the app inserts rows
    left: int  # changed by something else since the push began
    held_back: tuple[str, ...]  # columns not pushed because d1lab did not write their values
    sample: tuple[RowChange, ...]
    usage: Usage  # expected usage, as billed by D1


class PushPlan(NamedTuple):
    """The effect of a push."""

    run_id: str
    tables: tuple[TablePlan, ...]
    usage: Usage
    dollars: float  # on the paid plan, beyond the included quota


def plan(db: Database, run_dir: Path, *, named: Named | None = None) -> PushPlan:
    """Compare a run's outbox with D1, without writing to either.

    Args:
        db: The database; read access is enough.
        run_dir: The run's folder.
        named: The app's tables that the project lists for write-back.

    Raises:
        InputError: The run does not exist.
        PushError: The outbox is invalid, or D1 is missing a table, column, or index.
    """
    outbox = read_staged(db, run_dir, named or {})
    schema, before = check_schema(db, outbox), db.meter.total
    allowed = permitted(db, outbox, schema, vacant)
    looked = (db.meter.total - before).rows_read  # to see that columns are empty: a push does, too
    tables = tuple(_plan_table(db, run_dir, staged) for staged in allowed)
    claims = Usage(0, looked, len(claimed_by(db, allowed)))
    usage = sum((table.usage for table in tables), claims)
    return PushPlan(run_dir.name, tables, usage, cost(usage))


def first_reads(db: Database, run_dir: Path) -> Ahead:
    """Return the database, which has read in one request what a push of a run reads first."""
    names = [*staged_rows(run_dir), *_OURS]
    ahead = Ahead(db, names)
    ahead.foresee([*schema_statements(names), INDEXES, RECORDED])
    return ahead


def check_schema(db: Database, outbox: list[Staged]) -> dict[str, TableInfo]:
    """Reject a push to a database with missing tables, columns, or indexes, before any write.

    A result column that is missing in the app's table is not an error: it is left out.

    Returns:
        D1's tables by the catalog's names.

    Raises:
        PushError: A table, a column, or a key's UNIQUE index is missing; the message names the
            migrations that add them.
    """
    if not outbox:
        return {}
    tables = catalog.by_declared_name(db.tables())
    keys = catalog.by_declared_name(indexes(db))
    absent = [SchemaObject("table", name, name) for name in _OURS if name not in tables]
    for staged in outbox:
        name = staged.table.name
        columns = tables[name].columns if name in tables else ()
        is_named = name not in catalog.TABLES
        present = {c.name if is_named else c.name.lower() for c in columns}
        if not present:
            absent.append(SchemaObject("table", name, name))
            continue
        wanted = (*staged.table.key, *(() if staged.table.is_guides else staged.columns))
        absent += [
            SchemaObject("column", name, column) for column in wanted if column not in present
        ]
        is_rowid = staged.table.key == (tables[name].rowid_column,)
        if not is_rowid and not has_unique(keys.get(name, ()), staged.table.key):
            absent.append(SchemaObject("index", name, ", ".join(staged.table.key)))
    if absent:
        raise PushError(_missing_message(absent))
    return tables


def _missing_message(absent: list[SchemaObject]) -> str:
    named = {
        "table": "table {0.name}",
        "column": "column {0.table}.{0.name}",
        "index": "a UNIQUE index on the key of {0.table}",
    }
    objects = ", ".join(named[item.kind].format(item) for item in absent)
    files = sorted({declared()[item] for item in absent if item in declared()})
    if all(item.table not in {*catalog.TABLES, PUSHES, RESULTS} for item in absent):
        return (
            f"push: D1 has no {objects}. Nothing was written. Correct [push.tables] in "
            "d1lab.toml, or add it to the app's table."
        )
    return (
        f"push: D1 has no {objects}. Nothing was written. "
        f"Apply {', '.join(files) or 'the migrations'} with `d1lab migrate`, then push again."
    )


def standing(db: Database, run_dir: Path, table: str) -> Standing:
    """Return the state of a table's push, from the marks in the run's folder and D1's audit.

    D1 takes precedence: a mark is ignored if the audit has no record of the push, because
    the database was restored or rebuilt since.
    """
    if not mark_path(run_dir, table, "push").exists() and load_image(run_dir, table) is None:
        return "new"
    if audit.status(db, run_dir.name, table, "rollback") == "done":
        return "rolled back"
    pushed = audit.status(db, run_dir.name, table, "push")
    if pushed is None and mark_path(run_dir, table, "push").exists():
        return "new"
    return "done" if pushed == "done" and mark_path(run_dir, table, "push").exists() else "begun"


def blank(staged: Staged) -> BeforeImage:
    """Return the before-image of a push that changes nothing."""
    return BeforeImage(
        staged.table.name,
        staged.table.key,
        staged.columns,
        {},
        len(staged.rows),
        0,
        (),
        datetime.now(UTC),
    )


def survey(db: Database, staged: Staged) -> tuple[BeforeImage, dict[Key, State]]:
    """Return the before-image of a first push, and the current values of the rows to change.

    Raises:
        PushError: A row has an infinite value.
    """
    table, empty = staged.table, blank(staged)
    now = states(db, empty, staged.rows)
    _require_finite(table.name, now)
    changes: dict[Key, ImageRow] = {}
    missing: list[Key] = []
    for key, after in staged.rows.items():
        if now[key] is None and not staged.makes_rows:
            missing.append(key)
        elif not (same(now[key], after) or (now[key] is None and is_empty(after))):
            changes[key] = ImageRow(now[key], after)
    unchanged = len(staged.rows) - len(changes) - len(missing)
    image = empty._replace(changes=changes, unchanged=unchanged, missing=tuple(missing))
    return image, {key: now[key] for key in changes}


def _require_finite(table: str, now: dict[Key, State]) -> None:
    """Reject infinities: they cannot be sent to D1, so a rollback could not restore them."""
    for key, state in now.items():
        if any(isinstance(value, float) and math.isinf(value) for value in state or ()):
            raise PushError(
                f"row {key} of {table!r} has an infinite value, which a rollback could not "
                "restore. Nothing was written. Set the value to NULL in D1, then push again."
            )


def _plan_table(db: Database, run_dir: Path, staged: Staged) -> TablePlan:
    name = staged.table.name
    where = standing(db, run_dir, name) if staged.columns else "held back"
    image = load_image(run_dir, name) if where != "new" else None
    if image is None and where == "held back":
        image, now = blank(staged), {}
    elif image is None:
        image, now = survey(db, staged)
    else:
        now = states(db, image, image.changes) if where == "begun" else {}
    rows = classify_apply(image, now) if now else Classified({}, len(image.changes), {})
    return TablePlan(
        name,
        where,
        image.staged,
        len(rows.todo),
        sum(state is None for state in rows.todo.values()),
        image.unchanged + rows.arrived,
        len(image.missing),
        len(rows.left),
        staged.held_back,
        tuple(_sample(image, rows.todo)),
        _estimate(db, image, rows.todo) if where in ("new", "begun") else Usage(),
    )


def _sample(image: BeforeImage, todo: dict[Key, State]) -> Iterator[RowChange]:
    for key in list(todo)[:_SAMPLE]:
        before, after = todo[key], image.changes[key].after
        yield RowChange(
            {name: str(part) for name, part in zip(image.key, key, strict=True)},
            None if before is None else dict(zip(image.columns, before, strict=True)),
            dict(zip(image.columns, after, strict=True)),
        )


def _estimate(db: Database, image: BeforeImage, todo: dict[Key, State]) -> Usage:
    """Estimate the usage of the push, without the app's own triggers on the table.

    Rows read as measured on the engine: a comparison takes two for an existing row and one for
    a missing row; an update with its check takes six, an insert with its check five.
    """

    def run(sql: str) -> list[tuple[Value, ...]]:
        return db.query(sql).rows

    created = sum(state is None for state in todo.values())
    updated = len(todo) - created
    read = 2 * image.staged - len(image.missing) - created + 6 * updated + 5 * created
    written = _AUDIT_ROWS
    if updated:
        written += updated * written_per_row(run, image.table, set(image.columns))
    if created:
        written += created * written_per_row(run, image.table)
    return Usage(0, read, written)
