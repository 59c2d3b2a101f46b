"""The time of an export: which version of an order is newer, and until when orders are known.

D1's table `d1lab_exports` has the time of each shop's newest export. The day of that time is not
complete, so reports end on the day before, unless later orders are known from another source.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import duckdb

from d1lab import catalog
from d1lab.d1.database import Database, Statement
from d1lab.errors import InputError
from d1lab.ingest.column_map import ColumnMap
from d1lab.ingest.events import TOLERANCE
from d1lab.ingest.normalize_cells import TIMES
from d1lab.ingest.times import unsettled, utc_texts

_KEEP = """
INSERT INTO d1lab_exports (shop, exported_at) VALUES (?1, ?2)
ON CONFLICT (shop) DO UPDATE SET exported_at = excluded.exported_at
WHERE excluded.exported_at > d1lab_exports.exported_at
"""


class ExportTime(NamedTuple):
    """When a file was exported, UTC.

    Without a given time, the file's own time does not make an order newer, because copying a file
    renews it. It only tells that the newest order's day was over by then.
    """

    version: datetime  # of the orders: the given time, else the newest order's
    known_until: datetime  # the given time, else the file's own


def export_time(
    con: duckdb.DuckDBPyConnection,
    columns: ColumnMap,
    files: Sequence[Path],
    given: str | None,
    zone: str,
) -> ExportTime:
    """Return the export time: the given one, else the newest order's, else the file's own time.

    Args:
        con: The connection with the file's lines.
        columns: The file's map.
        files: The file, or the parts of one export.
        given: A time from the user; without an offset it is in `zone`.
        zone: The time zone of the file.

    Raises:
        InputError: The given time is invalid or in the future.
    """
    latest = datetime.now(UTC).replace(tzinfo=None) + TOLERANCE
    if given:
        moment = None if unsettled([given]) else utc_texts([given], zone, None).get(given)
        if moment is None or datetime.fromisoformat(moment) > latest:
            raise InputError(f"invalid --exported-at {given!r}. Use a time like 2026-05-01T10:00.")
        return ExportTime(datetime.fromisoformat(moment), datetime.fromisoformat(moment))
    seconds = max(path.stat().st_mtime for path in files)
    own = min(datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None, microsecond=0), latest)
    newest = _newest(con, columns, latest) or own
    return ExportTime(newest, max(newest, own))


def _newest(
    con: duckdb.DuckDBPyConnection, columns: ColumnMap, latest: datetime
) -> datetime | None:
    """Return the newest time in the file that is not in the future."""
    # without cancellation times: a reopened order no longer has one
    names = [name for name in TIMES if name in columns.fields and name != "cancelled_at"]
    fields = [f"max(instant(given({name})))" for name in names]
    limit = " AND ".join(f"coalesce(instant(given({name})) <= $latest, true)" for name in names)
    ((newest,),) = con.execute(
        f"SELECT greatest({', '.join(fields)}) FROM source WHERE {limit}",  # noqa: S608
        {"latest": latest},
    ).fetchall()
    return newest


def keep_export(db: Database, shop: str, known_until: datetime) -> None:
    """Record in D1 until when a shop's orders are known, unless a newer export is recorded."""
    moment = f"{known_until:%Y-%m-%d %H:%M:%S}"
    db.batch([Statement(_KEEP, (shop, moment))], table=catalog.EXPORTS, idempotent=True)
