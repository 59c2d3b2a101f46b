"""Infer a shop's time zone from the UTC offsets of the times in its export."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb

MOST_TIMES = 2_000

_ZONES = (
    *("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"),
    *("America/Phoenix", "America/Anchorage", "Pacific/Honolulu", "America/Halifax"),
    *("America/St_Johns", "America/Sao_Paulo", "America/Argentina/Buenos_Aires"),
    *("America/Bogota", "America/Mexico_City", "America/Santiago", "Europe/London"),
    *("Europe/Berlin", "Europe/Helsinki", "Europe/Istanbul", "Africa/Lagos"),
    *("Africa/Johannesburg", "Africa/Cairo", "Asia/Jerusalem", "Asia/Dubai", "Asia/Karachi"),
    *("Asia/Kolkata", "Asia/Kathmandu", "Asia/Dhaka", "Asia/Bangkok", "Asia/Singapore"),
    *("Asia/Shanghai", "Asia/Tokyo", "Australia/Perth", "Australia/Adelaide"),
    *("Australia/Brisbane", "Australia/Sydney", "Pacific/Auckland"),
)
"""One zone per distinct set of clock rules, named by its most populous place."""

_TIMES = r"""
SELECT DISTINCT regexp_replace(text, ' ?([+-][0-9][0-9]):?([0-9][0-9])$', '\1:\2')
FROM (SELECT given({field}) AS text FROM source)
WHERE regexp_matches(text, '^[0-9-]+[T ][0-9:.]+ ?[+-][0-9][0-9]:?[0-9][0-9]$')
ORDER BY hash(text)
LIMIT {most}
"""


def proposed_zone(con: duckdb.DuckDBPyConnection, field: str) -> str | None:
    """Return the zone that matches the offsets in a column of `source`; None if there is none."""
    sql = _TIMES.format(field=field, most=MOST_TIMES)
    return zone_of(text for (text,) in con.sql(sql).fetchall())


def zone_of(texts: Iterable[str]) -> str | None:
    """Return the zone of ISO 8601 times with offsets; None if in UTC or in no supported zone.

    >>> zone_of(["2026-01-05T10:00:00-05:00", "2026-07-05T10:00:00-04:00"])
    'America/New_York'
    """
    times = [time for text in texts if (time := _time(text))]
    if not any(time.utcoffset() for time in times):
        return None
    return next((name for name in _ZONES if all(_shows(name, time) for time in times)), None)


def _time(text: str) -> datetime | None:
    """The time; None for text that only resembles one, such as minute 99."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _shows(name: str, time: datetime) -> bool:
    """Whether a zone has that offset from UTC at the time."""
    ahead = time.astimezone(ZoneInfo(name)).utcoffset()
    return (ahead or timedelta()) == time.utcoffset()
