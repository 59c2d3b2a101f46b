"""The result of a pull, in total and by table."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

Progress = Callable[[str, int, int], None]
"""Called with a table, the rows read so far, and the estimated total."""


class TablePull(NamedTuple):
    """The result of a pull for one table."""

    rows_pulled: int
    rows_read: int  # as billed by D1, without the lookup of the bounds
    quarantined: int  # values of the wrong type among the rows pulled
    whole: bool  # the table was read in full


class PullResult(NamedTuple):
    """The result of a pull."""

    rows_pulled: int = 0
    rows_read: int = 0  # as billed by D1
    quarantined: int = 0  # values of the wrong type among the rows pulled
    seconds: float = 0.0
    skipped: bool = False  # the warehouse was recent enough: nothing was read
    by_table: dict[str, TablePull] = {}  # noqa: RUF012  never changed
    note: str = ""  # why the warehouse was rebuilt, if so
    notes: tuple[str, ...] = ()  # tables and views of the app that are not in the warehouse
    to_come: int = 0  # rows dated in the future, which views omit until that day
    age_seconds: float | None = None  # of the data, if --max-age was the reason to skip

    @property
    def found_unchanged(self) -> bool:
        """Whether D1 was asked, and is as it was at the pull before."""
        return self.skipped and self.age_seconds is None
