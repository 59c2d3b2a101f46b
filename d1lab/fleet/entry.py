"""One database in the registry: how its last attempt ended, and when it is due again."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from d1lab.fleet.order import Outcome
from d1lab.fleet.sources import FleetDatabase

EARLY = 0.1  # part of a database's rhythm that it can be early, so that a daily timer skips none
PAUSE_AFTER = 5
"""Runs in a row that failed in one way; then the database is tried less and less often."""
LONGEST_PAUSE_HOURS = 24 * 7.0


class RegistryEntry(NamedTuple):
    """A database of the fleet, and how its last attempt ended."""

    database: FleetDatabase
    listed: bool
    status: Literal["new", "done", "failed"]
    kind: str
    message: str
    failures: int
    tried_at: datetime | None
    succeeded_at: datetime | None
    due_at: datetime | None  # None: at once
    requests: int  # of the last day with an attempt, as are the rows
    rows_read: int
    rows_written: int
    day: str
    seconds: float | None
    reports: int  # reports of the last attempt that ended well
    state: str
    is_running: bool

    @property
    def name(self) -> str:
        """The database's name."""
        return self.database.name

    def is_due(self, now: datetime) -> bool:
        """Whether a run takes it."""
        return self.listed and not self.is_running and (self.due_at is None or self.due_at <= now)

    def rows_left(self, budget: int | None, now: datetime) -> int | None:
        """Return how many billed rows it can read today; None for any number."""
        spent = self.rows_read if self.day == now.date().isoformat() else 0
        return None if budget is None else max(budget - spent, 0)


def changes_after(
    entry: RegistryEntry, outcome: Outcome, began: datetime, *, again: bool = False
) -> dict[str, Any]:
    """Return the columns that an attempt changes.

    Args:
        entry: The database before it.
        outcome: How it ended.
        began: When it began, UTC.
        again: Whether the same run tries again: its attempts are one failure.
    """
    day = began.date().isoformat()
    before = entry if entry.day == day else None
    same = entry.status == "failed" and entry.kind == outcome.kind
    before_it = entry.failures if same else 0
    failures = 0 if outcome.status == "done" else before_it + (not again)
    due = _due_at(entry, outcome, began, failures)
    return {
        "status": outcome.status,
        "kind": outcome.kind,
        "message": outcome.message,
        "failures": failures,
        "tried_at": began.isoformat(),
        "succeeded_at": _text(began if outcome.status == "done" else entry.succeeded_at),
        "due_at": _text(due) or "",
        "day": day,
        "requests": outcome.requests + (before.requests if before else 0),
        "rows_read": outcome.rows_read + (before.rows_read if before else 0),
        "rows_written": outcome.rows_written + (before.rows_written if before else 0),
        "seconds": outcome.seconds,
        "reports": outcome.reports_done + outcome.reports_current,
        "state": outcome.state,
    }


def _due_at(
    entry: RegistryEntry, outcome: Outcome, began: datetime, failures: int
) -> datetime | None:
    """Return when it is due again: by its rhythm; after a failure at once, or after a pause."""
    if outcome.status == "done":
        return began + timedelta(hours=entry.database.every_hours * (1 - EARLY))
    if outcome.resets_at:
        return datetime.fromisoformat(outcome.resets_at)
    if failures < PAUSE_AFTER:
        return None
    hours = min(2.0 ** (failures - PAUSE_AFTER), LONGEST_PAUSE_HOURS)
    return began + timedelta(hours=hours)


def entry_of(row: sqlite3.Row, held: Collection[str]) -> RegistryEntry:
    """Read a database's row.

    Args:
        row: Of the table `databases`.
        held: The names of databases that a coordinator works on.
    """
    fields: dict[str, Any] = {
        name: row[name]
        for name in RegistryEntry._fields
        if name in row.keys()  # noqa: SIM118 - a Row
    }
    fields |= {name: _moment(row[name]) for name in ("tried_at", "succeeded_at", "due_at")}
    fields["database"] = FleetDatabase(*(row[name] for name in FleetDatabase._fields))
    fields |= {"listed": bool(row["listed"]), "is_running": row["name"] in held}
    return RegistryEntry(**fields)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
