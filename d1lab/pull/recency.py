"""Whether the warehouse is recent enough, so that a pull has nothing to read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from d1lab import warehouse
from d1lab.pull.old_warehouse import OldWarehouse
from d1lab.pull.rhythm import Rhythm
from d1lab.warehouse import Zones


class Recency(NamedTuple):
    """How recent a warehouse is, and for which request."""

    old: OldWarehouse
    now: datetime  # UTC
    only: Sequence[str] | None  # the tables to pull; None for all
    zones: Zones | None  # those of the settings; None for those of the last pull

    def young(self, max_age_seconds: float | None) -> float | None:
        """Return the age of the data in seconds; None if it is above the limit, or without one.

        Days that have ended since do not matter: the age decides.
        """
        if max_age_seconds is None or not self._is_usable():
            return None
        times = [at for at, _ in self._last_reads()]
        ages = [(self.now - at).total_seconds() for at in times if at is not None]
        oldest = max(ages, default=0.0)
        return oldest if len(ages) == len(times) and oldest <= max_age_seconds else None

    def is_current(self, bookmark: str | None, rhythm: Rhythm) -> bool:
        """Whether there is nothing to pull.

        Args:
            bookmark: The state of D1 now; None if unknown.
            rhythm: When to reread rows that may have been updated.
        """
        if bookmark is None or not self._is_usable():
            return False
        if any(mark != bookmark for _, mark in self._last_reads()):
            return False
        behind = (r for r in self.old.known.tables.values() if r.bookmark != bookmark)
        is_due = any(rhythm.is_due(r, r.explained, bookmark) for r in behind)
        return not is_due and not self._have_days_ended()

    def _is_usable(self) -> bool:
        """Whether the warehouse has the tables, views, and days of the code and the settings."""
        con, pull = self.old.con, self.old.known.pull
        if con is None or pull is None or not self.old.is_listed:
            return False
        has_zones = self.zones is None or dict(self.zones) == warehouse.zones_of(con)
        return has_zones and pull.shape == warehouse.shape()

    def _have_days_ended(self) -> bool:
        """Whether a day with data ended since the last pull."""
        con, pull = self.old.con, self.old.known.pull
        assert con is not None
        assert pull is not None
        return warehouse.has_days_since(con, pull.started_at, self.now, warehouse.zones_of(con))

    def _last_reads(self) -> list[tuple[datetime | None, str | None]]:
        """Return when the requested tables were read, and the bookmark at that time."""
        known = self.old.known
        if self.only is None:
            return [(known.pull.started_at, known.pull.bookmark)] if known.pull else []
        records = [known.tables.get(name) for name in self.only]
        return [(r.pulled_at, r.bookmark) if r else (None, None) for r in records]
