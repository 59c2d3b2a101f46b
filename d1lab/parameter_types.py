"""Parameter types of metrics and notebooks: accepted values, and parsing of text.

Conversions are strict: no integer from True, 3.0, or '3', and a day only from a day or YYYY-MM-DD.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Strict, TypeAdapter

ParameterKind = Literal["text", "integer", "number", "bool", "date"]

_NUMBERS = {
    "integer": (re.compile(r"[+-]?[0-9]+"), int),
    "number": (re.compile(r"[+-]?[0-9]*\.?[0-9]+([eE][+-]?[0-9]+)?"), Decimal),
}


def _written_day(value: object) -> object:
    is_day = isinstance(value, date) and value == value  # NaT is a date, but not equal to itself
    if is_day or (isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value)):
        return value
    raise ValueError("expected a day or YYYY-MM-DD")


def _unboxed(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value  # a numpy scalar


Day = Annotated[date, BeforeValidator(_written_day)]
"""A date, a datetime at midnight, or YYYY-MM-DD."""
TYPES: dict[ParameterKind, Any] = {
    "text": Annotated[str, Strict()],
    "integer": Annotated[int, Strict(), BeforeValidator(_unboxed)],
    "number": Annotated[Decimal, Strict()] | Annotated[float, Strict()],
    "bool": Annotated[bool, Strict()],
    "date": Day,
}


MOST_DAYS = 36_500  # a hundred years; with more, dates are out of range

_LIMIT = r"[+-]?[0-9][0-9_]*(?:\.[0-9]+)?"
_RANGE = re.compile(rf"\[({_LIMIT}) (?:to ({_LIMIT})|or more)\]")


class Range(NamedTuple):
    """The numbers that a parameter accepts, both limits included."""

    least: Decimal
    most: Decimal | None  # None: no upper limit

    def why_not(self, value: object) -> str:
        """Return what to use instead of a number outside of the range; '' for other values."""
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            return ""
        if self.least <= value and (self.most is None or value <= self.most):
            return ""
        return (
            f"{self.least:,} or more" if self.most is None else f"{self.least:,} to {self.most:,}"
        )


def range_of(name: str, text: str) -> Range | None:
    """Return the range that a parameter's help text declares, or that of a count of days or weeks.

    >>> range_of("share", "share of visitors in B [0 to 1]").why_not(-1)
    '0 to 1'
    >>> range_of("rows", "rows to show [1 or more]").why_not(0), range_of("rows", "rows to show")
    ('1 or more', None)
    >>> range_of("days", "").why_not(-5), range_of("lead_time_days", "").why_not(0)
    ('1 to 36,500', '')
    """
    if declared := _RANGE.search(text):
        least, most = declared.groups()
        return Range(Decimal(least), Decimal(most) if most else None)
    unit = re.fullmatch(r"(?:\w+_)?(days|weeks)", name)
    if unit is None:
        return None
    least = 0 if name.startswith(("lead", "later")) else 1  # no holdout
    return Range(Decimal(least), Decimal(MOST_DAYS if unit[1] == "days" else MOST_DAYS // 7))


@lru_cache
def adapter(type_: Any) -> TypeAdapter[Any]:
    """Return the cached adapter of a type; it raises pydantic's ValidationError, a ValueError."""
    return TypeAdapter(type_)


def as_day(value: object) -> date:
    """Convert a date, a datetime at midnight, or 'YYYY-MM-DD' to a date.

    Raises:
        ValueError: It is none of these.
    """
    return adapter(Day).validate_python(value)


def from_text(kind: ParameterKind | None, text: str) -> str | int | Decimal | bool:
    """Convert text to a number or boolean if the kind requires it and the text is valid."""
    if kind == "bool":
        return {"true": True, "false": False}.get(text, text)
    form, read = _NUMBERS.get(kind or "", (None, None))
    return read(text) if form and read and form.fullmatch(text) else text
