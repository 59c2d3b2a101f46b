"""Push a run's staged results to D1. A push can be killed, repeated, and rolled back."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Any, Literal, NamedTuple

from d1lab.catalog import OWNED
from d1lab.d1 import Database, Usage
from d1lab.push import audit
from d1lab.push.apply import Applied, Progress, apply, states
from d1lab.push.before_image import (
    BeforeImage,
    State,
    forget,
    keep_image,
    leave_mark,
    load_image,
    mark_path,
    read_mark,
)
from d1lab.push.holders import digest_of
from d1lab.push.named_tables import Named
from d1lab.push.ownership import claim, permitted
from d1lab.push.plan import Standing, check_schema, standing, survey
from d1lab.push.staged import Key, Origin, Staged, read_origin, read_staged
from d1lab.warehouse import noted
from d1lab.warehouse.own_writes import WriteNote

_NAMED = 20  # keys named in a result


class TablePush(NamedTuple):
    """The result of a push for one table; counts are rows."""

    table: str
    status: Literal["pushed", "already pushed", "rolled back", "held back"]  # last 3: nothing done
    staged: int
    changed: int  # have the staged values because of this run
    created: int  # of those, inserted rows
    unchanged: int  # already had the staged values
    missing: int  # missing in D1, where only the app inserts rows
    left: int  # changed by something else since the push began, and left alone
    held_back: tuple[str, ...]  # columns left alone because d1lab did not write their values
    missing_keys: tuple[Key, ...]  # the first of them
    left_keys: tuple[Key, ...]  # the first of them
    usage: Usage
    seconds: float


class PushResult(NamedTuple):
    """The result of a push."""

    run_id: str
    tables: tuple[TablePush, ...]
    usage: Usage
    seconds: float

    @property
    def changed(self) -> int:
        """Rows changed by this call, over all tables."""
        return sum(table.changed for table in self.tables if table.status == "pushed")


class _Start(NamedTuple):
    """One table before the first write of this call."""

    staged: Staged
    where: Standing
    image: BeforeImage | None  # None only if the image of a done or rolled back push is lost
    now: dict[Key, State]  # the current values of the image's rows
    usage: Usage
    seconds: float


def push(
    db: Database,
    run_dir: Path,
    *,
    report: str | None = None,
    named: Named | None = None,
    progress: Progress | None = None,
) -> PushResult:
    """Write a run's staged results to d1lab-owned columns where they differ.

    An app's column with values that d1lab did not write is held back until it is
    handed over (`d1lab aggregate --take-over`).

    Before the first write, every table is checked, and the previous values of the rows to change
    are saved (`push/<table>.before.parquet` in the run's folder). Then the rows that still have
    those values are written, read back, and recorded in `d1lab_pushes`. A push that was killed at
    any point resumes and ends in the same state; a completed push does nothing when repeated.

    Args:
        db: The database, opened for writing.
        run_dir: The run's folder; its name is the run's id.
        report: The report's name, for the audit; None for the name in the run's record.
        named: The app's tables that the project names for write-back.
        progress: Called with a table, the rows done, and the total rows.

    Raises:
        InputError: The run does not exist, or it failed.
        PushError: The outbox is invalid, D1 is missing a table, column, or index, D1
            rejected a row, or a row reads back differently than written.
        D1Error: A request to D1 failed (subclasses in d1lab.errors); push again to resume.
    """
    begun, before = monotonic(), db.meter.total
    outbox, origin = read_staged(db, run_dir, named or {}), read_origin(run_dir)
    origin = origin._replace(report=report or origin.report)
    with noted(db, run_dir.parent.parent, [OWNED]):
        allowed = permitted(db, outbox, check_schema(db, outbox), claim)
    starts = [_start(db, run_dir, staged) for staged in allowed]
    tables = tuple(_push_table(db, run_dir, start, origin, progress) for start in starts)
    return PushResult(run_dir.name, tables, db.meter.total - before, monotonic() - begun)


def _start(db: Database, run_dir: Path, staged: Staged) -> _Start:
    """Read a table's state; on the first start, save the previous values of the rows to change."""
    begun, before = monotonic(), db.meter.total
    name = staged.table.name
    where = standing(db, run_dir, name) if staged.columns else "held back"
    if where == "new":
        forget(run_dir, name)
        fresh, now = survey(db, staged)
        image = keep_image(run_dir, fresh)
        if image.taken_at != fresh.taken_at:  # another process was first: use its image
            now = states(db, image, image.changes)
    else:
        image = load_image(run_dir, name)
        now = states(db, image, image.changes) if image and where == "begun" else {}
    return _Start(staged, where, image, now, db.meter.total - before, monotonic() - begun)


def _push_table(
    db: Database, run_dir: Path, start: _Start, origin: Origin, progress: Progress | None
) -> TablePush:
    begun, before = monotonic(), db.meter.total
    image = start.image
    if image is None or start.where in ("done", "rolled back", "held back"):
        result = _ended_result(run_dir, start)
    else:
        digest = digest_of(start.staged)
        result = write_image(db, run_dir, image, start.now, origin, digest, progress)
    usage = start.usage + (db.meter.total - before)
    seconds = start.seconds + monotonic() - begun
    return result._replace(held_back=start.staged.held_back, usage=usage, seconds=seconds)


def write_image(
    db: Database,
    run_dir: Path,
    image: BeforeImage,
    now: dict[Key, State],
    origin: Origin,
    digest: str,
    progress: Progress | None,
) -> TablePush:
    """Write a before-image's new values, read them back, and record them in D1 and the run folder.

    Args:
        db: The database, opened for writing.
        run_dir: The run's folder with the image.
        image: The rows to change.
        now: Their current values, from `states`.
        origin: The shop, report, and day of the values.
        digest: The digest of the values.
        progress: Called with the table, the rows done, and the total rows.

    Raises:
        PushError: D1 rejected a row, or a row reads back differently than written.
    """
    with noted(db, run_dir.parent.parent, [image.table]) as note:
        audit.start(db, run_dir.name, image, "push", origin, digest)
        outcome = apply(db, image, now, progress)
        audit.finish(db, run_dir.name, image.table, "push", outcome.arrived)
        _add(note, image, outcome)
    result = _result(image, outcome)
    mark = result._asdict() | {"digest": digest}
    leave_mark(mark_path(run_dir, image.table, "push"), db.url, mark)
    return result


def _add(note: WriteNote, image: BeforeImage, outcome: Applied) -> None:
    """Record the rows' new values for the next pull, so that it need not read them."""
    changes = {key: c for key, c in image.changes.items() if key not in outcome.left}
    rows = [(*key, *change.after) for key, change in changes.items()]
    creates = any(change.before is None for change in changes.values())
    note.add(image.table, image.key, image.columns, rows, creates=creates)


def _result(image: BeforeImage, outcome: Applied) -> TablePush:
    made = (key for key, change in image.changes.items() if change.before is None)
    return TablePush(
        image.table,
        "pushed",
        image.staged,
        outcome.arrived,
        sum(key not in outcome.left for key in made),
        image.unchanged,
        len(image.missing),
        len(outcome.left),
        (),
        image.missing[:_NAMED],
        tuple(outcome.left)[:_NAMED],
        Usage(),
        0.0,
    )


def _ended_result(run_dir: Path, start: _Start) -> TablePush:
    """Return the result of a completed push, from the run's folder."""
    name, rows = start.staged.table.name, len(start.staged.rows)
    if start.where in ("rolled back", "held back"):
        return TablePush(name, start.where, rows, 0, 0, 0, 0, 0, (), (), (), Usage(), 0.0)
    recorded: dict[str, Any] = read_mark(
        mark_path(run_dir, name, "push"), "missing_keys", "left_keys"
    )
    counts: dict[str, Any] = {
        field: recorded[field] for field in TablePush._fields if field in recorded
    }
    for field in ("missing_keys", "left_keys"):
        counts[field] = tuple(tuple(key) for key in counts[field])
    counts["status"] = "already pushed"
    return TablePush(**counts)
