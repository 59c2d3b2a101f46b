"""The types of D1's columns, each declared once.

For each type: its warehouse type, its Arrow type, the D1 values that convert to it, the values and
frame columns that it accepts, its storage in D1, and its name in messages.

SQLite stores any value in any column. `read` checks values from D1 (rejected values go to
quarantine), `store` checks values of a report (a rejected value stops a push).
"""

# pyright: standard

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

if TYPE_CHECKING:
    import pyarrow as pa

Type = Literal["integer", "real", "money", "text", "timestamp", "date", "json"]
"""The types of columns in the catalog."""

Kind = Type | Literal["blob"]
"""The types of warehouse columns, including D1 columns that are not in the catalog."""

Family = Literal["text", "whole", "number", "day"]
"""Families of input values: 'day' includes times, 'number' includes fractions."""

Scalar = int | float | str | bytes | None
"""A value as stored in D1."""

MOST_MONEY = 10**12
"""The upper limit of amounts: DECIMAL(18, 6) has twelve digits before the point."""

MICRO = Decimal("0.000001")
"""The smallest amount that DECIMAL(18, 6) distinguishes from zero."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_INTEGER = re.compile(r"[+-]?\d+")


class ColumnType(NamedTuple):
    """One column type.

    Attributes:
        kind: Its name in the catalog.
        words: The name of its values in messages.
        duckdb: Its type in the warehouse.
        storage: Its SQLite storage class, as returned by `typeof`.
        arrow: Its Arrow type in batches for the warehouse.
        staged: Its Arrow type in a run's outbox.
        read: Converts a D1 value (never None) to Python; times stay text. Raises ValueError
            with the reason for the quarantine.
        store: Converts a report's value to a D1 value. Raises TypeError or ValueError.
        staged_from: The families of frame columns that can be staged for it.
        tracked_from: The families of event values that it accepts, in JSON or a frame.
        range_reason: The reason if a value is out of range although `read` accepts it.
    """

    kind: Kind
    words: str
    duckdb: str
    storage: Literal["integer", "real", "text", "blob"]
    arrow: str
    staged: str
    read: Callable[[Any], Scalar]
    store: Callable[[Any], Scalar]
    staged_from: frozenset[Family]
    tracked_from: frozenset[Family]
    range_reason: str = ""

    @property
    def arrow_type(self) -> pa.DataType:
        """The Arrow type in batches."""
        return _arrow(self.arrow)

    @property
    def staged_type(self) -> pa.DataType:
        """The Arrow type in a run's outbox."""
        return _arrow(self.staged)

    @property
    def stored_type(self) -> pa.DataType:
        """The Arrow type when read from SQLite, where times and dates are text."""
        return _arrow("string" if self.storage == "text" else self.arrow)


def families_of(arrow: pa.DataType) -> frozenset[Family]:
    """Return the family of an Arrow type; empty if unsupported, as booleans and lists are."""
    import pyarrow.types as is_

    families: dict[Family, bool] = {
        "text": is_.is_string(arrow) or is_.is_large_string(arrow) or is_.is_string_view(arrow),
        "whole": is_.is_integer(arrow),
        "number": is_.is_floating(arrow) or is_.is_decimal(arrow),
        "day": is_.is_date(arrow) or is_.is_timestamp(arrow),
    }
    return frozenset(family for family, is_it in families.items() if is_it)


def python_types(families: frozenset[Family]) -> tuple[type, ...]:
    """Return the Python classes of these families; bool is an int, so the caller must check it.

    >>> python_types(frozenset({"day", "text"}))
    (<class 'datetime.date'>, <class 'str'>)
    """
    return tuple(kind for family in sorted(families) for kind in _PYTHON[family])


def _arrow(alias: str) -> pa.DataType:
    import pyarrow as pa

    return pa.decimal128(18, 6) if alias == "decimal128(18, 6)" else pa.type_for_alias(alias)


def _read_integer(value: Scalar) -> int:
    is_text = isinstance(value, str) and _INTEGER.fullmatch(value)
    is_whole = isinstance(value, (int, float)) and value % 1 == 0
    if not (is_text or is_whole):
        raise ValueError("not an integer")
    whole = int(cast("int | float | str", value))
    if not _is_64_bit(whole):
        raise ValueError("an integer above 64 bits")
    return whole


def _read_real(value: Scalar) -> float:
    if isinstance(value, (int, float)) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        return float(value)
    raise ValueError("not a number")


def _read_money(value: Scalar) -> float:
    number = _read_real(value)
    if isinstance(value, str) and abs(number) < MOST_MONEY:
        exact = Decimal(value).quantize(MICRO)
        if Decimal(number).quantize(MICRO) != exact:
            raise ValueError("more digits than D1 can store")
    return number


def _read_text(value: Scalar) -> str:
    if isinstance(value, bytes):
        raise ValueError("a blob, or text that is not UTF-8")
    try:
        return str(value).encode().decode()
    except UnicodeEncodeError:
        raise ValueError("a lone surrogate, which is not valid text") from None


