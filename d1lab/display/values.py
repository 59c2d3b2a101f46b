"""Values as a reader sees them: rounded, with units; and as JSON: exact, and always valid."""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from d1lab.display.currency import decimals_of, sign_of

Kind = Literal["text", "integer", "number", "money", "percent", "date"]
KINDS: tuple[Kind, ...] = ("text", "integer", "number", "money", "percent", "date")
NUMERIC: tuple[Kind, ...] = ("integer", "number", "money", "percent")
UNKNOWN = "–"

_MINUS = "−"


def plain(value: Any, longest: int = 1_000) -> Any:
    """A cell as a JSON value: numbers exact, dates in ISO form, anything unknown as None.

    A text over `longest` characters is cut, with its true length named. A decimal that a double
    cannot hold stays a text of its digits; so does infinity, for which JSON has no number.
    """
    if hasattr(value, "item") and not isinstance(value, str):
        value = value.item()  # numpy's scalars
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None if math.isnan(value) else str(value)
    if isinstance(value, Decimal):
        return _plain_decimal(value)
    if isinstance(value, datetime):
        return None if value != value else value.isoformat(sep=" ")  # NaT is not itself
    if isinstance(value, date):
        return value.isoformat()
    text = str(value)
    if text in ("<NA>", "NaT") and not isinstance(value, str):
        return None  # pandas' missing values
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text):,} characters)"


def _plain_decimal(value: Decimal) -> int | float | str | None:
    if value.is_nan():
        return None
    if value == value.to_integral_value():
        return int(value)
    near = float(value)
    return near if Decimal(repr(near)) == value else str(value)


def digits_for(values: list[Any], kind: Kind, unit: str = "") -> int:
    """Decimals for a column of one kind, so that its numbers align: fewer the larger they are.

    >>> digits_for([12.5], "money", "EUR"), digits_for([12.5], "money", "JPY")
    (2, 0)
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
    return 3


def show(value: Any, kind: Kind = "number", unit: str = "", digits: int | None = None) -> str:
    """A JSON value as a reader sees it; `UNKNOWN` for None.

    Args:
        value: As `plain` gives it. A percent is a ratio: 0.25 shows as 25.0 %.
        kind: How to read it. A text in a numeric column is shown as it stands.
        unit: Written after the number; a currency that has a sign, such as USD, before it.
        digits: Decimals; None chooses by the value's size.

    >>> show(1234567.891, "money", "USD"), show(-0.0312, "percent"), show(None)
    ('$1,234,568', '−3.1 %', '–')
    """
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) or kind in ("text", "date"):
        return str(value).removesuffix(" 00:00:00")
    decimals = digits_for([value], kind, unit) if digits is None else digits
    scaled = value * 100 if kind == "percent" else value
    number = f"{abs(scaled):,.{decimals}f}"
    sign = _MINUS if scaled < 0 and any(c in "123456789" for c in number) else ""
    if kind == "percent":
        return f"{sign}{number} %"
    if currency_sign := sign_of(unit):
        return f"{sign}{currency_sign}{number}"
    return f"{sign}{number} {_one_of(unit) if number == '1' else unit}".rstrip()


def money(value: Any, currency: str = "") -> str:
    """An amount in running text; without a sign where the currency is unknown.

    >>> money(7007.46, "USD"), money(41.5, "USD"), money(41.5), money(None)
    ('$7,007', '$41.50', '41.50', '–')
    """
    amount = plain(value)
    whole = isinstance(amount, int | float) and (abs(amount) >= 1_000 or amount % 1 == 0)
    return show(amount, "money", currency, 0 if whole else None)


def _one_of(unit: str) -> str:
    """The unit of a single thing: '1 product'."""
    return unit[:-1] if unit.islower() and unit.endswith("s") and len(unit) > 3 else unit


def as_text(shown: Any, printer: Any, _cycle: bool) -> None:
    """How IPython prints what a notebook shows: as its own plain text, not as the tuple it is."""
    printer.text(shown._repr_mimebundle_()["text/plain"])


def sentence_case(name: str) -> str:
    """A column's or metric's name as a label: `net_revenue` becomes `Net revenue`."""
    words = name.replace("_", " ").strip()
    return {"sku": "SKU"}.get(words.lower(), words[:1].upper() + words[1:])
