"""When to reread rows that may have been updated or deleted: see docs/guide/pull.md."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal, NamedTuple

from d1lab.warehouse import TableRecord

Counters = Literal["daily", "always"]
"""When the app's counters are reread: by the first pull of each UTC day, or by every pull."""

TRUSTED = timedelta(days=7)
"""How long to rely on the app's own index for changes before a full reread of the table."""

DAILY, WEEKLY = 7, 42
"""Days of rows that d1lab adds day by day, to reread daily and weekly. A recommendation is scored
after 28 days, and late orders change its score for 7 more: then its row stays as it is."""


class Rhythm(NamedTuple):
    """The rule for rereading rows that may have been updated or deleted."""

    counters: Counters
    today: date  # UTC
    is_forced: bool  # these tables, or all, were requested explicitly

    def is_due(self, known: TableRecord, explained: str | None, bookmark: str | None) -> bool:
        """Whether to reread a table.

        Args:
            known: The warehouse's record of the table, which is not current.
            explained: The bookmark up to which all changes are d1lab's own writes.
            bookmark: D1's bookmark now.
        """
        if self.is_forced:
            return True
        if self.counters == "always":
            return bookmark is None or explained != bookmark
        return known.reread_at.date() < self.today

    def tail_days(self, known: TableRecord) -> int | None:
        """How many days to reread of a table that d1lab adds rows to; None for the whole table.

        The first pull of a month rereads the whole table, the first of a week the rows that can
        still change, and another the newest: so the cost per day does not grow with the table.
        """
        last = known.reread_at.date()
        if self.is_forced or (last.year, last.month) != (self.today.year, self.today.month):
            return None
        is_same_week = last.isocalendar()[:2] == self.today.isocalendar()[:2]
        return DAILY if is_same_week else WEEKLY

    def trusts_index(self, known: TableRecord) -> bool:
        """Whether to find changes by the app's own index, provided that it proved complete."""
        is_young = self.today - known.reread_at.date() < TRUSTED
        is_proven = known.touched_index is not None and is_young
        return is_proven and self.counters == "daily" and not self.is_forced
