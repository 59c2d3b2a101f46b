"""What a run has cost in D1, put into its record: its data's pull, and its push."""

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
    """A run's record with the D1 rows that the last pull read of the tables that the run read.

    Args:
        record: Of a run that ended.
        tables: Their names.
    """
    read = [table for table in record.data.tables if table.name in tables]
    return record.model_copy(update={"data_rows_read": sum(table.rows_read for table in read)})


def keep_push(
    settings: Settings, ledger: RunLedger, run_dir: Path, result: PushResult
) -> RunRecord | None:
    """Put a push and its cost into the run's record, into the ledger, and onto its page.

    Returns:
        The record; None where this push wrote nothing new and the record has one already.

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
