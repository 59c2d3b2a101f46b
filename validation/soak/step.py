"""One step of a soak test: the app writes, d1lab pulls, runs, and pushes; results are checked."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Sequence
from contextlib import closing
from datetime import date
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

from d1lab.config import DEMO_TIMEZONE, Settings
from d1lab.d1.connect import connect
from d1lab.d1.database import Usage
from d1lab.ingest.aggregate import aggregate
from d1lab.jobs.job_result import JobResult
from d1lab.jobs.run import run_reports
from d1lab.pull import pull
from d1lab.pull.rhythm import Counters
from d1lab.push.rollback import rollback
from d1lab.runs.run import run_folder
from validation.soak.fresh import D1, differences, fresh_copy, result_of
from validation.soak.played_shop import PlayedShop

ZONES = {"": DEMO_TIMEZONE}
GOOD = ("done", "current", "skipped")
NAMED = 20  # maximum number of differences listed per step


class StepRow(NamedTuple):
    """One row of the table."""

    day: str
    ran: int  # reports that ran
    current: int  # reports that were up to date
    compared: int  # results compared with a fresh installation
    rows_read: int  # as D1 bills them: pulls and pushes
    rows_written: int
    runs_kb: float  # disk space of the day's runs
    data_mb: float  # data/ without the runs
    seconds: float  # time of d1lab, without the fresh installation
    alone_seconds: float  # of the fresh installation's pull and runs; 0 without one
    scored: int  # recommendations with a score in D1
    faults: tuple[str, ...]

    @property
    def pace(self) -> float:
        """Seconds as a multiple of a fresh installation's: a busy machine slows down both."""
        return self.seconds / self.alone_seconds if self.alone_seconds else self.seconds


