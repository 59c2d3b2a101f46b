"""Before-images of counters that are about to be overwritten, so that a rollback restores them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import orjson

from d1lab.catalog import Table
from d1lab.d1.database import Database, Value
from d1lab.push.apply import is_empty, same, states
from d1lab.push.before_image import BeforeImage, ImageRow
from d1lab.push.staged import Key

Figures = tuple[Value, ...]


def by_key(table: Table, rows: Iterable[str]) -> dict[Key, Figures]:
    """Return the rows of `Sides.rows` as figures by key."""
    many = len(table.key)
    cells = map(orjson.loads, rows)
    return {tuple(row[:many]): tuple(row[many:]) for row in cells}


def image_of(
    db: Database,
    table: str,
    key: tuple[str, ...],
    columns: tuple[str, ...],
    rows: Mapping[Key, Figures],
    at: datetime,
) -> tuple[BeforeImage, dict[Key, Figures | None]]:
    """Return the image of the rows that would change, and their current values.

    Args:
        db: The database.
        table: The table.
        key: The columns of its key.
        columns: The columns to write.
        rows: The figures to write, by key.
        at: The time of the image, UTC.
    """
    empty = BeforeImage(table, key, columns, {}, len(rows), 0, (), at)
    now = states(db, empty, rows)
    changes = {
        key: ImageRow(now[key], after)
        for key, after in rows.items()
        if not (same(now[key], after) or (now[key] is None and is_empty(after)))
    }
    image = empty._replace(changes=changes, unchanged=len(rows) - len(changes))
    return image, {key: now[key] for key in changes}
