"""The audit in D1: one row per table of a run that `push` or `rollback` wrote."""

from __future__ import annotations

from datetime import UTC, datetime

from d1lab.catalog import PUSHES
from d1lab.d1 import Database, Statement
from d1lab.push.before_image import Action, BeforeImage
from d1lab.push.holders import Holder, give_up, place_of, take
from d1lab.push.staged import Origin
from d1lab.version import __version__

_START = """
INSERT INTO d1lab_pushes (run_id, table_name, action, status, report, rows_staged, rows_changed,
                             columns_written, d1lab_version, started_at)
VALUES (?1, ?2, ?3, 'started', ?4, ?5, 0, ?6, ?7, ?8)
ON CONFLICT DO NOTHING
"""

_FINISH = """
UPDATE d1lab_pushes SET status = 'done', rows_changed = ?4, finished_at = ?5
WHERE run_id = ?1 AND table_name = ?2 AND action = ?3 AND status = 'started'
"""

_STATUS = """
SELECT status FROM d1lab_pushes WHERE run_id = ?1 AND table_name = ?2 AND action = ?3
"""

_NEWER = """
SELECT newer.run_id FROM d1lab_pushes AS newer
WHERE newer.table_name = ?2 AND newer.action = 'push' AND newer.run_id <> ?1
  AND (newer.started_at, newer.run_id) > (
    SELECT ours.started_at, ours.run_id FROM d1lab_pushes AS ours
    WHERE ours.run_id = ?1 AND ours.table_name = ?2 AND ours.action = 'push')
  AND NOT EXISTS (
    SELECT 1 FROM d1lab_pushes AS undone
    WHERE undone.run_id = newer.run_id AND undone.table_name = ?2
      AND undone.action = 'rollback' AND undone.status = 'done')
ORDER BY newer.started_at, newer.run_id
"""


def start(
    db: Database,
    run_id: str,
    image: BeforeImage,
    action: Action,
    origin: Origin,
    digest: str = "",
) -> None:
    """Record that writing a table starts, and which run's results it has from now on.

    The row of the first start is kept.

    Args:
        db: The database.
        run_id: The run.
        image: The rows to write.
        action: Whether they are pushed or rolled back.
        origin: The shop, report, and day of the results.
        digest: The digest of the results.
    """
    columns, at, place = ", ".join(image.columns), _now(), place_of(image.table, origin)
    row = (run_id, image.table, action, origin.report, image.staged, columns, __version__, at)
    holder = Holder(run_id, origin.as_of, digest)
    beside = take(place, holder, at) if action == "push" else give_up(place, run_id)
    db.batch([Statement(_START, row), beside], table=PUSHES, idempotent=True)


def finish(db: Database, run_id: str, table: str, action: Action, rows_changed: int) -> None:
    """Record that writing a table succeeded; the row of the first success is kept."""
    row = (run_id, table, action, rows_changed, _now())
    db.execute(_FINISH, row, table=PUSHES, idempotent=True)


def status(db: Database, run_id: str, table: str, action: Action) -> str | None:
    """Return 'started' or 'done'; None if D1 has no record. Reads one row."""
    rows = db.query(_STATUS, (run_id, table, action), table=PUSHES).rows
    return str(rows[0][0]) if rows else None


def newer_pushes(db: Database, run_id: str, table: str) -> tuple[str, ...]:
    """Return later runs that pushed the table and were not rolled back, oldest first."""
    return tuple(str(row[0]) for row in db.query(_NEWER, (run_id, table), table=PUSHES).rows)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
