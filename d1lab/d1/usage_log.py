"""The log of billed usage: data/<database>/usage/<month>.jsonl, one line per connection.

    {"at": "2026-11-27T13:00:00+00:00", "rows_read": 8222, "rows_written": 368}

Every database that `connect` opens adds its line when it is closed. Months are those of UTC, as
Cloudflare's; the files of the last three are kept.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import orjson

from d1lab.d1.database import Usage

FOLDER = "usage"
KEPT_MONTHS = 3


def note(folder: Path, usage: Usage, now: datetime | None = None) -> None:
    """Add the billed usage, unless no row was read or written.

    Args:
        folder: The database's, `data/<database>`.
        usage: Of one connection.
        now: The present, in UTC for None.
    """
    if not usage.rows_read and not usage.rows_written:
        return
    at = now or datetime.now(UTC)
    path = folder / FOLDER / f"{at:%Y-%m}.jsonl"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        _drop_old(path.parent)
    line = {"at": at.isoformat(timespec="seconds"), "rows_read": usage.rows_read}
    line["rows_written"] = usage.rows_written
    with path.open("ab") as file:  # one short write, so that lines of several processes do not mix
        file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def spent(folder: Path, since: date) -> Usage:
    """Return the usage since the start of a day (UTC), ignoring truncated lines.

    Args:
        folder: The database's, `data/<database>`.
        since: Not before the months that are kept.
    """
    total = Usage()
    for path in sorted((folder / FOLDER).glob("*.jsonl")):
        if path.stem >= f"{since:%Y-%m}":
            total += sum(_usages(path, since.isoformat()), Usage())
    return total


def _usages(path: Path, since: str) -> list[Usage]:
    found: list[Usage] = []
    for line in path.read_bytes().splitlines():
        try:
            entry = orjson.loads(line)
        except orjson.JSONDecodeError:  # a process was killed during a write
            continue
        if entry["at"] >= since:
            found.append(Usage(1, entry["rows_read"], entry["rows_written"]))
    return found


def _drop_old(folder: Path) -> None:
    for path in sorted(folder.glob("*.jsonl"))[: -KEPT_MONTHS + 1]:
        path.unlink(missing_ok=True)
