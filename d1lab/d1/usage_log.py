"""The log of billed usage: data/<database>/usage/<month>.jsonl, one line per connection.

    {"at": "2026-11-27T13:00:00+00:00", "rows_read": 8222, "rows_written": 368, "command": "pull",
     "tables": {"order_events": [8000, 0]}, "bytes": 4096}

Every database that `connect` opens adds its line when it is closed, with the size if it is known.
Months are those of UTC, as Cloudflare's; the files of the last three are kept, and the days of
older ones in `d1lab.d1.usage_days`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import orjson

from d1lab.d1.database import Usage
from d1lab.d1.usage_days import FOLDER, DayUsage, Source, keep_days, kept_days, without_gaps

KEPT_MONTHS = 3


class Spent(NamedTuple):
    """One line of the log."""

    at: str  # UTC, ISO
    usage: Usage
    command: str  # of d1lab; '' for a program that imports it
    tables: dict[str, Usage]
    bytes: int | None  # the size of the database; None if unknown


def note(
    folder: Path,
    usage: Usage,
    now: datetime | None = None,
    *,
    command: str = "",
    tables: Mapping[str, Usage] | None = None,
    size_bytes: int | None = None,
) -> None:
    """Add the billed usage, unless no row was read or written.

    Args:
        folder: The database's, `data/<database>`.
        usage: Of one connection.
        now: The present, in UTC for None.
        command: The command that opened it.
        tables: The usage by table; '' for statements without one.
        size_bytes: The size of the database; None if unknown.
    """
    if not usage.rows_read and not usage.rows_written:
        return
    at = now or datetime.now(UTC)
    line: dict[str, object] = {
        "at": at.isoformat(timespec="seconds"),
        "rows_read": usage.rows_read,
        "rows_written": usage.rows_written,
    }
    if command:
        line["command"] = command
    if tables:
        line["tables"] = {name: each[1:] for name, each in tables.items() if any(each[1:])}
    if size_bytes is not None:
        line["bytes"] = size_bytes
    _append(folder, line)


class UsageTail:
    """The lines that are added to a log from now on, to add them to the log of another machine.

    Args:
        folder: The database's, `data/<database>`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._began = {path: path.stat().st_size for path in _logs(folder)}

    def read(self) -> tuple[bytes, ...]:
        """Return the lines, the oldest first."""
        parts = (path.read_bytes()[self._began.get(path, 0) :] for path in _logs(self._folder))
        return tuple(line for part in parts for line in part.splitlines())

    def usage(self) -> Usage:
        """Return their sum, without truncated ones."""
        return sum((each.usage for each in _parsed(self.read())), Usage())


def add_lines(folder: Path, lines: Iterable[bytes], *, command: str) -> None:
    """Add lines of another log, of a `UsageTail`.

    Args:
        folder: The database's, `data/<database>`.
        lines: A truncated one is left out.
        command: For lines that name none: the other program was not called as `d1lab`.
    """
    for line in lines:
        with suppress(orjson.JSONDecodeError):
            _append(folder, {"command": command} | orjson.loads(line))


def _append(folder: Path, line: Mapping[str, object]) -> None:
    path = folder / FOLDER / f"{str(line['at'])[:7]}.jsonl"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        _drop_old(folder)
    with path.open("ab") as file:  # one short write, so that lines of several processes do not mix
        file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def _logs(folder: Path) -> list[Path]:
    return sorted((folder / FOLDER).glob("*.jsonl"))


def spent(folder: Path, since: date) -> Usage:
    """Return the usage since the start of a day (UTC), ignoring truncated lines.

    Args:
        folder: The database's, `data/<database>`.
        since: Not before the months that are kept.
    """
    total = Usage()
    for path in _logs(folder):
        if path.stem >= f"{since:%Y-%m}":
            lines = (each for each in _lines(path) if each.at >= since.isoformat())
            total += sum((each.usage for each in lines), Usage())
    return total


def lines_since(folder: Path, since: date) -> list[Spent]:
    """Return the log's lines since the start of a day (UTC), the oldest first."""
    lines = (each for path in _logs(folder) for each in _lines(path))
    return [each for each in lines if each.at >= since.isoformat()]


def metered_days(folder: Path) -> list[DayUsage]:
    """Return the usage of each day (UTC) by the meter, the oldest first, without gaps.

    Days whose log was dropped are those that were kept.
    """
    days = {each.day: each for each in kept_days(folder, "d1lab")}
    for each in _by_day(lines_since(folder, date.min)):
        known = days.get(each.day, each).bytes
        days[each.day] = each._replace(bytes=known if each.bytes is None else each.bytes)
    return without_gaps([*days.values()])


def days_until(folder: Path, last: date) -> tuple[Source, list[DayUsage]]:
    """Return the days up to `last`, the oldest first, and who counted them.

    Cloudflare's, which have what the app uses, if `last` is among them; otherwise the meter's.
    """
    told = kept_days(folder, "cloudflare")
    source: Source = "cloudflare" if told and told[-1].day >= last else "d1lab"
    days = without_gaps(told) if source == "cloudflare" else metered_days(folder)
    return source, [each for each in days if each.day <= last]


def complete_until(folder: Path, pulled_on: date) -> date:
    """Return the last complete day before the day of a pull; that day itself if it is the first.

    So a report on usage becomes due by a pull, like any other, and once a day at most.
    """
    days = [each.day for each in (*kept_days(folder, "cloudflare"), *kept_days(folder, "d1lab"))]
    for path in _logs(folder)[:1]:
        days += [date.fromisoformat(each.at[:10]) for each in _lines(path)]
    first = min(days, default=pulled_on)
    return pulled_on - timedelta(days=1) if first < pulled_on else pulled_on


def _by_day(lines: Iterable[Spent]) -> list[DayUsage]:
    found: dict[str, tuple[Usage, int | None]] = {}
    for each in lines:
        used, size = found.get(each.at[:10], (Usage(), None))
        sizes = [one for one in (size, each.bytes) if one is not None]
        found[each.at[:10]] = (used + each.usage, max(sizes, default=None))
    return [
        DayUsage(date.fromisoformat(day), used.rows_read, used.rows_written, size)
        for day, (used, size) in found.items()
    ]


def _lines(path: Path) -> list[Spent]:
    return _parsed(path.read_bytes().splitlines())


def _parsed(lines: Iterable[bytes]) -> list[Spent]:
    found: list[Spent] = []
    for line in lines:
        try:
            entry = orjson.loads(line)
        except orjson.JSONDecodeError:  # a process was killed during a write
            continue
        usage = Usage(1, entry["rows_read"], entry["rows_written"])
        tables = {name: Usage(0, *each) for name, each in entry.get("tables", {}).items()}
        command, size = entry.get("command", ""), entry.get("bytes")
        found.append(Spent(entry["at"], usage, command, tables, size))
    return found


def _drop_old(folder: Path) -> None:
    """Remove the logs of old months, after their days are kept."""
    old = _logs(folder)[: -KEPT_MONTHS + 1]
    if old:
        keep_days(folder, "d1lab", _by_day(line for path in old for line in _lines(path)))
    for path in old:
        path.unlink(missing_ok=True)
