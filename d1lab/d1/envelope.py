"""Validate the structure of D1's API responses before using them.

A response that is truncated, empty, or of another structure is no evidence about the data. It
raises `D1UnavailableError`, which `transport` retries if that is safe, so that "no rows" always
comes from D1 and never from a damaged response.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple, TypeGuard, TypeVar, cast

import httpx2
import orjson

from d1lab.d1.database import Result, Statement, Usage, Value
from d1lab.d1.error_mapping import error_for
from d1lab.d1.limits import is_read
from d1lab.errors import D1Error, D1UnavailableError

T = TypeVar("T")

_LASTING = (401, 403, 404, 413)  # statuses with the same meaning without D1's JSON
_CELLS = {type(None), int, float, str, list}
_INTEGERS = 2**63


class MisshapenError(ValueError):
    """A part of a response has an invalid structure; the message names it."""


def opened(answer: httpx2.Response, read: Callable[[Any], T]) -> T:
    """Return the `result` of a response that reports success at every level, converted by `read`.

    Args:
        answer: The HTTP response.
        read: Checks and converts the `result`; raises `MisshapenError`.

    Raises:
        D1UnavailableError: The response is incomplete or has another structure.
        D1Error: D1 returned an error; `d1lab.d1.error_mapping` chooses the subclass.
    """
    envelope = _parsed(answer.content)
    if not _is_object(envelope):
        raise _without_json(answer)
    if not answer.is_success or envelope.get("success") is False:
        raise _failed(answer, envelope)
    try:
        if envelope.get("success") is not True:
            raise MisshapenError("'success' is not true")
        _require_no_failure(answer, envelope.get("result"))
        return read(envelope.get("result"))
    except MisshapenError as error:
        raise D1UnavailableError(
            f"D1's response is incomplete or damaged: {error}. It was not used. Try again.",
            status=answer.status_code,
        ) from None


def results_of(statements: Sequence[Statement]) -> Callable[[Any], list[Result]]:
    """Return a reader of the results of these statements, one for each.

    A read statement has columns, and rows of that width, at least as many as it always returns;
    a write statement can have none.
    """

    def read(found: Any) -> list[Result]:
        answers = _list_of_objects(found)
        if len(answers) != len(statements):
            raise MisshapenError(f"{len(answers)} results for {len(statements)} statements")
        pairs = zip(statements, answers, strict=True)
        return [_result(statement, answer) for statement, answer in pairs]

    return read


class Session(NamedTuple):
    """A response of the gateway: results, and the session that they were read in."""

    results: list[Any]  # for the reader of `results_of`
    bookmark: str
    is_renewed: bool  # the bookmark replaces the one that was asked for
    served: list[tuple[str, bool]]  # for each statement: region, and whether by the primary
    cost: tuple[int, int]  # rows read and written to carry out the request once


def session_of(found: Any) -> Session:
    """Read a response of the gateway."""
    envelope = object_of(found)
    results, mark = _list_of_objects(envelope.get("results")), envelope.get("bookmark")
    if mark is not None and not isinstance(mark, str):
        raise MisshapenError("the bookmark is not a text")
    metas = [object_of(each.get("meta", {})) for each in results]
    served = [
        (str(meta.get("served_by_region") or ""), meta.get("served_by_primary") is not False)
        for meta in metas
    ]
    cost = object_of(envelope.get("cost", {}))
    rows = (_count(cost, "rows_read"), _count(cost, "rows_written"))
    return Session(results, mark or "", envelope.get("is_renewed") is True, served, rows)


def ids_by_name(found: Any) -> dict[str, str]:
    """Read a page of the list of databases as ids by name."""
    listed = _list_of_objects(found)
    if not all(isinstance(each.get(key), str) for each in listed for key in ("name", "uuid")):
        raise MisshapenError("a database in the list has no name or no id")
    return {each["name"]: each["uuid"] for each in listed}


def bookmark(found: Any) -> str | None:
    """Read a database's bookmark; None if there is none."""
    mark = object_of(found).get("bookmark") if found is not None else None
    if mark is not None and not isinstance(mark, str):
        raise MisshapenError("the bookmark is not a text")
    return mark or None


def file_size(found: Any) -> int | None:
    """Read a database's size in bytes; None if D1 does not return it."""
    return None if object_of(found).get("file_size") is None else _count(found, "file_size")


def _require_no_failure(answer: httpx2.Response, found: Any) -> None:
    """Raise the error of a failed statement in a batch whose envelope reports success."""
    for each in found if _is_list(found) else ():
        if _is_object(each) and each.get("success") is False:
            raise _rejection(answer, str(each.get("error") or "a statement failed"), None)


