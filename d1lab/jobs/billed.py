"""What a run has cost in D1, put into its record: its data's pull, and its push."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from d1lab.push import PushResult
from d1lab.runs.record import Pushed, PushedTable, RunRecord


def with_rows_read(record: RunRecord, tables: Collection[str]) -> RunRecord:
    """A run's record with the D1 rows that the last pull read of the tables that the run read.

    Args:
        record: Of a run that ended.
        tables: Their names.
    """
    read = [table for table in record.data.tables if table.name in tables]
    return record.model_copy(update={"data_rows_read": sum(table.rows_read for table in read)})


def with_push(record: RunRecord, result: PushResult) -> RunRecord:
    """A run's record with what its push wrote, and what that cost."""
    tables = [PushedTable(table=t.table, staged=t.staged, changed=t.changed) for t in result.tables]
    pushed = Pushed(
        at=datetime.now(UTC),
        tables=tuple(tables),
        rows_read=result.usage.rows_read,
        rows_written=result.usage.rows_written,
    )
    return record.model_copy(update={"pushed": pushed})
