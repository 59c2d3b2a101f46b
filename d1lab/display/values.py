"""Conversion of values for display (rounded, with units) and to JSON (exact, always valid)."""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, cast

from d1lab.display.currency import decimals_of, sign_of

Kind = Literal["text", "integer", "number", "money", "percent", "date", "trend"]
KINDS: tuple[Kind, ...] = ("text", "integer", "number", "money", "percent", "date", "trend")
NUMERIC: tuple[Kind, ...] = ("integer", "number", "money", "percent")
UNKNOWN = "–"

_MINUS = "−"


def plain(value: Any, longest: int = 1_000) -> Any:
    """Convert a cell to a JSON value: exact numbers, dates in ISO format, None if missing.

    A string longer than `longest` characters is cut, with its full length appended. A decimal that
    a double cannot represent exactly becomes a string, and so does infinity.
    """
    if hasattr(value, "item") and not isinstance(value, str):
        value = value.item()  # NumPy scalars
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None if math.isnan(value) else str(value)
    if isinstance(value, Decimal):
        return _plain_decimal(value)
    if isinstance(value, datetime):
        return None if value != value else value.isoformat(sep=" ")  # NaT != NaT
    if isinstance(value, date):
        return value.isoformat()
    text = str(value)
    if text in ("<NA>", "NaT") and not isinstance(value, str):
        return None  # pandas' NA and NaT
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text):,} characters)"


def _plain_decimal(value: Decimal) -> int | float | str | None:
    if value.is_nan():
        return None
    if value == value.to_integral_value():
        return int(value)
    near = float(value)
    return near if Decimal(repr(near)) == value else str(value)


def series(value: Any) -> list[int | float | None] | None:
    """Convert a cell with a list or an array of numbers to a JSON list; None if it is missing."""
    if value is None or isinstance(value, str) or not hasattr(value, "__len__"):
        return None
    cells = (plain(each) for each in value)
    known = [cell if isinstance(cell, int | float) else None for cell in cells]
    return known or None


def digits_for(values: list[Any], kind: Kind, unit: str = "") -> int:
    """Return the decimals for all numbers of a column; fewer for larger numbers.

    >>> digits_for([12.5], "money", "EUR"), digits_for([12.5], "money", "JPY")
    (2, 0)
    >>> digits_for([0.5], "number"), digits_for([0.0], "number")
    (3, 0)
    """
    if kind == "percent":
        return 1
    sizes = [abs(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    largest = max(sizes, default=0)
    if kind == "money":
        return 0 if largest >= 10_000 else decimals_of(unit)
    if kind == "integer" or largest >= 1_000:
        return 0
    if largest >= 1:
        return 1 if largest >= 10 else 2
    return 3 if largest else 0


def show(value: Any, kind: Kind = "number", unit: str = "", digits: int | None = None) -> str:
    """Format a JSON value; `UNKNOWN` for None.

    Args:
        value: Result of `plain`. A percent is a ratio: 0.25 is shown as 25.0%.
        kind: Kind of the value. A string in a numeric column is not changed.
        unit: Unit, shown after the number; the sign of a currency is shown before it.
        digits: Number of decimals; None to choose it by the size of the value.

    >>> show(1234567.891, "money", "USD"), show(-0.0312, "percent"), show(None)
    ('$1,234,568', '−3.1%', '–')
    """
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return _first_and_last(cast("list[int | float | None]", value))
    if isinstance(value, str) or kind in ("text", "date"):
        return str(value).removesuffix(" 00:00:00")
    decimals = digits_for([value], kind, unit) if digits is None else digits
    scaled = value * 100 if kind == "percent" else value
    number = f"{abs(scaled):,.{decimals}f}"
    sign = _MINUS if scaled < 0 and any(c in "123456789" for c in number) else ""
    if kind == "percent":
        return f"{sign}{number}%"
    if currency_sign := sign_of(unit):
        return f"{sign}{currency_sign}{number}"
    return f"{sign}{number} {_one_of(unit) if number == '1' else unit}".rstrip()


def _first_and_last(values: list[int | float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{known[0]:g} to {known[-1]:g}".replace("-", _MINUS) if known else UNKNOWN


def money(value: Any, currency: str = "") -> str:
    """Format an amount for a sentence; without a sign if the currency is unknown.

    >>> money(7007.46, "USD"), money(41.5, "USD"), money(41.5), money(None)
    ('$7,007', '$41.50', '41.50', '–')
    """
    amount = plain(value)
    whole = isinstance(amount, int | float) and (abs(amount) >= 1_000 or amount % 1 == 0)
    return show(amount, "money", currency, 0 if whole else None)


def _one_of(unit: str) -> str:
    """Return the singular of a unit, as in '1 product'."""
    return unit[:-1] if unit.islower() and unit.endswith("s") and len(unit) > 3 else unit


def as_text(shown: Any, printer: Any, _cycle: bool) -> None:
    """Print a display object in IPython as its plain text instead of as a tuple."""
    printer.text(shown._repr_mimebundle_()["text/plain"])


def sentence_case(name: str) -> str:
    """Convert the name of a column or metric to a label: `net_revenue` to `Net revenue`."""
    words = name.replace("_", " ").strip()
    return {"sku": "SKU"}.get(words.lower(), words[:1].upper() + words[1:])