class Stepper:
    """The installation under test.

    Args:
        settings: Settings of its project; the database is next to data/.
        shop: Simulation of its app.
        workers: Number of parallel reports.
    """

    def __init__(self, settings: Settings, shop: PlayedShop, workers: int = 2) -> None:
        self.settings, self.shop, self.workers = settings, shop, workers
        self._reports: tuple[str, ...] = ()

    def step(
        self,
        after: date,
        until: date,
        *,
        compare: bool,
        undo: bool = False,
        reports: Sequence[str] = (),
    ) -> StepRow:
        """Play the days after `after` up to `until`, run every report, and check.

        Args:
            after: Day of the previous step.
            until: Day of this step.
            compare: Whether to compare each result with a fresh installation.
            undo: Whether to roll back one push and run again, which must restore its rows.
            reports: The only reports to run, without aggregating. Default: all.
        """
        self.shop.play(after, until)
        self._reports = tuple(reports)
        usage, start, known = Usage(), monotonic(), set(self._runs())
        if not reports:
            usage += self._aggregate()
        usage += self._pull("always")  # each step is another day, if not here
        copy = self._copy() if compare else None
        start += 0 if copy is None else copy[1]
        outcomes, faults = self._run()
        usage += sum((each.pushed.usage for each in outcomes if each.pushed), Usage())
        if undo:
            usage += self._undo(outcomes, faults)
        if not reports:
            usage += self._pull()
        seconds = monotonic() - start
        compared, start = 0, monotonic()
        if copy is not None:
            compared = self._compare(copy[0], outcomes, faults)
        gc.collect()
        return StepRow(
            day=until.isoformat(),
            ran=sum(each.record is not None for each in outcomes),
            current=sum(each.status == "current" for each in outcomes),
            compared=compared,
            rows_read=usage.rows_read,
            rows_written=usage.rows_written,
            runs_kb=sum(_size(self._runs_dir / name) for name in set(self._runs()) - known) / 1e3,
            data_mb=(_size(self.settings.data_dir) - _size(self._runs_dir)) / 1e6,
            seconds=seconds,
            alone_seconds=monotonic() - start if compared else 0.0,
            scored=self._scored(),
            faults=tuple(faults),
        )

    def play(self, after: date, until: date) -> StepRow:
        """Play the days after `after` up to `until`, without pulling or running anything."""
        start = monotonic()
        self.shop.play(after, until)
        return StepRow(until.isoformat(), 0, 0, 0, 0, 0, 0.0, 0.0, monotonic() - start, 0.0, 0, ())

    @property
    def _runs_dir(self) -> Path:
        return self.settings.folder() / "runs"

    def _runs(self) -> list[str]:
        return [path.name for path in self._runs_dir.glob("*")]

    def _aggregate(self) -> Usage:
        with closing(connect(self.settings, write=True)) as db:
            aggregate(db, self.settings.folder(), database="demo", zones=ZONES)
            return db.meter.total

    def _pull(self, counters: Counters = "daily") -> Usage:
        with closing(connect(self.settings)) as db:
            folder = self.settings.folder()
            pull(db, folder, database="demo", counters=counters, zones=ZONES)
            return db.meter.total

    def _copy(self) -> tuple[Settings, float]:
        """Create a fresh installation of the current state; return it and the seconds taken."""
        start = monotonic()
        root = self.settings.root / "fresh"
        shutil.rmtree(root, ignore_errors=True)
        copy = fresh_copy(self.settings.root / D1, root, self.settings.notebooks_dir)
        return copy, monotonic() - start

    def _run(self) -> tuple[list[JobResult], list[str]]:
        outcomes = run_reports(
            self.settings, reports=self._reports, shops=self.shop.shops, workers=self.workers
        )
        return outcomes, [
            f"{each.job.task}: {each.status} ({each.exit_code}) {each.message}"
            for each in outcomes
            if each.status not in GOOD or each.exit_code
        ]

    def _undo(self, outcomes: Sequence[JobResult], faults: list[str]) -> Usage:
        """Roll back the push of one run; the next run of the day must write the same again."""
        pushed = next((each for each in outcomes if each.pushed and each.run_id), None)
        if pushed is None or pushed.run_id is None:
            return Usage()
        with closing(connect(self.settings, write=True)) as db:
            rollback(db, run_folder(self.settings, "demo", pushed.run_id))
            usage = db.meter.total
        again, more = self._run()
        faults += more
        usage += sum((each.pushed.usage for each in again if each.pushed), Usage())
        ran = [each for each in again if each.record is not None]
        if [each.job.work for each in ran] != [pushed.job.work]:
            faults.append(f"after a rollback of {pushed.run_id}, these ran: {ran}")
        for each in ran:
            before, after = (self._result(self.settings, one) for one in (pushed, each))
            faults += [f"{each.job.task} again{found}" for found in differences(after, before)]
        return usage

    def _compare(self, fresh: Settings, outcomes: Sequence[JobResult], faults: list[str]) -> int:
        with closing(connect(fresh)) as db:
            pull(db, fresh.folder(), database="demo", zones=ZONES)
        alone = run_reports(
            fresh,
            reports=self._reports,
            shops=self.shop.shops,
            push=False,
            workers=self.workers,
        )
        theirs = {str(each.job.task): each for each in alone}
        for each in outcomes:
            found = list(
                differences(
                    self._result(self.settings, each),
                    self._result(fresh, theirs[str(each.job.task)]),
                )
            )
            faults += [f"{each.job.task}{one}" for one in found[:NAMED]]
        shutil.rmtree(fresh.root)
        return len(outcomes)

    def _result(self, settings: Settings, outcome: JobResult) -> dict[str, Any]:
        if outcome.run_id is None:
            return {"status": outcome.status}
        return result_of(run_folder(settings, "demo", outcome.run_id))

    def _scored(self) -> int:
        with closing(connect(self.settings)) as db:
            sql = "SELECT count(*) FROM discount_recommendations WHERE scored_on IS NOT NULL"
            [[count]] = db.query(sql).rows
            return int(str(count))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
