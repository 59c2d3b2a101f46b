"""All exceptions of d1lab.

    D1labError                    exit code 1
    ├── InputError                exit code 2: invalid parameter, name, file, or setting
    │   └── UnknownName           the name does not exist; the message suggests the closest
    ├── D1Error                   D1 returned an error
    │   ├── D1QueryError          invalid SQL or value: never retried
    │   ├── D1AuthError           the token is missing, invalid, or has no permission
    │   ├── D1LimitError          the statement exceeds a limit of D1: never retried unchanged
    │   ├── D1TooBigError         the response or a row is too large: retried in smaller parts
    │   ├── D1OverloadedError     too slow or too busy: retried later in smaller parts
    │   ├── D1UnavailableError    temporary failure: retried if the request is safe to repeat
    │   └── D1QuotaError          a daily limit is used up until `resets_at`
    ├── ScanError                 D1 read far more rows than requested: reading stopped
    ├── BudgetError               --max-rows-read would be exceeded: reading stopped
    ├── DroppedTablesError        tables that had rows are missing from D1: nothing was changed
    ├── PushError                 results could not be written, or read back differently
    ├── StaleDataError            exit code 3: data is missing or too old
    ├── RunTimeoutError           exit code 4: a run took longer than allowed
    ├── IdleQueryError            a query used no processor time, and was ended
    ├── LockedError               exit code 75: another process does the same work
    └── StopRun                   not an error: a notebook ended its run before its last cell

A message says what happened, why, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from difflib import get_close_matches

from d1lab.counting import counted


class D1labError(Exception):
    """Base of d1lab's errors; `exit_code` is the exit code of the command line."""

    exit_code = 1


class InputError(D1labError):
    """Invalid input; nothing was done."""

    exit_code = 2


class UnknownName(InputError):
    """A name that does not exist, with the closest existing name.

    Args:
        kind: The kind of name: 'table', 'column', 'metric', 'parameter', ...
        name: The requested name.
        known: The names that exist.
        where: The place of the search, such as "report 'inventory'"; empty for anywhere.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], where: str = "") -> None:
        known = sorted(known)
        nearest = get_close_matches(name, known, n=1, cutoff=0.5)
        place = f" for {where}" if where else ""
        rest = f" and {len(known) - 12} more" if len(known) > 12 else ""
        meant = f" Did you mean {nearest[0]!r}?" if nearest else ""
        message = (
            f"There is no {kind} {name!r}{place}.{meant} "
            f"Available: {', '.join(known[:12]) or 'none'}{rest}."
        )
        super().__init__(message)
        self.kind, self.name, self.known = kind, name, known


class D1Error(D1labError):
    """D1 returned an error.

    Attributes:
        code: Cloudflare's error code (7500 is a catch-all), or None.
        status: The HTTP status, or None without HTTP.
    """

    def __init__(self, message: str, *, code: int | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class D1QueryError(D1Error):
    """Invalid SQL or value. Never retried."""

    exit_code = 2


class D1AuthError(D1Error):
    """The API token is missing, invalid, or has no permission."""

    exit_code = 2


class D1LimitError(D1Error):
    """The statement exceeds a limit of D1; it was not sent, or D1 rejected it."""

    exit_code = 2


class D1TooBigError(D1Error):
    """The response, a row, or a value is too large. Retried in smaller parts if possible."""


class D1OverloadedError(D1Error):
    """The database is too busy, or ran out of time or memory."""


class D1UnavailableError(D1Error):
    """A temporary failure; `retry_after_seconds` is the server's requested delay, or None."""

    def __init__(
        self,
        message: str,
        *,
        code: int | None = None,
        status: int | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, code=code, status=status)
        self.retry_after_seconds = retry_after_seconds


class D1QuotaError(D1Error):
    """A daily limit is used up until `resets_at` (UTC)."""

    def __init__(
        self,
        message: str,
        *,
        resets_at: datetime,
        code: int | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message, code=code, status=status)
        self.resets_at = resets_at


class BudgetError(D1labError):
    """The read would exceed the row budget."""


class ScanError(D1labError):
    """D1 read, and billed, far more rows than requested; reading stopped."""


class DroppedTablesError(D1labError):
    """Tables that had rows are missing from D1. The warehouse was not changed."""

    def __init__(self, rows: Mapping[str, int]) -> None:
        names = ", ".join(f"{name} ({counted(count, 'row')})" for name, count in rows.items())
        super().__init__(
            f"D1 no longer lists tables that had rows: {names}. The warehouse was not changed, "
            "because another database or an incomplete response would look the same. If they "
            "were dropped on purpose, run the command again with --accept-dropped."
        )


class UnpagedTableError(D1labError):
    """A table has no rowid, key or index to read it in pages by, and is too large for one query."""


class PushError(D1labError):
    """Results could not be written, or read back differently than written."""


class StaleDataError(D1labError):
    """The data is missing or older than allowed."""

    exit_code = 3


class RunTimeoutError(D1labError):
    """A run took longer than allowed."""

    exit_code = 4


class IdleQueryError(D1labError):
    """A query used no processor time, and was ended; if that failed, with its run's kernel."""

    FILE = "ended.txt"  # in the run's folder: why its kernel was ended


class LockedError(D1labError):
    """Another process does the same work."""

    exit_code = 75


class StopRun(D1labError):
    """A notebook ended its run before its last cell; raised by `lab.stop("no data")`."""

    exit_code = 0

    def _render_traceback_(self) -> list[str]:
        """Return the lines that IPython shows instead of a traceback."""
        return [f"stopped: {self}"]
