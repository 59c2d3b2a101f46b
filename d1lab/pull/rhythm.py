"""When what may have been updated or deleted is read again: docs/guide/pull.md."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal, NamedTuple

from d1lab.warehouse import TableRecord

Counters = Literal["daily", "always"]
"""When the app's counters are read again: by the first pull of a UTC day, or by every pull."""

TRUSTED = timedelta(days=7)
"""How long the app's own index may tell what changed before the table is read whole again."""


class Rhythm(NamedTuple):
    """When rows that may have been updated or deleted are read again."""

    counters: Counters
    today: date  # UTC
    is_forced: bool  # somebody asks for these tables, or for everything

    def is_due(self, known: TableRecord, explained: str | None, bookmark: str | None) -> bool:
        """Whether a table is read again.

        Args:
            known: The table as the warehouse has it; it is not current.
            explained: The bookmark up to which what changed is known to be our own.
            bookmark: D1's bookmark now.
        """
        if self.is_forced:
            return True
        if self.counters == "always":
            return bookmark is None or explained != bookmark
        return known.reread_at.date() < self.today

    def trusts_index(self, known: TableRecord) -> bool:
        """Whether an index of the app's own, if it has proved itself, tells what changed."""
        is_young = self.today - known.reread_at.date() < TRUSTED
        return known.touched_index is not None and is_young and not self.is_forced
