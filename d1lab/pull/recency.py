"""Whether the warehouse is recent enough, so that a pull has nothing to read."""

# pyright: standard

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import duckdb

from d1lab import warehouse
from d1lab.pull.rhythm import Rhythm
from d1lab.warehouse import Records, Zones


class Recency(NamedTuple):
    """How recent a warehouse has to be, and what is known about it."""

    known: Records
    bookmark: str | None  # the state of D1 now; None if unknown
    now: datetime
    max_age_seconds: float | None  # a pull no older than this is enough; None for no such limit

    def is_enough(
        self,
        old: duckdb.DuckDBPyConnection,
        only: Sequence[str] | None,
        rhythm: Rhythm,
        zones: Zones | None,
    ) -> bool:
        """Whether there is nothing to pull.

        Args:
            old: The warehouse.
            only: The tables to pull; None for all.
            rhythm: When to reread rows that may have been updated.
            zones: The time zones in the settings; None for those of the last pull.
        """
        return self._is_fresh(only, rhythm) and self._has_same_days(old, zones)

    def _is_fresh(self, only: Sequence[str] | None, rhythm: Rhythm) -> bool:
        """Whether nothing changed since the last pull, or the last pull is recent enough."""
        if self.known.pull is None or self.known.pull.shape != warehouse.shape():
            return False
        reads = self._last_reads(only)
        if self.bookmark is not None and all(mark == self.bookmark for _, mark in reads):
            behind = (r for r in self.known.tables.values() if r.bookmark != self.bookmark)
            return not any(rhythm.is_due(r, r.explained, self.bookmark) for r in behind)
        if self.max_age_seconds is None:
            return False
        limit = timedelta(seconds=self.max_age_seconds)
        return all(at is not None and self.now - at <= limit for at, _ in reads)

    def _has_same_days(self, old: duckdb.DuckDBPyConnection, zones: Zones | None) -> bool:
        """Whether the zones are the same, and no day with data ended since the last pull.

        If the age of the last pull decides, days that ended do not matter.
        """
        built = warehouse.zones_of(old)
        if self.known.pull is None or (zones is not None and dict(zones) != built):
            return False
        if self.max_age_seconds is not None:
            return True
        return not warehouse.has_days_since(old, self.known.pull.started_at, self.now, built)

    def _last_reads(self, only: Sequence[str] | None) -> list[tuple[datetime | None, str | None]]:
        """Return when the requested tables were read, and the bookmark at that time."""
        if only is None:
            pull = self.known.pull
            return [(pull.started_at, pull.bookmark)] if pull else []
        records = [self.known.tables.get(name) for name in only]
        return [(r.pulled_at, r.bookmark) if r else (None, None) for r in records]
