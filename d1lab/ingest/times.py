"""Parse times in the formats of people and programs, such as '13/03/2025 2:05 PM', as UTC.

Formats: ISO 8601 with or without separators, day first or month first, month names, seconds and
milliseconds since 1970. Whether 3/1 is March 1 or January 3 is inferred from the whole file:
'13/3' has only one reading. If no day in the file is unambiguous, nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from d1lab.errors import InputError

DAY_FIRST, MONTH_FIRST = "day-first", "month-first"
SHAPE = "%Y-%m-%d %H:%M:%S"

_CLOCK = (
    r"(?:[T,]?\s*(?:at\s+)?(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?)?\s*(?P<offset>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?"
)
_NUMBERS = re.compile(
    rf"(?P<a>\d{{1,2}})(?P<sep>[/.-])(?P<b>\d{{1,2}})(?P=sep)(?P<year>\d{{4}}|\d\d)\s*{_CLOCK}"
)
_YEAR_FIRST = re.compile(
    rf"(?P<year>\d{{4}})(?P<sep>[/.-]?)(?P<month>\d{{1,2}})(?P=sep)(?P<day>\d{{1,2}})\s*{_CLOCK}"
)
_BASIC = re.compile(
    r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)T?(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)?"
    r"(?P<half>)(?P<offset>Z|[+-]\d{2}:?\d{2})?"
)
_NAMED = re.compile(
    rf"(?:[A-Za-z]{{3,9}}\.?,?\s+)?(?:(?P<month>[A-Za-z]{{3,9}})\.?\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?"
    rf"|(?P<day2>\d{{1,2}})[ .-]+(?P<month2>[A-Za-z]{{3,9}})\.?),?[ -]+"
    rf"(?P<year>\d{{4}}|\d\d)\s*{_CLOCK}"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_EPOCH = re.compile(r"(?P<seconds>[12]?\d{9})(?P<more>\d{3}|\d{6})?(?:\.\d+)?")


def order_of_days(texts: Iterable[str]) -> str | None:
    """Return whether days or months come first; None if no text decides it.

    >>> order_of_days(["3/1/2025", "13/1/2025"])
    'day-first'

    Raises:
        InputError: Some texts need the day first, some the month.
    """
    found: dict[str, str] = {}
    for text in texts:
        match = _NUMBERS.fullmatch(text.strip())
        if match and match["sep"] != ".":
            first, second = int(match["a"]), int(match["b"])
            if first > 12 >= second:
                found.setdefault(DAY_FIRST, text)
            elif second > 12 >= first:
                found.setdefault(MONTH_FIRST, text)
    if len(found) > 1:
        raise InputError(
            f"days use two formats: {found[DAY_FIRST]!r} has the day first, "
            f"{found[MONTH_FIRST]!r} the month. Use one of them in the whole file."
        )
    return next(iter(found), None)


def unsettled(texts: Iterable[str]) -> str | None:
    """Return an ambiguous text, such as '3/1/2025'; None if there is none."""
    for text in texts:
        match = _NUMBERS.fullmatch(text.strip())
        if match and match["sep"] != "." and int(match["a"]) != int(match["b"]):
            return text
    return None


def both_readings(text: str) -> tuple[str, str]:
    """Return the day of a text, read with the day first and with the month first.

    >>> both_readings("3/1/2025 10:00")
    ('January 3, 2025', 'March 1, 2025')
    """
    days = (_local(text, order) for order in (DAY_FIRST, MONTH_FIRST))
    first, second = (f"{day:%B} {day.day}, {day:%Y}" if day else text for day in days)
    return first, second


def utc_texts(texts: Iterable[str], zone: str, order: str | None) -> Mapping[str, str]:
    """Return the UTC time of each text that is a time.

    Args:
        texts: The texts.
        zone: The zone of times without an offset. A time skipped by daylight saving is read as
            standard time; of a repeated time, the first counts.
        order: 'day-first' or 'month-first'; dates with dots are always day first.
    """
    made = {text: _utc(text, ZoneInfo(zone), order or DAY_FIRST) for text in texts}
    return {text: moment for text, moment in made.items() if moment}


def own_day(path: Path, zone: str) -> date:
    """Return the day on which a file was last written, in a time zone; '' for UTC."""
    return datetime.fromtimestamp(path.stat().st_mtime, ZoneInfo(zone or "UTC")).date()


def _utc(text: str, zone: ZoneInfo, order: str) -> str | None:
    try:
        moment = _local(text, order)
        if moment is None:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        return moment.astimezone(UTC).strftime(SHAPE) if moment.year > 1 else None
    except (ValueError, OverflowError):
        return None


def _local(text: str, order: str) -> datetime | None:
    """Parse a text's time, with its offset if it has one."""
    text = text.strip()
    if match := _EPOCH.fullmatch(text):
        return datetime.fromtimestamp(int(match["seconds"]), UTC)
    try:
        if match := _NUMBERS.fullmatch(text):
            first, second = int(match["a"]), int(match["b"])
            is_day_first = order == DAY_FIRST or match["sep"] == "."
            day, month = (first, second) if is_day_first else (second, first)
            return _moment(match, month, day)
        if match := _YEAR_FIRST.fullmatch(text) or _BASIC.fullmatch(text):
            return _moment(match, int(match["month"]), int(match["day"]))
        if match := _NAMED.fullmatch(text):
            month = _MONTHS.index((match["month"] or match["month2"])[:3].lower()) + 1
            return _moment(match, month, int(match["day"] or match["day2"]))
        return parsedate_to_datetime(text) if "," in text[:4] else None
    except (ValueError, IndexError):
        return None


def _moment(match: re.Match[str], month: int, day: int) -> datetime:
    year = int(match["year"])
    hour, minute, second = (int(match[part] or 0) for part in ("hour", "minute", "second"))
    if match["half"]:
        hour = hour % 12 + (12 if match["half"][0] in "Pp" else 0)
    return datetime(
        year + 2000 if year < 100 else year,
        month,
        day,
        hour,
        minute,
        second,
        tzinfo=_offset(match["offset"]),
    )


def _offset(text: str | None) -> timezone | None:
    if not text:
        return None
    if text[0] not in "+-":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-size if text[0] == "-" else size)
