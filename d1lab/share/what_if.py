"""What-if runs of `d1lab serve`: a form per report, the run in the background, and its progress.

A what-if never pulls, stages, or pushes. Only pages of this server can start one: the form has a
token of the server, which other sites cannot read.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from hmac import compare_digest
from pathlib import Path
from typing import NamedTuple

from d1lab.config import Settings
from d1lab.errors import D1labError, InputError
from d1lab.jobs.due import check_request, plan
from d1lab.jobs.job_result import JobResult
from d1lab.jobs.ledger import open_ledger
from d1lab.jobs.run import run_jobs
from d1lab.runs.cancellation import Cancellation
from d1lab.runs.report import Report, list_reports, load_report
from d1lab.runs.run import open_lab

MOST_WAITING = 5
_STANDARD = ("shop", "as_of")  # other values of these make no what-if: `d1lab run` takes them, too


class WhatIfState(NamedTuple):
    """How far a what-if run is."""

    title: str  # report and shop
    done: int = 0  # cells
    cells: int = 0  # 0 while it waits
    page: Path | None = None  # once it has ended with a page
    problem: str = ""  # once it has ended without success

    @property
    def has_ended(self) -> bool:
        """Whether the run is over."""
        return bool(self.page or self.problem)


class WhatIfs:
    """Starts what-if runs, one at a time, and knows how far they are.

    Args:
        settings: The project's settings.
        database: A name in d1lab.toml; None for the default.
    """

    def __init__(self, settings: Settings, database: str | None = None) -> None:
        self.settings, self.database = settings, database
        self.token = secrets.token_urlsafe(32)
        self._states: dict[str, WhatIfState] = {}
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="what-if")
        self._cancellation = Cancellation()

    def close(self) -> None:
        """End the runs."""
        self._cancellation.cancel()
        self._pool.shutdown(cancel_futures=True)

    def is_token(self, given: str) -> bool:
        """Whether a form came from a page of this server."""
        return compare_digest(given.encode(), self.token.encode())

    def reports(self) -> list[Report]:
        """Return the reports with parameters to change."""
        return [each for each in list_reports(self.settings) if {*each.parameters} - {*_STANDARD}]

    def report(self, name: str) -> Report:
        """Return one of them.

        Raises:
            UnknownName: There is no such report.
            InputError: It has no parameter to change.
        """
        report = load_report(self.settings, name)
        if not {*report.parameters} - {*_STANDARD}:
            raise InputError(f"report {name!r} has no parameter to change")
        return report

    def shops(self) -> list[str]:
        """Return the shops in the data; none before the first pull."""
        try:
            with open_lab(self.settings, self.database) as lab:
                return lab.shops
        except D1labError:
            return []

    def state(self, number: str) -> WhatIfState | None:
        """Return how far a run is; None for an unknown one."""
        return self._states.get(number)

    def start(self, name: str, texts: Mapping[str, str]) -> str:
        """Start a run in the background, and return its number.

        Args:
            name: Name of the report.
            texts: Its parameters as text, as for `--set`; empty for the default.

        Raises:
            InputError: The report or a parameter is invalid, or too many runs are waiting.
        """
        report = self.report(name)
        given = _changed(report, texts)
        check_request(self.settings, reports=[name], texts=given)
        waiting = sum(not state.has_ended for state in self._states.values())
        if waiting >= MOST_WAITING:
            raise InputError(f"{waiting} what-ifs are waiting. Start this one when they are done.")
        number = secrets.token_urlsafe(8)
        shop = given.get("shop", report.default_shop)
        self._states[number] = WhatIfState(" · ".join(filter(None, (report.title, shop))))
        future = self._pool.submit(self._run, number, name, given)
        future.add_done_callback(lambda ended: self._end(number, ended))
        return number

    def _run(self, number: str, name: str, texts: Mapping[str, str]) -> JobResult:
        def progress(_task: str, done: int, cells: int) -> None:
            self._states[number] = self._states[number]._replace(done=done, cells=cells)

        ledger = open_ledger(self.settings)
        jobs = plan(self.settings, ledger, self.database, reports=[name], texts=texts, force=True)
        [outcome] = run_jobs(
            self.settings,
            jobs,
            push=False,
            stage=False,
            workers=1,
            progress=progress,
            cancellation=self._cancellation,
        )
        return outcome

    def _end(self, number: str, ended: Future[JobResult]) -> None:
        """Note how a run has ended."""
        error = None if ended.cancelled() else ended.exception()
        if ended.cancelled() or error:
            problem = str(error or "canceled") or type(error).__name__
            self._states[number] = self._states[number]._replace(problem=problem)
            return
        outcome = ended.result()
        page = outcome.page if outcome.status in ("done", "skipped") else None
        problem = "" if page else outcome.message or outcome.status
        self._states[number] = self._states[number]._replace(page=page, problem=problem)


def _changed(report: Report, texts: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters that differ from their defaults; one at least, so that it is a what-if.

    A text that is empty or missing stands for the default.
    """
    defaults = {name: as_text(p.default) for name, p in report.parameters.items()}
    filled = {name: text for name, text in texts.items() if text or name not in defaults}
    changed = {name: text for name, text in filled.items() if text != defaults.get(name)}
    if "shop" in report.parameters:
        changed["shop"] = filled.get("shop", defaults["shop"])
    if {*changed} <= {*_STANDARD}:
        first = next(name for name in report.parameters if name not in _STANDARD)
        changed[first] = defaults[first]
    return changed


def as_text(value: object) -> str:
    """Return the text of a parameter's value, as `--set` reads it.

    >>> as_text(None), as_text(True), as_text(["A", "B"]), as_text(30)
    ('null', 'true', 'A,B', '30')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(map(as_text, value))  # pyright: ignore[reportUnknownArgumentType]
    return str(value)