def _result(statement: Statement, answer: dict[str, Any]) -> Result:
    if answer.get("success", True) is not True:
        raise MisshapenError("'success' of a result is not true")
    meta = object_of(answer.get("meta", {}))
    usage = Usage(0, _count(meta, "rows_read"), _count(meta, "rows_written"))
    columns, rows = _table(answer.get("results"), is_read(statement.sql))
    if len(rows) < statement.least_rows:
        raise MisshapenError(f"{len(rows)} rows, expected {statement.least_rows} or more")
    size = _count(meta, "size_after") or None
    return Result(columns, rows, usage, _count(meta, "changes"), size)


def _table(found: Any, reads: bool) -> tuple[tuple[str, ...], list[tuple[Value, ...]]]:
    if not reads and not found:
        return (), []
    table = object_of(found)
    columns, rows = table.get("columns"), table.get("rows")
    if not _is_list(columns) or not all(isinstance(name, str) for name in columns):
        raise MisshapenError("a result has no columns")
    if not _is_list(rows) or not all(_is_list(row) for row in rows):
        raise MisshapenError("a result has no rows")
    if any(len(row) != len(columns) for row in rows) or (reads and not columns):
        raise MisshapenError(f"a row is not as wide as its {len(columns)} columns")
    return tuple(columns), _cells(rows)


def _cells(rows: list[list[Any]]) -> list[tuple[Value, ...]]:
    """Convert rows to tuples; D1 sends a blob as a list of bytes."""
    kinds: set[type[Any]] = {type(cell) for cell in chain.from_iterable(rows)}
    if not kinds <= _CELLS:
        raise MisshapenError("a value has a type that D1 does not have")
    if list in kinds:
        try:
            return [
                tuple(bytes(cast("list[int]", c)) if type(c) is list else c for c in row)
                for row in rows
            ]
        except (TypeError, ValueError):
            raise MisshapenError("a blob contains a value that is not a byte") from None
    return [tuple(row) for row in rows]


def _count(meta: dict[str, Any], name: str) -> int:
    """Read a number in `meta`; 0 if missing."""
    value = meta.get(name)
    if value is None:
        return 0
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not 0 <= value < _INTEGERS:
        raise MisshapenError(f"'{name}' is not a count")
    return int(value)


def _is_object(found: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(found, dict)


def _is_list(found: object) -> TypeGuard[list[Any]]:
    return isinstance(found, list)


def object_of(found: Any) -> dict[str, Any]:
    """Return a part of a response that has to be an object."""
    if not _is_object(found):
        raise MisshapenError(f"{_kind(found)} instead of an object")
    return found


def _list_of_objects(found: Any) -> list[dict[str, Any]]:
    if not _is_list(found):
        raise MisshapenError(f"{_kind(found)} instead of a list")
    return [object_of(each) for each in found]


def _kind(found: Any) -> str:
    return "nothing" if found is None else f"a {type(found).__name__}"


def _parsed(content: bytes) -> object:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        pass  # orjson rejects lone surrogates and infinities, which the json module reads
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _without_json(answer: httpx2.Response) -> D1Error:
    """Return the error for a response without D1's JSON: a proxy's page, truncated, or empty."""
    message = f"HTTP {answer.status_code} without D1's JSON ({len(answer.content):,} bytes)"
    return _unexplained(answer, message)


def _failed(answer: httpx2.Response, envelope: dict[str, Any]) -> D1Error:
    """Return the error in an envelope."""
    message, code = _reason(envelope)
    if not message:
        return _unexplained(answer, f"HTTP {answer.status_code}: error without a message")
    return _rejection(answer, message, code)


def _unexplained(answer: httpx2.Response, message: str) -> D1Error:
    """Return the error for a response with nothing but a status."""
    if answer.status_code in _LASTING:
        return _rejection(answer, message, None)
    return D1UnavailableError(
        message, status=answer.status_code, retry_after_seconds=_retry_after(answer)
    )


def _reason(envelope: dict[str, Any]) -> tuple[str, int | None]:
    """Return D1's error message and code; '' without a message."""
    listed = envelope.get("errors")
    errors = [each for each in listed if _is_object(each)] if _is_list(listed) else []
    message = "; ".join(str(error["message"]) for error in errors if error.get("message"))
    code = errors[0].get("code") if errors else None
    return message, code if isinstance(code, int) else None


def _rejection(answer: httpx2.Response, message: str, code: int | None) -> D1Error:
    return error_for(
        message,
        status=answer.status_code,
        code=code,
        retry_after_seconds=_retry_after(answer),
    )


def _retry_after(answer: httpx2.Response) -> float | None:
    try:
        return max(0.0, float(answer.headers.get("retry-after", "")))
    except ValueError:  # missing, or a date, which Cloudflare does not send
        return None
