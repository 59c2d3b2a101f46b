"""Results that wait to be pushed together: several reports take as many requests as one.

A report's results are on disk when it ends, and its lease is kept until they are pushed. So a kill
loses nothing: the next run pushes them. Each push is checked, recorded, and repeated by itself as
ever; only their requests are joined (d1lab.d1.together).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from threading import Lock
from typing import NamedTuple

from d1lab.config import Settings
from d1lab.d1.connect import connect
from d1lab.d1.together import Together
from d1lab.errors import D1labError, LockedError
from d1lab.jobs.job_result import JobResult
from d1lab.jobs.leases import Lease
from d1lab.jobs.ledger import RunLedger
from d1lab.jobs.push_staged import keep_sent, not_pushed, push_staged, send_staged
from d1lab.push.staged import StagedPart, staged_parts
from d1lab.runs.run import run_folder

MOST = 32  # reports that wait: each keeps its lease until then
_OVER_HTTP = ("d1:", "wrangler+http:")

Ended = Callable[[JobResult], JobResult]


class _Waiting(NamedTuple):
    outcome: JobResult
    lease: Lease
    held: ExitStack  # has the lease

    @property
    def database(self) -> str:
        return self.outcome.job.task.database


class PushQueue:
    """Pushes the results of jobs: over HTTP those of several together, else each at once.

    Args:
        settings: The project's settings.
        ledger: The run ledger, which records each push.
        ended: Called with each result that had to wait, after its push.
    """

    def __init__(self, settings: Settings, ledger: RunLedger, ended: Ended) -> None:
        self._settings, self._ledger, self._ended = settings, ledger, ended
        self._pushing, self._adding = Lock(), Lock()
        self._waiting: list[_Waiting] = []
        self._done: dict[str | None, JobResult] = {}

    def waits(self, outcome: JobResult) -> bool:
        """Whether a result is pushed together with others."""
        url = self._settings.resolve(outcome.job.task.database)[1].url
        return url.startswith(_OVER_HTTP)

    def add(self, outcome: JobResult, lease: Lease, held: ExitStack) -> None:
        """Let a result wait, with its lease; if too many wait, they are pushed."""
        with self._adding:
            self._waiting.append(_Waiting(outcome, lease, held))
            is_full = len(self._waiting) >= MOST
        if is_full:
            self.flush()

    def push(self, outcome: JobResult, lease: Lease) -> JobResult:
        """Push a result at once.

        Raises:
            LockedError: Another process took the lease.
        """
        _require(lease)
        with self._pushing:
            return push_staged(self._settings, self._ledger, outcome)

    def flush(self) -> None:
        """Push all results that wait."""
        with self._adding:
            waiting, self._waiting = self._waiting, []
        try:
            with self._pushing:
                for group in _groups(self._settings, waiting):
                    for each, outcome in zip(group, self._pushed(group), strict=True):
                        self._done[outcome.run_id] = self._ended(outcome)
                        each.held.close()
        finally:
            for each in waiting:
                each.held.close()

    def result(self, outcome: JobResult) -> JobResult:
        """Return the result of a job after its push."""
        return self._done.get(outcome.run_id, outcome) if outcome.run_id else outcome

    def close(self) -> None:
        """Give up the leases of what still waits: the next run pushes it."""
        with self._adding:
            waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.held.close()

    def _pushed(self, group: Sequence[_Waiting]) -> list[JobResult]:
        """Push the results of a group together, and return them; errors are results, too."""
        try:
            connection = connect(self._settings, group[0].database, write=True)
        except D1labError as error:
            return [not_pushed(each.outcome, error) for each in group]
        with closing(connection) as db, ThreadPoolExecutor(len(group)) as pool:
            together = Together(db, len(group))
            return list(pool.map(partial(self._pushed_with, together), group))

    def _pushed_with(self, together: Together, each: _Waiting) -> JobResult:
        try:
            with together.member() as db:
                _require(each.lease)
                done = send_staged(self._settings, db, each.outcome)
            return keep_sent(self._settings, self._ledger, done)
        except LockedError as error:
            return JobResult(each.outcome.job, "locked", str(error), error.exit_code)
        except D1labError as error:
            return not_pushed(each.outcome, error)
        except Exception as error:  # noqa: BLE001  one failed push does not stop the others
            return not_pushed(
                each.outcome, D1labError(f"unexpected {type(error).__name__}: {error}")
            )


def _require(lease: Lease) -> None:
    if not lease.beat():
        raise LockedError(
            f"{lease.work}: lost the lock, so nothing was written to D1. Run the report again."
        )


def _groups(settings: Settings, waiting: Iterable[_Waiting]) -> list[list[_Waiting]]:
    """Return what can be pushed together: of one database, and nothing that two of them write.

    Of two runs that write to the same place, the first one is pushed first.
    """
    groups: list[tuple[str, set[StagedPart], list[_Waiting]]] = []
    for each in waiting:
        places = _places(settings, each)
        own = [place for place, (name, *_) in enumerate(groups) if name == each.database]
        taken = [place for place in own if groups[place][1] & places]
        free = [place for place in own if place > max(taken, default=-1)]
        if free:
            _, known, group = groups[free[0]]
            known |= places
            group.append(each)
        else:
            groups.append((each.database, places, [each]))
    return [group for _, _, group in groups]


def _places(settings: Settings, each: _Waiting) -> set[StagedPart]:
    """Return where a run writes to, and its place among the results in D1."""
    task = each.outcome.job.task
    own = StagedPart("", task.report.name, task.shop)
    try:
        run_dir = run_folder(settings, task.database, each.outcome.run_id or "")
        return {own, *staged_parts(run_dir)}
    except D1labError:  # its push reports it
        return {own}
