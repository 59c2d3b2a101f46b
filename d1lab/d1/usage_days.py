"""The days of a database's usage that are kept: data/<database>/usage/days.json.

    {"cloudflare": {"2026-11-27": [8222, 368, 4096]}, "d1lab": {...}}

The values are rows read, rows written, and the size in bytes. Cloudflare keeps 31 days, and the log
of d1lab's meter three months; here, they stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

import orjson

from d1lab.files import write

FOLDER = "usage"
"""In the database's folder."""

Source = Literal["cloudflare", "d1lab"]

_FILE = "days.json"
_Days = dict[str, list[int | None]]


class DayUsage(NamedTuple):
    """What a database used on one day, UTC."""

    day: date
    rows_read: int
    rows_written: int
    bytes: int | None  # the largest size of the day; None if unknown


def keep_days(folder: Path, source: Source, found: Iterable[DayUsage]) -> None:
    """Add days, or replace those of the same day; a known size stays.

    Args:
        folder: The database's, `data/<database>`.
        source: Who counted.
        found: The days.
    """
    told = _read(folder)
    mine = told.setdefault(source, {})
    for each in found:
        size = each.bytes if each.bytes is not None else mine.get(str(each.day), [0, 0, None])[2]
        mine[str(each.day)] = [each.rows_read, each.rows_written, size]
    write(folder / FOLDER / _FILE, orjson.dumps(told, option=orjson.OPT_SORT_KEYS))


def kept_days(folder: Path, source: Source) -> list[DayUsage]:
    """Return the kept days of a source, the oldest first."""
    mine = _read(folder).get(source, {})
    return [_day(date.fromisoformat(day), values) for day, values in sorted(mine.items())]


def without_gaps(days: Sequence[DayUsage]) -> list[DayUsage]:
    """Add the days between that have no line: they used nothing, and their size is unknown."""
    if not days:
        return []
    known = {each.day: each for each in days}
    first, last = min(known), max(known)
    every = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [known.get(day, DayUsage(day, 0, 0, None)) for day in every]


def _read(folder: Path) -> dict[str, _Days]:
    path = folder / FOLDER / _FILE
    return orjson.loads(path.read_bytes()) if path.is_file() else {}


def _day(day: date, values: Sequence[int | None]) -> DayUsage:
    read, written, size = values
    return DayUsage(day, read or 0, written or 0, size)
