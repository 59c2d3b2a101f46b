"""Events of a run, for the log and OpenLineage."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from d1lab.config import Settings
from d1lab.jobs.due import Job
from d1lab.jobs.lineage import Lineage
from d1lab.logs import log_event
from d1lab.runs.record import RunRecord

if TYPE_CHECKING:
    from d1lab.jobs.job_result import JobResult

_log = logging.getLogger(__name__)


class RunEvents:
    """Sends the events of each run to the log and to OpenLineage's receiver.

    Args:
        settings: The project's settings.
    """

    def __init__(self, settings: Settings) -> None:
        self._lineage = Lineage(settings)
        self._reads: dict[str, tuple[str, ...]] = {}

    def started(self, job: Job, run_id: str) -> None:
        """Send the start of a run."""
        task = job.task
        log_event(_log, "run started", run_id=run_id, why=job.reason)
        self._lineage.started(task.database, task.shop, task.report.name, run_id)

    def ran(self, record: RunRecord, tables: tuple[str, ...]) -> None:
        """Send the end of a failed run; a successful run ends after its push."""
        if record.error is None:
            self._reads[record.run_id] = tables
        else:
            self._lineage.ended(record, tables)

    def ended(self, result: JobResult) -> JobResult:
        """Send the end of a job, and return its result."""
        record = result.record
        fields = dict(zip(("database", "shop", "report"), result.job.work, strict=True))
        log_event(
            _log,
            "job ended",
            **fields,
            status=result.status,
            run_id=result.run_id,
            seconds=record.seconds if record else None,
            rows_read=record.usage.rows_read if record else None,
            rows_written=record.usage.rows_written if record else None,
            message=result.message or None,
        )
        if record is not None and record.run_id in self._reads:
            self._lineage.ended(record, self._reads.pop(record.run_id))
        return result
