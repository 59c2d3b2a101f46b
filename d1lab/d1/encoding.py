"""Encode values as JSON that SQLite reads back exactly.

D1's HTTP API binds text only. A number inside a JSON text keeps its type; a value that JSON cannot
represent (a blob, a text with a NUL) is sent as hexadecimal digits in an object.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from numbers import Integral, Real
from typing import cast

import orjson

from d1lab.d1.database import Value
from d1lab.d1.sql_tokens import Token, statements, tokens
from d1lab.errors import D1QueryError, InputError

Encoded = None | int | float | str | dict[str, str]


def plain(value: object) -> Value:
    """Convert a Python value to a SQLite value.

    Dates become 'YYYY-MM-DD', times 'YYYY-MM-DD HH:MM:SS' in UTC (with the fraction of a second
    if there is one; a time without a zone counts as UTC), a Decimal the nearest number.

    Raises:
        InputError: The value is NaN, infinite, not a time, too large, or of another type.
    """
    if value is None or type(value) is str or type(value) is bytes:
        return value
    if isinstance(value, Integral):
        return _fitting(int(value))
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, Real):
        return _finite(float(value))
    if isinstance(value, date):
        return _moment(value)
    if isinstance(value, (str, bytes, bytearray, memoryview)):
        return value if isinstance(value, str) else bytes(cast("bytes", value))
    raise InputError(f"D1 cannot store a {type(value).__name__}: {value!r:.60}")


def _fitting(number: int) -> int:
    if not -(2**63) <= number < 2**63:
        raise InputError(f"integer exceeds 64 bits: {number}")
    return number


def _number(number: Decimal) -> int | float:
    _finite(float(number))
    whole = number == number.to_integral_value()
    return _fitting(int(number)) if whole and abs(number) >= 2**53 else float(number)


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise InputError(f"D1 cannot store {number}. Use None for missing values.")
    return number


def _moment(moment: date) -> str:
    if moment != moment:  # pandas.NaT is a datetime
        raise InputError("D1 cannot store NaT. Use None for missing values.")
    if not isinstance(moment, datetime):
        return moment.isoformat()
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment.isoformat(sep=" ")


def encode(value: Value) -> Encoded:
    """Convert a value for JSON: unsupported values become an object with hexadecimal digits."""
    if isinstance(value, bytes):
        return {"blob": value.hex()}
    if isinstance(value, str) and "\x00" in value:
        return {"text": value.encode().hex()}
    return value


def to_json(value: object) -> str:
    """Serialize values as JSON text for SQLite.

    Raises:
        InputError: A text is not valid Unicode.
    """
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError as error:
        raise InputError(f"a value cannot be written as JSON: {error}") from None


def extract(source: str, path: str, encoded: bool) -> str:
    """Return SQL that reads one value from JSON.

    Args:
        source: SQL of the JSON text, such as `?1` or `value`.
        path: The path in it, such as `$[0]`.
        encoded: Whether the value can be an object from `encode`.
    """
    bare = f"json_extract({source}, '{path}')"
    if not encoded:
        return bare
    return (
        f"CASE json_type({source}, '{path}') WHEN 'object' THEN "
        f"coalesce(unhex(json_extract({source}, '{path}.blob')), "
        f"CAST(unhex(json_extract({source}, '{path}.text')) AS TEXT)) ELSE {bare} END"
    )


def encoded_places(row: Sequence[Encoded]) -> frozenset[int]:
    """Return the positions in a row that have an object from `encode`."""
    return frozenset(place for place, cell in enumerate(row) if isinstance(cell, dict))


def bind_as_text(sql: str, params: Sequence[Value]) -> tuple[str, list[str]]:
    """Convert a statement and its parameters for D1's API: text only, with exact values.

    Texts stay separate parameters. All other values go into one JSON text, bound last, and
    each of their placeholders is replaced by an expression that reads the value from it.

    >>> bind_as_text("SELECT ?1, '?', ?2", ("a", 1))
    ("SELECT ?1, '?', json_extract(?2, '$[0]')", ['a', '[1]'])

    Raises:
        D1QueryError: The placeholders are named, or do not match the parameters.
    """
    if ";" in sql:  # D1 takes a comment after the last semicolon for a statement without SQL
        sql = next(statements(sql))
    found = _placeholders(sql, len(params))
    if all(type(value) is str for value in params):
        return sql, list(params)  # pyright: ignore[reportReturnType]
    texts = [value for value in params if isinstance(value, str)]
    others = [value for value in params if not isinstance(value, str)]
    spelled: dict[int, str] = {}
    source, at_text, at_other = f"?{len(texts) + 1}", 0, 0
    for number, value in enumerate(params, 1):
        if isinstance(value, str):
            at_text += 1
            spelled[number] = f"?{at_text}"
        else:
            spelled[number] = extract(source, f"$[{at_other}]", isinstance(value, bytes))
            at_other += 1
    return _respelled(sql, found, spelled), [*texts, to_json([encode(each) for each in others])]


def bind_by_name(sql: str, params: Sequence[Value]) -> tuple[str, dict[str, Value]]:
    """Convert a statement and its parameters to named parameters, for any Python's sqlite3.

    Python 3.12 warns if `?1` is bound to a sequence, and later versions can reject it.

    >>> bind_by_name("SELECT ?2, '?1', ?1", ("a", 1))
    ("SELECT :2, '?1', :1", {'1': 'a', '2': 1})

    Raises:
        D1QueryError: The placeholders are named, or do not match the parameters.
    """
    values = {str(number): value for number, value in enumerate(params, 1)}
    spelled = {number: f":{number}" for number in range(len(params) + 1)}
    return _respelled(sql, _placeholders(sql, len(params)), spelled), values


def _respelled(sql: str, found: list[tuple[Token, int]], spelled: dict[int, str]) -> str:
    """Replace each placeholder of a statement, by number."""
    pieces: list[str] = []
    end = 0
    for token, number in found:
        pieces += [sql[end : token.start], spelled[number]]
        end = token.start + len(token.text)
    return "".join([*pieces, sql[end:]])


def _placeholders(sql: str, count: int) -> list[tuple[Token, int]]:
    """Return the placeholders with their parameter numbers, counted as in SQLite."""
    found: list[tuple[Token, int]] = []
    highest = 0
    for token in tokens(sql):
        if token.kind != "parameter":
            continue
        if token.text[0] != "?":
            raise D1QueryError(f"named placeholder {token.text} is not supported. Use ?1, ?2, ...")
        number = int(token.text[1:] or highest + 1)
        highest = max(highest, number)
        found.append((token, number))
    if highest != count:
        raise D1QueryError(f"the statement has placeholders up to ?{highest}, but {count} values")
    return found


def tag(cell: str) -> str:
    """Return SQL that tags a value so that JSON keeps it exact; `untagged` reverses it.

    Integers become text 'i...' to avoid JSON's rounding; texts 't...'; infinities 'r+' and 'r-'.
    """
    return (
        f"CASE typeof({cell}) WHEN 'integer' THEN 'i' || {cell} WHEN 'text' THEN 't' || {cell} "
        f"WHEN 'real' THEN CASE {cell} WHEN 9e999 THEN 'r+' WHEN -9e999 THEN 'r-' ELSE {cell} END "
        f"ELSE {cell} END"
    )


def tagged(sql: str, columns: int) -> str:
    """Return a read statement with every cell of its result tagged.

    Args:
        sql: A SELECT, VALUES, or WITH.
        columns: The number of result columns.
    """
    names = [f"c{i}" for i in range(columns)]
    body = next(statements(sql))  # without a semicolon, or a comment after it
    head = f"WITH q({', '.join(names)}) AS (\n{body}\n)"
    return f"{head} SELECT {', '.join(map(tag, names))} FROM q"  # noqa: S608


def untagged(cell: Value) -> Value:
    """Return the value of a tagged cell."""
    if isinstance(cell, str):
        kind, text = cell[:1], cell[1:]
        return text if kind == "t" else int(text) if kind == "i" else float(f"{text}inf")
    return float(cell) if isinstance(cell, int) else cell
