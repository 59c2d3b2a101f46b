"""Digests of the counters that an aggregation left in D1, for whichever machine aggregates next.

The rows of a table are in groups by their key. D1's table `d1lab_counted` has the number and the
combined digest of each group's rows. A group with at least as many rows as before and another
digest has a row that somebody else wrote. A group with fewer rows proves nothing: the app's
retention deletes rows, and d1lab counts those again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from d1lab.catalog import COUNTED
from d1lab.d1.database import Database, Statement

GROUPS = 64

Digests = Mapping[str, tuple[int, str]]
"""Number of rows and combined digest by group; rows without any figure are in none."""

_KEEP = """
INSERT INTO d1lab_counted (table_name, run, digests) VALUES (?1, ?2, ?3)
ON CONFLICT (table_name) DO UPDATE SET run = excluded.run, digests = excluded.digests
"""


def counted_digests(db: Database, runs: Mapping[str, str]) -> dict[str, Digests]:
    """Return what the last aggregation left, by table.

    Args:
        db: The database.
        runs: The last aggregation of each table. Digests of another one are of no use: an
            aggregation was interrupted.
    """
    rows = db.query("SELECT table_name, run, digests FROM d1lab_counted", table=COUNTED).rows
    return {
        str(table): _read(str(digests))
        for table, run, digests in rows
        if runs.get(str(table)) == run
    }


def keep_digests(table: str, run: str, digests: Digests) -> Statement:
    """Build the statement that records what an aggregation left in a table."""
    return Statement(_KEEP, (table, run, json.dumps(digests, separators=(",", ":"))))


def count_changed(before: Digests, now: Digests) -> int:
    """Count the groups that have a row by somebody else: at least as many rows as that.

    >>> before = {"1": (2, "a"), "2": (3, "b"), "3": (1, "c")}
    >>> count_changed(before, {"1": (2, "x"), "2": (2, "y"), "3": (1, "c"), "4": (1, "z")})
    2
    """
    none = (0, "")
    return sum(
        1
        for group, (rows, digest) in now.items()
        if rows >= before.get(group, none)[0] and digest != before.get(group, none)[1]
    )


def _read(text: str) -> Digests:
    found: dict[str, Any] = json.loads(text)
    return {group: (int(rows), str(digest)) for group, (rows, digest) in found.items()}
