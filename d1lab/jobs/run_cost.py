"""What D1 billed for a run, in its record: the pull of its data, and its push."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

from d1lab.config import Settings
from d1lab.jobs.ledger import RunLedger
from d1lab.pages.page import write_page
from d1lab.push import PushResult
from d1lab.runs.record import Pushed, PushedTable, RunRecord, load_run


def with_rows_read(record: RunRecord, tables: Collection[str]) -> RunRecord:
    """Add the D1 rows that the last pull read of the run's tables to its record.

    Args:
        record: The record of a completed run.
        tables: The names of the tables that the run read.
    """
    read = [table for table in record.data.tables if table.name in tables]
    return record.model_copy(update={"data_rows_read": sum(table.rows_read for table in read)})


def keep_push(
    settings: Settings, ledger: RunLedger, run_dir: Path, result: PushResult
) -> RunRecord | None:
    """Add a push and its cost to the run's record, the ledger, and the run's page.

    Returns:
        The record; None if this push wrote nothing new and the record already has one.

    Raises:
        InputError: The folder has no record.
    """
    record = load_run(run_dir)
    if record.pushed and all(table.status != "pushed" for table in result.tables):
        return None
    record = _with_push(record, result)
    record.save(run_dir)
    ledger.set_pushed(record.run_id)
    write_page(run_dir, settings.reports_dir)
    return record


def _with_push(record: RunRecord, result: PushResult) -> RunRecord:
    tables = [PushedTable(table=t.table, staged=t.staged, changed=t.changed) for t in result.tables]
    pushed = Pushed(
        at=datetime.now(UTC),
        tables=tuple(tables),
        rows_read=result.usage.rows_read,
        rows_written=result.usage.rows_written,
    )
    return record.model_copy(update={"pushed": pushed})
