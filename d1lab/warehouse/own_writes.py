"""Record d1lab's own writes to D1 until a pull has applied them, so that they are not reread.

    with noted(db, folder, ["customer_insights"]) as note:
        ...                                              writes
        note.add("customer_insights", key, columns, rows)

Before the first write, a file with the names of the tables is created next to the warehouse. At the
end it gets D1's bookmarks before and after, and the rows, if known. A file without an end belongs
to a process that was killed or is still writing: its tables are read again.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from d1lab import catalog, files
from d1lab.d1.database import Database, Value
from d1lab.warehouse.database_file import FILE_NAME, utc_now

_log = logging.getLogger(__name__)

FOLDER = "written"


class WrittenRows(NamedTuple):
    """The rows that were written to one table."""

    key: tuple[str, ...]
    columns: tuple[str, ...]
    rows: list[list[Value]]  # key, then columns
    creates: bool  # some of them were inserted


class OwnWrite(NamedTuple):
    """One write by d1lab, such as a push or an aggregation. Times are UTC."""

    path: Path
    url: str
    tables: tuple[str, ...]
    ended_at: datetime | None  # None: its process was killed, or is still writing
    before: str | None  # D1's bookmarks
    after: str | None
    is_alone: bool  # no other connection wrote between the two
    rows: dict[str, WrittenRows]  # tables without an entry have to be read again


class WriteNote:
    """The record of a write in progress."""

    def __init__(self) -> None:
        self.rows: dict[str, WrittenRows] = {}

    def add(
        self,
        table: str,
        key: Sequence[str],
        columns: Sequence[str],
        rows: Iterable[Sequence[Value]],
        *,
        creates: bool,
    ) -> None:
        """Record the current rows of a table, each as its key followed by its columns."""
        kept = [list(row) for row in rows]
        self.rows[table] = WrittenRows(tuple(key), tuple(columns), kept, creates)


@contextmanager
def noted(db: Database, folder: Path, tables: Sequence[str]) -> Generator[WriteNote]:
    """Record the writes of the block; tables without added rows are read again.

    Args:
        db: The database, opened for writing.
        folder: The database's folder; without a warehouse, nothing is recorded.
        tables: The tables that the block can write to.
    """
    note = WriteNote()
    if not (folder / FILE_NAME).is_file():
        yield note
        return
    path = folder / FOLDER / f"{time.time_ns()}-{uuid.uuid4().hex[:8]}.json"
    others, written = db.others_mark(), db.meter.total.rows_written
    begun = {"url": db.url, "tables": tables, "before": db.bookmark()}
    _save(path, begun)
    yield note
    if db.meter.total.rows_written == written:
        path.unlink(missing_ok=True)
        return
    after = db.bookmark()
    end = {
        "ended_at": utc_now(),
        "after": after,
        "is_alone": others is not None and db.others_mark() == others,
        "rows": {name: rows._asdict() for name, rows in note.rows.items()},
    }
    _save(path, begun | end)


def own_writes(folder: Path, url: str) -> list[OwnWrite]:
    """Return the writes to a database that no pull has applied yet, in order.

    A note that cannot be read stands for a write of unknown rows to all tables.
    """
    paths = sorted((folder / FOLDER).glob("*.json"))
    found = [_load(path, url) for path in paths]
    return [write for write in found if write.url == url]


def followed(writes: Iterable[OwnWrite], bookmark: str | None, *, alone: bool) -> str | None:
    """Return the bookmark that d1lab's own writes led to from an earlier one.

    Args:
        writes: The writes, in order.
        bookmark: The bookmark to start from.
        alone: Whether to follow only writes without concurrent writes of others.
    """
    for write in writes:
        if bookmark is not None and write.before == bookmark and (write.is_alone or not alone):
            bookmark = write.after
    return bookmark


def _save(path: Path, content: dict[str, Any]) -> None:
    files.write(path, orjson.dumps(content))


def _load(path: Path, url: str) -> OwnWrite:
    """A write as its file has it; one that cannot be read may be of any table."""
    try:
        return _loaded(path, orjson.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        _log.warning("%s is not readable: all tables are read again.", path)
        return OwnWrite(path, url, tuple(catalog.TABLES), None, None, None, is_alone=False, rows={})


def _loaded(path: Path, content: dict[str, Any]) -> OwnWrite:
    ended = content.get("ended_at")
    return OwnWrite(
        path=path,
        url=content["url"],
        tables=tuple(content["tables"]),
        ended_at=datetime.fromisoformat(ended) if ended else None,
        before=content["before"],
        after=content.get("after"),
        is_alone=content.get("is_alone", False),
        rows={
            name: WrittenRows(tuple(r["key"]), tuple(r["columns"]), r["rows"], r["creates"])
            for name, r in content.get("rows", {}).items()
        },
    )
