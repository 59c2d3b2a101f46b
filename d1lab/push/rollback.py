"""Rollback: restore values changed by a push, unless they changed again."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Any, Literal, NamedTuple

from d1lab.catalog import OWNED, PUSHES, RESULTS
from d1lab.d1 import Database, Usage
from d1lab.errors import InputError, PushError
from d1lab.push import audit
from d1lab.push.apply import Progress, classify_revert, revert, states
from d1lab.push.before_image import BeforeImage, State, images, leave_mark, mark_path, read_mark
from d1lab.push.ownership import give_back
from d1lab.push.staged import Key, read_origin
from d1lab.warehouse import noted

Status = Literal["rolled back", "already rolled back", "would roll back"]

_NAMED = 20  # keys named in a result


class TableRollback(NamedTuple):
    """What a rollback did, or would do, to one table; counts are rows."""

    table: str
    status: Status
    changed: int  # the push's rows
    restored: int  # hold again what they held before; in a dry run: would
    left: int  # hold neither ours nor what was before: someone else's, left alone
    left_keys: tuple[Key, ...]  # the first of them
    newer: tuple[str, ...]  # runs that pushed the table later: see the docs on what that means
    usage: Usage
    seconds: float


class RollbackResult(NamedTuple):
    """What a rollback did."""

    run_id: str
    tables: tuple[TableRollback, ...]
    usage: Usage
    seconds: float

    @property
    def restored(self) -> int:
        """Rows restored, over all tables."""
        return sum(table.restored for table in self.tables)


def rollback(
    db: Database, run_dir: Path, *, dry_run: bool = False, progress: Progress | None = None
) -> RollbackResult:
    """Restore what a run's push overwrote, row by row, where the row still holds what it wrote.

    Rows that hold anything else now belong to someone else: a newer run, the app. They are left
    alone and listed. Rows that the push had made are deleted, unless something else was filled in
    since: then our columns become NULL. A push that was interrupted can be rolled back too.

    Args:
        db: The database; opened for reading is enough for a dry run.
        run_dir: The run's folder.
        dry_run: Only say what would be restored.
        progress: Told a table, the rows done and the rows in all.

    Raises:
        InputError: The run has pushed nothing.
        PushError: D1 has no audit table, refused a row, or a row came back otherwise.
        D1Error: As d1lab.errors draws them; roll back again to go on.
    """
    begun, before = monotonic(), db.meter.total
    kept = images(run_dir)
    if not kept:
        raise InputError(
            f"rollback: run {run_dir.name!r} did not push anything (checked {run_dir}/push)"
        )
    _require_tables(db, kept)
    names = [*(image.table for image in kept), OWNED]
    with noted(db, run_dir.parent.parent, names):
        tables = tuple(_roll_back_table(db, run_dir, image, dry_run, progress) for image in kept)
    return RollbackResult(run_dir.name, tables, db.meter.total - before, monotonic() - begun)


def _require_tables(db: Database, kept: list[BeforeImage]) -> None:
    there = db.tables()
    ours = {PUSHES, RESULTS, OWNED, *(image.table for image in kept)}
    if absent := sorted(ours - there.keys()):
        raise PushError(
            f"rollback: tables or columns missing in D1: {', '.join(absent)}. Nothing "
            "was written. Check that this is the database the run was pushed to."
        )


def _roll_back_table(
    db: Database, run_dir: Path, image: BeforeImage, dry_run: bool, progress: Progress | None
) -> TableRollback:
    begun, before = monotonic(), db.meter.total
    name, run_id = image.table, run_dir.name
    mark = mark_path(run_dir, name, "rollback")
    newer = audit.newer_pushes(db, run_id, name)
    if mark.exists() and audit.status(db, run_id, name, "rollback") == "done":
        result = _ended_result(image, read_mark(mark))
    elif dry_run:
        rows = classify_revert(image, states(db, image, image.changes))
        result = _result(image, "would roll back", len(rows.todo), rows.left)
    else:
        now = states(db, image, image.changes)
        audit.start(db, run_id, image, "rollback", read_origin(run_dir))
        outcome = revert(db, image, now, progress)
        db.batch([give_back(run_id, name)], table=OWNED, idempotent=True)
        audit.finish(db, run_id, name, "rollback", outcome.arrived)
        result = _result(image, "rolled back", outcome.arrived, outcome.left)
        leave_mark(mark, db.url, result._asdict())
    usage = db.meter.total - before
    return result._replace(newer=newer, usage=usage, seconds=monotonic() - begun)


def _result(
    image: BeforeImage, status: Status, restored: int, left: dict[Key, State]
) -> TableRollback:
    changed, keys = len(image.changes), tuple(left)[:_NAMED]
    return TableRollback(image.table, status, changed, restored, len(left), keys, (), Usage(), 0.0)


def _ended_result(image: BeforeImage, mark: dict[str, Any]) -> TableRollback:
    """The result of the rollback that has ended, as it was left in the run's folder."""
    keys = tuple(map(tuple, mark["left_keys"]))
    result = _result(image, "already rolled back", mark["restored"], {})
    return result._replace(left=mark["left"], left_keys=keys)
