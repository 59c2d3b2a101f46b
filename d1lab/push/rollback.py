"""Rollback: restore values that a push changed, unless they changed again."""

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
    """The result of a rollback, or of its dry run, for one table; counts are rows."""

    table: str
    status: Status
    changed: int  # rows that the push changed
    restored: int  # have their previous values again; in a dry run, would have
    left: int  # neither previous nor pushed values: changed by something else, left alone
    left_keys: tuple[Key, ...]  # the first of them
    newer: tuple[str, ...]  # later runs that pushed the table (see docs/guide/push.md)
    usage: Usage
    seconds: float


class RollbackResult(NamedTuple):
    """The result of a rollback."""

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
    """Restore the previous values of each row that still has the values that a run pushed.

    Rows with other values were changed by something else (a newer run or the app). They are left
    alone and listed. Rows that the push inserted are deleted, unless other columns were filled
    since: then the d1lab-owned columns become NULL. An interrupted push can be rolled back, too.

    Args:
        db: The database; read access is enough for a dry run.
        run_dir: The run's folder.
        dry_run: Whether to only report what would be restored.
        progress: Called with a table, the rows done, and the total rows.

    Raises:
        InputError: The run did not push anything.
        PushError: D1 has no audit table, rejected a row, or a row reads back differently.
        D1Error: A request to D1 failed (subclasses in d1lab.errors); roll back again to resume.
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
        result = _ended_result(image, read_mark(mark, "left_keys", "restored", "left"))
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
    """Return the result of a completed rollback, from the run's folder."""
    keys: tuple[Key, ...] = tuple(tuple(key) for key in mark["left_keys"])
    result = _result(image, "already rolled back", mark["restored"], {})
    return result._replace(left=mark["left"], left_keys=keys)
