"""What D1 billed, for a report: the days, and d1lab's part by table, command, and report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import orjson

from d1lab.d1.usage_days import DayUsage, Source
from d1lab.d1.usage_log import complete_until, days_until, lines_since
from d1lab.errors import InputError
from d1lab.parameter_types import as_day

if TYPE_CHECKING:
    from d1lab.lab.lab import Lab

RUNS = "runs"


class UsagePart(NamedTuple):
    """Rows that D1 billed for a table, a command, or a report."""

    name: str
    rows_read: int
    rows_written: int


class BilledUsage(NamedTuple):
    """Usage of a database up to a day, UTC."""

    until: date  # the last day
    is_complete: bool  # False on the first day, which is not over
    source: Source  # 'cloudflare', or 'd1lab' for what d1lab used only
    plan: Literal["free", "paid"]
    days: tuple[DayUsage, ...]  # all that are known, the oldest first, without gaps
    by_table: tuple[UsagePart, ...]  # d1lab's part of the last days, the most written first
    by_command: tuple[UsagePart, ...]
    by_report: tuple[UsagePart, ...]  # reports share pulls, so these add up to more than is billed


class UsageMixin:
    """Usage of a Lab's database."""

    database: str
    folder: Path
    plan: Literal["free", "paid"] = "paid"

    def usage(self, as_of: date | str | None = None, *, days: int = 31) -> BilledUsage:
        """Return what D1 billed by day, and d1lab's part of the last days.

        Args:
            as_of: The last day, UTC; None for the last complete day before the last pull.
            days: Days of the parts by table, command, and report.

        Raises:
            InputError: The day is invalid, or not one of the usage's.
        """
        calendar = UsageDays(cast("Lab", self))
        until = calendar.as_of("", as_of)
        source, found = days_until(self.folder, until)
        parts = usage_parts(self.folder, until - timedelta(days=days - 1), until)
        is_complete = until < calendar.pulled_on
        return BilledUsage(until, is_complete, source, self.plan, tuple(found), *parts.values())


class UsageDays:
    """The days of a database's usage, UTC, as a lab has those of a shop's data.

    Args:
        lab: The lab of the database.
    """

    def __init__(self, lab: Lab) -> None:
        self.folder = lab.folder
        self.pulled_on = (lab.freshness("").pulled_at or datetime.now(UTC)).date()

    def as_of(self, shop: str = "", as_of: date | str | None = None) -> date:
        """Return the given day, or the last complete one before the last pull.

        Without a complete day, that is the day of the pull.

        Args:
            shop: Not used: usage is that of all shops.
            as_of: Date, or YYYY-MM-DD; None for the last day.

        Raises:
            InputError: The day is invalid, or not one of the usage's.
        """
        last = complete_until(self.folder, self.pulled_on)
        if as_of is None:
            return last
        try:
            day = as_day(as_of)
        except ValueError:
            raise InputError(f"invalid as_of={as_of!r}. Use YYYY-MM-DD.") from None
        known = [each.day for each in days_until(self.folder, last)[1]]
        first = min(known, default=last)
        if not first <= day <= last:
            raise InputError(
                f"as_of={day} is outside the days of D1's usage ({first} to {last}, UTC). Use a "
                "day in this range, or latest."
            )
        return day


def usage_parts(folder: Path, since: date, until: date) -> dict[str, tuple[UsagePart, ...]]:
    """Return d1lab's own part of the usage: `by_table`, `by_command`, and `by_report`.

    Args:
        folder: The database's, `data/<database>`.
        since: The first day, UTC.
        until: The last day.
    """
    lines = [line for line in lines_since(folder, since) if line.at[:10] <= str(until)]
    tables = ((name, used) for line in lines for name, used in line.tables.items())
    return {
        "by_table": _summed((name or "(catalog)", used[1], used[2]) for name, used in tables),
        "by_command": _summed((x.command or "(other)", x.usage[1], x.usage[2]) for x in lines),
        "by_report": _summed(_runs(folder / RUNS, since, until)),
    }


def _runs(folder: Path, since: date, until: date) -> Iterator[tuple[str, int, int]]:
    """Yield the report and the rows of each run that started on these days."""
    for path in folder.glob("*/run.json"):
        if not f"{since:%Y%m%d}" <= path.parent.name[:8] <= f"{until:%Y%m%d}":
            continue
        try:
            run: dict[str, Any] = orjson.loads(path.read_bytes())
        except (OSError, orjson.JSONDecodeError):  # being written, or damaged
            continue
        pushed: dict[str, int] = run.get("pushed") or {}
        read = run.get("data_rows_read", 0) + pushed.get("rows_read", 0)
        yield run["report"], read, pushed.get("rows_written", 0)


def _summed(rows: Iterable[tuple[str, int, int]]) -> tuple[UsagePart, ...]:
    sums: dict[str, tuple[int, int]] = {}
    for name, read, written in rows:
        before = sums.get(name, (0, 0))
        sums[name] = (before[0] + read, before[1] + written)
    found = [UsagePart(name, *both) for name, both in sums.items()]
    return tuple(sorted(found, key=lambda part: (-part.rows_written, -part.rows_read, part.name)))
