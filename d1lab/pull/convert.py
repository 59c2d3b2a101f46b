"""Convert D1 values to typed columns. SQLite stores any value in any column: a value that does not
match the declared type becomes NULL, and goes to quarantine with its position and reason.

Each value is checked on its own: the result does not depend on the rest of the batch.
"""

# pyright: standard, reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from d1lab.d1.database import Value
from d1lab.types import MOST_MONEY, TYPES, Kind

_OFFSET = r"(Z|[+-]\d\d(:?\d\d)?)"
_SHAPE = rf"^\d{{4}}-\d\d-\d\d([ T]\d\d(:\d\d(:\d\d(\.\d{{1,6}})?)?)?{_OFFSET}?)?$"
_NO_TEXT = pa.scalar(None, pa.string())
_UTC = pa.timestamp("us", "UTC")
_TIME = pa.timestamp("us")


class Unconverted(NamedTuple):
    """A value that does not match its column's type."""

    row: int  # 0-based position in the batch
    value: Value
    reason: str


class Converted(NamedTuple):
    """A column of a batch: NULL where a value does not match the type."""

    array: pa.Array
    unconverted: list[Unconverted]


def convert(values: Sequence[Value], kind: Kind) -> Converted:
    """Convert a column of values to its declared type.

    Args:
        values: The values as stored in SQLite: None, int, float, str, or bytes.
        kind: The column's declared type.

    >>> convert([1, "2", 2.5, None], "integer")
    Converted(array=<pyarrow.lib.Int64Array object at ...>
    [
      1,
      2,
      null,
      null
    ], unconverted=[Unconverted(row=2, value=2.5, reason='not an integer')])
    """
    stored, unconverted = _stored(values, kind)
    array, invalid = typed(stored, kind)
    unconverted += [Unconverted(row, values[row], TYPES[kind].range_reason) for row in invalid]
    return Converted(array, unconverted)


def typed(array: pa.Array, kind: Kind) -> tuple[pa.Array, list[int]]:
    """Convert an array from its stored type to the kind's; return it with the places that fail."""
    if kind == "money":
        return _within_money(array)
    if kind in ("timestamp", "date"):
        return _times(array, kind)
    return array, []


def _stored(values: Sequence[Value], kind: Kind) -> tuple[pa.Array, list[Unconverted]]:
    """Return values as an array of the stored type, in one step if all have one Python type."""
    wanted = TYPES[kind].stored_type
    try:
        array = pa.array(values)
        if array.type == wanted:
            return array, []
        if pa.types.is_null(array.type) or (
            pa.types.is_int64(array.type) and pa.types.is_floating(wanted)
        ):
            return array.cast(wanted), []
    except (ValueError, TypeError, OverflowError):
        pass  # mixed types: convert one by one
    return _one_by_one(values, TYPES[kind].read, wanted)


def _one_by_one(
    values: Sequence[Value], convert: Callable[[Value], Value], wanted: pa.DataType
) -> tuple[pa.Array, list[Unconverted]]:
    converted: list[Value] = []
    unconverted = []
    for row, value in enumerate(values):
        try:
            converted.append(None if value is None else convert(value))
        except ValueError as error:
            converted.append(None)
            unconverted.append(Unconverted(row, value, str(error)))
    return pa.array(converted, wanted), unconverted


def _within_money(array: pa.Array) -> tuple[pa.Array, list[int]]:
    extremes = pc.min_max(array).as_py()  # skips NULL and NaN; SQLite stores no NaN
    low, high = extremes["min"], extremes["max"]
    if low is None or (low > -MOST_MONEY and high < MOST_MONEY):
        return array, []
    invalid = pc.fill_null(pc.greater_equal(pc.abs(array), float(MOST_MONEY)), False)
    return _without(array, invalid)


def _without(array: pa.Array, invalid: pa.Array) -> tuple[pa.Array, list[int]]:
    places = pc.indices_nonzero(invalid).to_pylist()
    return pc.if_else(invalid, pa.scalar(None, array.type), array), places


def _times(array: pa.Array, kind: Kind) -> tuple[pa.Array, list[int]]:
    times, invalid = _parsed(array)
    earliest = pc.min(times)
    if earliest.is_valid and pc.less(earliest, _YEAR_1).as_py():
        times, early = _without(times, pc.fill_null(pc.less(times, _YEAR_1), False))
        invalid = sorted([*invalid, *early])
    return (times.cast(pa.date32(), safe=False) if kind == "date" else times), invalid


_YEAR_1 = pa.scalar(datetime.combine(date.min, datetime.min.time()), _TIME)


def _parsed(array: pa.Array) -> tuple[pa.Array, list[int]]:
    """Parse texts as times in UTC; a text without an offset counts as UTC."""
    for form in (_TIME, _UTC):
        try:
            return array.cast(form).cast(_TIME), []
        except pa.ArrowInvalid:
            continue  # Arrow parses either the whole array or nothing
    shaped = pc.if_else(pc.match_substring_regex(array, _SHAPE), array, _NO_TEXT)
    with_offset = pc.match_substring_regex(shaped, f"[ T].*{_OFFSET}$")
    times = pc.coalesce(
        _parsed_apart(pc.if_else(with_offset, _NO_TEXT, shaped), _TIME),
        _parsed_apart(pc.if_else(with_offset, shaped, _NO_TEXT), _UTC),
    )
    invalid = pc.and_(pc.is_valid(array), pc.is_null(times))
    return times, pc.indices_nonzero(invalid).to_pylist()


def _parsed_apart(array: pa.Array, form: pa.DataType) -> pa.Array:
    """Parse texts as times, each distinct text once; NULL where the text is not a valid time."""
    different = array.dictionary_encode()
    return pc.take(_halved(different.dictionary, form), different.indices)


def _halved(array: pa.Array, form: pa.DataType) -> pa.Array:
    """Parse texts as times, halving the array until each invalid text is isolated."""
    try:
        return array.cast(form).cast(_TIME)
    except pa.ArrowInvalid:
        if len(array) == 1:
            return pa.nulls(1, _TIME)
    half = len(array) // 2
    return pa.concat_arrays([_halved(array[:half], form), _halved(array[half:], form)])
