"""The log of billed usage: data/<database>/usage/<month>.jsonl, one line per connection.

    {"at": "2026-11-27T13:00:00+00:00", "rows_read": 8222, "rows_written": 368, "command": "pull",
     "tables": {"order_events": [8000, 0]}}

Every database that `connect` opens adds its line when it is closed. Months are those of UTC, as
Cloudflare's; the files of the last three are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

import orjson

from d1lab.d1.database import Usage

FOLDER = "usage"
KEPT_MONTHS = 3


class Spent(NamedTuple):
    """One line of the log."""

    at: str  # UTC, ISO
    usage: Usage
    command: str  # of d1lab; '' for a program that imports it
    tables: dict[str, Usage]


def note(
    folder: Path,
    usage: Usage,
    now: datetime | None = None,
    *,
    command: str = "",
    tables: Mapping[str, Usage] | None = None,
) -> None:
    """Add the billed usage, unless no row was read or written.

    Args:
        folder: The database's, `data/<database>`.
        usage: Of one connection.
        now: The present, in UTC for None.
        command: The command that opened it.
        tables: The usage by table; '' for statements without one.
    """
    if not usage.rows_read and not usage.rows_written:
        return
    at = now or datetime.now(UTC)
    path = folder / FOLDER / f"{at:%Y-%m}.jsonl"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        _drop_old(path.parent)
    line: dict[str, object] = {
        "at": at.isoformat(timespec="seconds"),
        "rows_read": usage.rows_read,
        "rows_written": usage.rows_written,
    }
    if command:
        line["command"] = command
    if tables:
        line["tables"] = {name: each[1:] for name, each in tables.items() if any(each[1:])}
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
            lines = (each for each in _lines(path) if each.at >= since.isoformat())
            total += sum((each.usage for each in lines), Usage())
    return total


def lines_since(folder: Path, since: date) -> list[Spent]:
    """Return the log's lines since the start of a day (UTC), the oldest first."""
    paths = sorted((folder / FOLDER).glob("*.jsonl"))
    lines = (each for path in paths for each in _lines(path))
    return [each for each in lines if each.at >= since.isoformat()]


def by_day(folder: Path) -> dict[date, Usage]:
    """Return the usage of each day (UTC) that has a line."""
    found: dict[date, Usage] = {}
    for each in lines_since(folder, date.min):
        day = date.fromisoformat(each.at[:10])
        found[day] = found.get(day, Usage()) + each.usage
    return found


def _lines(path: Path) -> list[Spent]:
    found: list[Spent] = []
    for line in path.read_bytes().splitlines():
        try:
            entry = orjson.loads(line)
        except orjson.JSONDecodeError:  # a process was killed during a write
            continue
        usage = Usage(1, entry["rows_read"], entry["rows_written"])
        tables = {name: Usage(0, *each) for name, each in entry.get("tables", {}).items()}
        found.append(Spent(entry["at"], usage, entry.get("command", ""), tables))
    return found


def _drop_old(folder: Path) -> None:
    for path in sorted(folder.glob("*.jsonl"))[: -KEPT_MONTHS + 1]:
        path.unlink(missing_ok=True)