def _read_blob(value: Scalar) -> bytes:
    if isinstance(value, str):
        return value.encode(errors="surrogatepass")
    if not isinstance(value, bytes):
        raise ValueError("not a blob")
    return value


def _store_integer(value: Any) -> int:
    whole = int(value) if isinstance(value, int | float | Decimal) else None
    if whole is None or whole != value:
        raise ValueError("not a whole number")
    if not _is_64_bit(whole):
        raise ValueError("exceeds 64 bits")
    return whole


def _store_real(value: Any) -> float:
    if isinstance(value, str | bytes):
        raise TypeError("text")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("infinite")
    return number


def _store_money(value: Any) -> float:
    _store_real(value)
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    return float(exact.quantize(MICRO, ROUND_HALF_EVEN))


def _store_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a {type(value).__name__}")
    return value


def _store_timestamp(value: Any) -> str:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    elif not isinstance(value, date):
        raise TypeError(f"a {type(value).__name__}")
    elif not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if value.tzinfo is not None:
        value = value.astimezone(UTC)
    return value.strftime("%Y-%m-%d %H:%M:%S")


def _store_date(value: Any) -> str:
    moment = _store_timestamp(value)
    if not moment.endswith(" 00:00:00"):
        raise ValueError("has a time of day")
    return date.fromisoformat(moment[:10]).isoformat()


def _store_blob(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(f"a {type(value).__name__}")
    return value


def _is_64_bit(whole: int) -> bool:
    return -(2**63) <= whole < 2**63


_PYTHON: dict[Family, tuple[type, ...]] = {
    "text": (str,),
    "whole": (int, Integral),  # NumPy's integers are Integral
    "number": (float, Decimal),
    "day": (date,),  # a datetime is a date
}


_NUMBERS: frozenset[Family] = frozenset({"whole", "number"})
_TEXTS: frozenset[Family] = frozenset({"text"})
_IDENTIFIERS: frozenset[Family] = frozenset({"text", "whole"})  # no float is one: 17850.0
_DAYS: frozenset[Family] = frozenset({"day", "text"})


TYPES: dict[Kind, ColumnType] = {
    each.kind: each
    for each in (
        ColumnType(
            "integer",
            "whole numbers",
            duckdb="BIGINT",
            storage="integer",
            arrow="int64",
            staged="int64",
            read=_read_integer,
            store=_store_integer,
            staged_from=_NUMBERS,
            tracked_from=_NUMBERS | _TEXTS,
        ),
        ColumnType(
            "real",
            "numbers",
            duckdb="DOUBLE",
            storage="real",
            arrow="float64",
            staged="float64",
            read=_read_real,
            store=_store_real,
            staged_from=_NUMBERS,
            tracked_from=_NUMBERS | _TEXTS,
        ),
        ColumnType(
            "money",
            "amounts",
            duckdb="DECIMAL(18, 6)",  # exact sums, regardless of thread order
            storage="real",
            arrow="float64",  # D1 has no decimals; DuckDB rounds to 6 places
            staged="decimal128(18, 6)",
            read=_read_money,
            store=_store_money,
            staged_from=_NUMBERS,
            tracked_from=_NUMBERS | _TEXTS,
            range_reason="out of the range of DECIMAL(18, 6)",
        ),
        ColumnType(
            "text",
            "text",
            duckdb="VARCHAR",
            storage="text",
            arrow="string",
            staged="string",
            read=_read_text,
            store=_store_text,
            staged_from=_TEXTS,
            tracked_from=_IDENTIFIERS,
        ),
        ColumnType(
            "json",
            "JSON text",
            duckdb="VARCHAR",  # unchanged: malformed JSON is left to readers
            storage="text",
            arrow="string",
            staged="string",
            read=_read_text,
            store=_store_text,
            staged_from=_TEXTS,
            tracked_from=_TEXTS,
        ),
        ColumnType(
            "timestamp",
            "times (UTC)",
            duckdb="TIMESTAMP",  # UTC
            storage="text",
            arrow="timestamp[us]",
            staged="timestamp[us]",
            read=_read_text,
            store=_store_timestamp,
            staged_from=_DAYS,
            tracked_from=_DAYS,
            range_reason="not a time",
        ),
        ColumnType(
            "date",
            "dates",
            duckdb="DATE",
            storage="text",
            arrow="date32",
            staged="date32",
            read=_read_text,
            store=_store_date,
            staged_from=_DAYS,
            tracked_from=_DAYS,
            range_reason="not a date",
        ),
        ColumnType(
            "blob",
            "bytes",
            duckdb="BLOB",
            storage="blob",
            arrow="binary",
            staged="binary",
            read=_read_blob,
            store=_store_blob,
            staged_from=frozenset(),
            tracked_from=frozenset(),
        ),
    )
}
