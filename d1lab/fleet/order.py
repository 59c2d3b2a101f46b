"""What a worker is asked to do with one database, and how that ended."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from d1lab.errors import D1labError, D1QuotaError
from d1lab.fleet.failures import FailureKind, kind_of


class Order(NamedTuple):
    """One database to work on, as a worker gets it. It has no secrets."""

    name: str
    database: dict[str, Any]  # of `DatabaseSettings`
    reports: tuple[str, ...] = ()  # empty for all
    push: bool | None = None  # as for `run_reports`
    timeout_seconds: float = 900.0
    max_rows_read: int | None = None
    target: str = ""  # where results go; '' for the worker's own disk
    state: str = ""  # key of the stored state; '' without one
    from_nothing: bool = False  # delete what the worker's disk has of it


class Outcome(NamedTuple):
    """How the work on one database ended."""

    name: str
    status: Literal["done", "failed"]
    kind: FailureKind | Literal[""] = ""
    message: str = ""  # one sentence: why it failed
    reports_done: int = 0  # run, or skipped by the notebook itself
    reports_current: int = 0
    reports_failed: int = 0
    pushed: int = 0  # results that D1 changed
    rows_pulled: int = 0
    rows_read: int = 0  # as billed by D1, of the pull and of pushes
    rows_written: int = 0
    requests: int = 0  # to Cloudflare's API
    seconds: float = 0.0
    resets_at: str = ""  # ISO, UTC: when a used-up limit of D1 is free again
    state: str = ""
    usage: tuple[bytes, ...] = ()  # lines for the coordinator's log of billed usage

    def shown(self) -> dict[str, Any]:
        """Return the fields for logs and JSON."""
        return {name: value for name, value in self._asdict().items() if name != "usage"}


def failed(order: Order, error: BaseException, kind: FailureKind | None = None) -> Outcome:
    """Return the outcome of an order that ended with an error."""
    is_ours, why = isinstance(error, D1labError | OSError), kind or kind_of(error)
    message = str(error) if is_ours else f"unexpected {type(error).__name__}: {error}"
    if why == "machine":
        message = f"the disk or the memory of the worker is full: {error}"
    resets_at = error.resets_at.isoformat() if isinstance(error, D1QuotaError) else ""
    return Outcome(
        order.name,
        "failed",
        why,
        message,
        resets_at=resets_at,
        state=order.state,
    )
