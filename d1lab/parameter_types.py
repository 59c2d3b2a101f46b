"""Parameter types of metrics and notebooks: accepted values, and parsing of text.

Conversions are strict: no integer from True, 3.0, or '3', and a day only from a day or YYYY-MM-DD.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Literal

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
