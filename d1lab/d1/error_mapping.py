"""Map D1 and SQLite error messages to d1lab exceptions.

Cloudflare's code 7500 covers every error, so the message decides, then the HTTP status.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from d1lab.errors import (
    D1AuthError,
    D1Error,
    D1LimitError,
    D1OverloadedError,
    D1QueryError,
    D1QuotaError,
    D1TooBigError,
    D1UnavailableError,
)

_QUOTA = ("daily row read limit", "daily row write limit", "daily limit exceeded")
_TOO_BIG = ("too big", "too large to be", "result too large", "message too long")
_LIMIT = (
    "too many sql variables",
    "too many columns",
    "too many terms in compound",
    "too many arguments on function",
    "pattern too complex",
    "statement too long",
    "query string is too large",
    "exceeded maximum",  # the size of a database, or an account's storage
    "not authorized",
    "sqlite_auth",
    "expression tree is too large",
)
_OVERLOADED = (
    "overloaded",
    "exceeded timeout",
    "exceeded its memory limit",
    "exceeded its cpu time limit",
    "database is locked",
    "sqlite_busy",
)
_PASSING = (
    "code was updated",
    "starting up",
    "caused object to be reset",
    "network connection lost",
    "due to transient issue",
    "internal error",
    "storage reset",
)
_LOCAL = (  # the file of an embedded database, or the disk: no fault of the statement
    "database or disk is full",
    "disk i/o error",
    "readonly database",
    "unable to open database file",
    "out of memory",
    "disk image is malformed",
)
_AUTH_CODES = frozenset((6003, 6111, 9109, 10000))
_TOKENS = (
    "Reading requires D1LAB_READ_TOKEN with D1:Read; writing requires D1LAB_WRITE_TOKEN "
    "with D1:Edit."
)


def error_for(
    message: str,
    *,
    status: int | None = None,
    code: int | None = None,
    retry_after_seconds: float | None = None,
) -> D1Error:
    """Return the exception for an error message of D1 or SQLite.

    Args:
        message: The message of the server or SQLite.
        status: The HTTP status; None without HTTP.
        code: Cloudflare's error code.
        retry_after_seconds: The value of a `retry-after` header.

    >>> type(error_for("no such table: t: SQLITE_ERROR", status=400)).__name__
    'D1QueryError'
    """
    text = message.lower()
    if any(part in text for part in _QUOTA):
        return _quota(message, status, code)
    for parts, error in (
        (_TOO_BIG, D1TooBigError),
        (_LIMIT, D1LimitError),
        (_OVERLOADED, D1OverloadedError),
    ):
        if any(part in text for part in parts):
            return error(message, status=status, code=code)
    if status in (408, 425, 429) or any(part in text for part in _PASSING):
        return D1UnavailableError(
            message, status=status, code=code, retry_after_seconds=retry_after_seconds
        )
    if status is None and is_local(message):
        return D1Error(f"{message.rstrip('.')}. Check the disk and the database's file.")
    return _by_status(message, status, code, retry_after_seconds)


def is_local(message: str) -> bool:
    """Return whether SQLite's message is about this machine: its disk, memory, or the file.

    >>> is_local("database or disk is full"), is_local("no such table: t")
    (True, False)
    """
    return any(part in message.lower() for part in _LOCAL)


def with_statement(error: D1Error, sql: str) -> D1Error:
    """Return the error with the statement in its message, if the statement caused it.

    >>> str(with_statement(D1QueryError("no such table: t"), "SELECT a FROM t"))
    'no such table: t, in: SELECT a FROM t'
    """
    if type(error) not in (D1QueryError, D1LimitError) or error.status == 404:
        return error
    return type(error)(f"{error}, in: {shorten(sql)}", code=error.code, status=error.status)


def shorten(sql: str, width: int = 80) -> str:
    """Return the start of a statement on one line, for a message."""
    line = " ".join(sql[: 4 * width].split())
    return line if len(line) <= width else line[: width - 4] + " ..."


def _by_status(
    message: str, status: int | None, code: int | None, retry_after_seconds: float | None
) -> D1Error:
    if status in (401, 403) or code in _AUTH_CODES:
        return D1AuthError(f"{message.rstrip('.')}. {_TOKENS}", status=status, code=code)
    if status == 404:
        advice = "Check the account and database in the URL, and the token's access to them."
        return D1QueryError(f"{message.rstrip('.')}. {advice}", status=status, code=code)
    if status == 413:
        return D1TooBigError(message, status=status, code=code)
    if status is not None and status >= 500 and "sqlite_" not in message.lower():
        return D1UnavailableError(
            message, status=status, code=code, retry_after_seconds=retry_after_seconds
        )
    return D1QueryError(message, status=status, code=code)


def _quota(message: str, status: int | None, code: int | None) -> D1QuotaError:
    now = datetime.now(UTC)
    resets_at = datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1)
    return D1QuotaError(
        f"{message.rstrip('.')}. The limit resets at {resets_at:%Y-%m-%d %H:%M} UTC. "
        "Run again then, set a lower --max-rows-read, or change to the paid plan.",
        resets_at=resets_at,
        status=status,
        code=code,
    )
