"""The health of the served pages: `/health` of `d1lab serve`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from d1lab.config import STALE_AFTER
from d1lab.pages.index import IndexEntry, index_entries


class Health(NamedTuple):
    """The state of a folder of pages."""

    status: Literal["ok", "failing", "stale", "empty"]  # the gravest of what is so
    reports: int
    failed: int  # whose newest run failed or timed out
    stale: int  # whose data was pulled more than 36 hours ago
    pulled_at: str | None  # the newest pull, UTC


def health(reports_dir: Path, now: datetime | None = None) -> Health:
    """Return the health of a folder of pages.

    Args:
        reports_dir: The folder of all pages; it can be empty.
        now: The current time; None for now, in UTC.
    """
    at = now or datetime.now(UTC)
    entries = index_entries(reports_dir, at)
    failed = sum(entry.newest.run.status in ("failed", "timeout") for entry in entries)
    pulls = [pulled for entry in entries if (pulled := _pulled_at(entry))]
    stale = sum(at - pulled > STALE_AFTER for pulled in pulls)
    status = "failing" if failed else "stale" if stale else "ok" if entries else "empty"
    newest = max(pulls).isoformat(timespec="seconds") if pulls else None
    return Health(status, len(entries), failed, stale, newest)


def _pulled_at(entry: IndexEntry) -> datetime | None:
    return (entry.good or entry.newest).run.data.pulled_at
