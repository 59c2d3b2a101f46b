"""Whether a database went back in time: restored by Time Travel, or a file replaced by a backup.

D1's bookmarks increase, and so does the change counter of a SQLite file. One that is lower than at
an earlier pull shows a restore. D1 can also count on after a restore: then watermarks tell, see
`d1lab.pull.plan`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

NOTE = "the database was restored to an earlier state, so every table was read completely"

_D1 = re.compile(r"([0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8})-[0-9a-f]{32}")
_FILE = re.compile(r"(\d+)-\d+-\d+")


def went_back(earlier: Iterable[str | None], now: str | None) -> bool:
    """Whether a bookmark is lower than one of an earlier pull.

    Args:
        earlier: Bookmarks of earlier pulls; None where unknown.
        now: The database's current bookmark; None if unknown.

    >>> counts = [f"{n:08x}-0000024c-00004c6d-{'8e61117bf38d7adb' * 2}" for n in (133, 134)]
    >>> went_back(counts[1:], counts[0]), went_back(counts[:1], counts[1])
    (True, False)
    >>> went_back(["1200-8192-5", None], "990-8192-6"), went_back(["990-1-1"], "1200-1-1")
    (True, False)
    """
    place = _place(now)
    if place is None:
        return False
    places = (_place(mark) for mark in earlier)
    return any(known is not None and known[0] == place[0] and known > place for known in places)


def _place(bookmark: str | None) -> tuple[str, str | int] | None:
    """Return the kind of a bookmark, and what increases in it."""
    if found := _D1.fullmatch(bookmark or ""):
        return "D1", found[1]
    found = _FILE.fullmatch(bookmark or "")
    return ("file", int(found[1])) if found else None
