"""The kinds of failures of a database, and which of them are tried again at once."""

from __future__ import annotations

import errno
from typing import Literal, get_args

from d1lab.errors import (
    D1AuthError,
    D1OverloadedError,
    D1QuotaError,
    D1UnavailableError,
    LockedError,
)

FailureKind = Literal[
    "access", "quota", "unavailable", "locked", "machine", "worker", "report", "data"
]
"""access: the token is missing, invalid, or has no permission. quota: a daily limit is used up.
unavailable: Cloudflare does not answer, or rejects requests for a while. locked: another process
does the same work. machine: the disk or the memory of the worker. worker: its process died. report:
a notebook failed. data: all else, such as a schema or a setting that does not fit."""

KINDS: tuple[FailureKind, ...] = get_args(FailureKind)

TRANSIENT: frozenset[FailureKind] = frozenset(("unavailable", "locked", "machine", "worker"))
"""Kinds that can pass by themselves within minutes."""

_MACHINE = ("no space left on device", "disk quota exceeded", "disk is full", "out of memory")
_FULL_NUMBERS = (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE)


def kind_of(error: BaseException) -> FailureKind:
    """Return the kind of a failure.

    >>> kind_of(OSError(28, "No space left on device")), kind_of(ValueError("x"))
    ('machine', 'data')
    """
    for types, kind in _BY_TYPE:
        if isinstance(error, types):
            return kind
    if isinstance(error, MemoryError) or getattr(error, "errno", None) in _FULL_NUMBERS:
        return "machine"
    text = str(error).lower()
    return "machine" if any(part in text for part in _MACHINE) else "data"


_BY_TYPE: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], FailureKind], ...] = (
    (D1AuthError, "access"),
    (D1QuotaError, "quota"),
    ((D1UnavailableError, D1OverloadedError), "unavailable"),
    (LockedError, "locked"),
)
