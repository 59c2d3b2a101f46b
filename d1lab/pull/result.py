"""The result of a pull, in total and by table."""

from __future__ import annotations

from typing import NamedTuple


class TablePull(NamedTuple):
    """The result of a pull for one table."""

    rows_pulled: int
    rows_read: int  # as billed by D1, without the lookup of the bounds
    quarantined: int  # values of the wrong type among the rows pulled
    whole: bool  # the table was read in full


class PullResult(NamedTuple):
    """The result of a pull."""

    rows_pulled: int
    rows_read: int  # as billed by D1
    quarantined: int  # values of the wrong type among the rows pulled
    seconds: float
    skipped: bool  # the warehouse was recent enough: nothing was read
    by_table: dict[str, TablePull]
    note: str = ""  # why the warehouse was rebuilt, if so
    notes: tuple[str, ...] = ()  # tables and views of the app that are not in the warehouse
    to_come: int = 0  # rows dated in the future, which views omit until that day
