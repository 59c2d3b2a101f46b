"""Errors of commands: one sentence and an exit code, and an object with --json.

    {"error": "There is no report 'x'. ...", "kind": "UnknownName", "exit_code": 2}

The sentence goes to standard error. The object goes to standard output, so that a program
that asked for JSON always finds one value there.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
import traceback
from typing import NamedTuple

from d1lab.cli.output import echo_err, print_json
from d1lab.errors import D1labError

TRACEBACK = "D1LAB_TRACEBACK"
"""Environment variable that shows where an unexpected error was raised."""

_KEPT = "Files that were complete are unchanged."
_ADVICE = {
    errno.ENOSPC: f"Free some space and run again. {_KEPT}",
    errno.EDQUOT: f"Free some space and run again. {_KEPT}",
    errno.EFBIG: f"The limit on file sizes is too low. {_KEPT}",
    errno.EROFS: f"Make the folder writable. {_KEPT}",
    errno.EACCES: "Check the permissions.",
    errno.EMFILE: "Raise the limit on open files (ulimit -n).",
    errno.ENFILE: "Close other programs: the system has no file handles left.",
    errno.ENOMEM: "Close other programs, or use a machine with more memory.",
}
_TEXTS = {
    "no space left": errno.ENOSPC,
    "disk is full": errno.ENOSPC,
    "file too large": errno.EFBIG,
    "read-only file system": errno.EROFS,
    "readonly database": errno.EROFS,
    "permission denied": errno.EACCES,
    "too many open files": errno.EMFILE,
    "out of memory": errno.ENOMEM,
    "cannot allocate memory": errno.ENOMEM,
}
"""Texts of libraries for errors of the system, in lower case."""


class ErrorOutput(NamedTuple):
    """What a command prints for an error."""

    error: str  # one sentence or more, on one line
    kind: str  # the error's class
    exit_code: int


def output_of(error: BaseException) -> ErrorOutput:
    """Return the sentence and the exit code of any error."""
    return ErrorOutput(" ".join(_sentence(error).split()), type(error).__name__, _code(error))


def fail(error: BaseException, *, as_json: bool) -> int:
    """Print an error, and return the exit code."""
    output = output_of(error)
    if os.environ.get(TRACEBACK):
        traceback.print_exception(error)
    echo_err(f"error: {output.error}")
    if as_json:
        print_json(output)
    return output.exit_code


def _code(error: BaseException) -> int:
    """Return 1, except for d1lab's errors and errors in the syntax of a command."""
    code = getattr(error, "exit_code", 1)
    return code if isinstance(code, int) else 1


def _sentence(error: BaseException) -> str:
    if isinstance(error, D1labError):
        return str(error)
    if message := getattr(error, "format_message", None):  # of the command line's syntax
        return str(message())
    if isinstance(error, MemoryError):
        return f"not enough memory. {_ADVICE[errno.ENOMEM]}"
    if isinstance(error, OSError):
        return _of_system(error)
    text = str(error).partition("\n")[0].strip()
    advice = next((_ADVICE[number] for part, number in _TEXTS.items() if part in text.lower()), "")
    if _is_duckdb(error):
        return f"DuckDB: {_ended(text)} {advice or _of_damage(error)}"
    if isinstance(error, sqlite3.Error):
        return f"SQLite: {_ended(text)} {advice}"
    what = _ended(f"{type(error).__name__}{': ' if text else ''}{text}")
    return f"unexpected {what} {advice} Please report it. {TRACEBACK}=1 shows where it happened."


def _of_system(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    what = error.strerror or str(error) or type(error).__name__
    return f"{place}{_ended(what)} {_ADVICE.get(error.errno or 0, '')}"


def _is_duckdb(error: BaseException) -> bool:
    duckdb = sys.modules.get("duckdb")  # where it is not loaded, no error is its own
    return duckdb is not None and isinstance(error, duckdb.Error)


def _of_damage(error: BaseException) -> str:
    """Return what to do if DuckDB cannot read its own file."""
    kinds = ("IOException", "FatalException", "SerializationException", "InternalException")
    if type(error).__name__ not in kinds:
        return ""
    return (
        "If the warehouse is damaged, delete data/DATABASE/warehouse.duckdb and run `d1lab pull`: "
        "D1 has all of it."
    )


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
