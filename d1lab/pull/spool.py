"""Batches saved until they are in the warehouse, so that an interrupted pull can resume.

Each batch is a file that records its key range. A resumed sweep skips the ranges that
its files cover; the files are deleted once the new warehouse is in place.

Consistency: bounds are read before the first batch, and the database can change between two
batches, with or without an interruption. So a resumed table does not count as current, and the next
pull checks it by the usual rules: it rereads the whole table, its tail, or the rows in the change
log since the first batch. Batches older than the reread tail are deleted.
"""

# pyright: standard

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from d1lab import catalog
from d1lab.files import digest, writing
from d1lab.pull.batch import QuarantinedValue, TypedBatch
from d1lab.pull.plan import Sweep
from d1lab.warehouse import utc_now

FOLDER = "pull"
KEPT_DAYS = 7  # at most; fewer if the table's reread window is shorter
_STATE = "sweep.json"
_ABOUT = b"d1lab"


class Span(NamedTuple):
    """Rowids from `after` (exclusive) to `upto`."""

    after: int
    upto: int


class SweepStart(NamedTuple):
    """When a sweep began, and the state it began from."""

    bookmark: str | None
    changes_seen: int | None
    started_at: str


class Spool:
    """The batches of one sweep.

    Args:
        folder: The folder of the database.
        url: The database's URL.
        sweep: What to read.
        bookmark: The database's state; None if unknown.
        index: The index that a table with rowids is read by; None for the rowid.
    """

    def __init__(
        self,
        folder: Path,
        url: str,
        sweep: Sweep,
        bookmark: str | None,
        *,
        index: str | None = None,
    ) -> None:
        self._sweep = sweep
        self._folder = folder / FOLDER / digest(sweep.name)[:16]
        after = None if sweep.whole else sweep.after
        self._identity = {"url": url, "columns": sweep.columns, "after": after, "index": index}
        begun = self._begun()
        self.resumed = begun is not None
        self.origin = begun or SweepStart(bookmark, sweep.changes_seen, utc_now().isoformat())
        if begun is None:
            self.clear()
            self._folder.mkdir(parents=True)
            state = {"identity": self._identity, "origin": self.origin}
            (self._folder / _STATE).write_text(json.dumps(state))
        self._covered = [about[:2] for about in map(_about, self._files()) if about]
        self._numbers = count(len(self._files()))

    def gaps(self) -> list[Span]:
        """Return the ranges of the sweep that no saved batch covers, in rowid order."""
        gaps, after, high = [], self._sweep.after, self._sweep.bounds.high
        for span in sorted(Span(*covered) for covered in self._covered):
            if span.after > after:
                gaps.append(Span(after, min(span.after, high)))
            after = max(after, span.upto)
        return [*gaps, Span(after, high)] if after < high else gaps

    def last_key(self) -> str | None:
        """Return the key up to which a table without rowids is covered; None for its beginning."""
        return self._covered[-1][1] if self._covered else None

    def batches(self) -> Iterator[TypedBatch]:
        """Yield the batches that were already saved."""
        for path in self._files():
            with pa.OSFile(str(path)) as file, pa.ipc.open_file(file) as reader:
                quarantined = json.loads(reader.schema.metadata[_ABOUT])[2]
                record = reader.get_batch(0).replace_schema_metadata()
                yield TypedBatch(record, [QuarantinedValue(*each) for each in quarantined])

    def add(self, batch: TypedBatch, after: int | str | None, upto: int | str) -> None:
        """Save a batch that covers the rows from `after` to `upto`. Thread-safe."""
        about = json.dumps([after, upto, batch.quarantined])
        record = batch.record.replace_schema_metadata({_ABOUT: about})
        path = self._folder / f"{next(self._numbers):08}.arrow"
        with (
            writing(path) as part,
            pa.OSFile(str(part), "wb") as file,
            pa.ipc.new_file(file, record.schema) as writer,
        ):
            writer.write_batch(record)

    def clear(self) -> None:
        """Delete all batches."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.arrow"))

    def _begun(self) -> SweepStart | None:
        """Return the origin of the unfinished sweep to resume; None if there is none."""
        try:
            state = json.loads((self._folder / _STATE).read_text())
        except (OSError, ValueError):
            return None
        origin = SweepStart(*state["origin"])
        age = utc_now() - datetime.fromisoformat(origin.started_at)
        if state["identity"] != self._identity or age > self._kept():
            return None
        return origin

    def _kept(self) -> timedelta:
        declared = catalog.TABLES.get(self._sweep.name)
        days = declared.reread_days if declared else None
        return timedelta(days=min(days or KEPT_DAYS, KEPT_DAYS))


def _about(path: Path) -> tuple[Any, Any, Any] | None:
    """Return a batch's range and quarantined values; delete the batch if it is unreadable."""
    try:
        with pa.OSFile(str(path)) as file, pa.ipc.open_file(file) as reader:
            return tuple(json.loads(reader.schema.metadata[_ABOUT]))
    except (pa.ArrowInvalid, OSError):
        path.unlink()
        return None
