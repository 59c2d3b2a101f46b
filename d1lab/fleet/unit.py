"""The unit of a fleet's work: pull, run the reports, push, and keep the results of one database."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable
from contextlib import closing, contextmanager
from threading import Lock
from time import monotonic

from filelock import FileLock, Timeout

from d1lab.config import Settings
from d1lab.config_sections import DatabaseSettings
from d1lab.counting import counted
from d1lab.d1.connect import connect
from d1lab.d1.database import Meter, Usage
from d1lab.d1.request_limit import RequestLimit, current_limit, use_limit
from d1lab.d1.usage_log import UsageTail
from d1lab.errors import D1AuthError, LockedError
from d1lab.files import make_private
from d1lab.fleet.failures import FailureKind
from d1lab.fleet.marts import keep_marts
from d1lab.fleet.order import Order, Outcome, failed
from d1lab.fleet.places import fleet_folder, settings_of
from d1lab.fleet.prune import KeptRuns, prune_runs
from d1lab.fleet.state import fetch_state, store_state
from d1lab.jobs.job_result import JobResult
from d1lab.jobs.run import run_reports
from d1lab.logs import log_event
from d1lab.pull import PullResult, pull

_log = logging.getLogger(__name__)


class CountedLimit:
    """A limit on requests that counts them.

    Args:
        limit: The limit that applies; None for none.
    """

    def __init__(self, limit: RequestLimit | None) -> None:
        self._limit, self._lock = limit, Lock()
        self.requests = 0

    def take(self) -> None:
        """Wait until one request can be sent, and count it."""
        with self._lock:
            self.requests += 1
        if self._limit is not None:
            self._limit.take()

    def rejected(self, retry_after_seconds: float | None) -> None:
        """Empty the bucket after a 429."""
        if self._limit is not None:
            self._limit.rejected(retry_after_seconds)


def work(settings: Settings, order: Order) -> Outcome:
    """Work on one database; errors are outcomes, too.

    Args:
        settings: The worker's own settings, with its tokens.
        order: What to do.
    """
    began, limit = monotonic(), current_limit()
    requests, used = CountedLimit(limit), _Used()
    use_limit(requests)
    try:
        outcome = _work(settings, order, used)
    except Exception as error:  # noqa: BLE001  one database stops no other
        _log.debug("%s", order.name, exc_info=error)
        outcome = failed(order, error)._replace(**used.rows())
    finally:
        use_limit(limit)
    outcome = outcome._replace(requests=requests.requests, seconds=monotonic() - began)
    log_event(_log, "database ended", **outcome.shown())
    return outcome._replace(usage=used.lines())


class _Used:
    """What the work on a database used, whether it failed or not."""

    def __init__(self) -> None:
        self.tail: UsageTail | None = None  # of the log of all connections
        self.meter: Meter | None = None  # of the pull: a full disk has no room for its line

    def lines(self) -> tuple[bytes, ...]:
        """Return the lines for the coordinator's log."""
        return self.tail.read() if self.tail else ()

    def rows(self) -> dict[str, int]:
        """Return the billed rows, as fields of an outcome."""
        logged = self.tail.usage() if self.tail else Usage()
        pulled = self.meter.total if self.meter else Usage()
        names = ("rows_read", "rows_written")
        return {name: max(getattr(logged, name), getattr(pulled, name)) for name in names}


def _work(settings: Settings, order: Order, used: _Used) -> Outcome:
    database = DatabaseSettings.model_validate(order.database)
    own = settings_of(settings, order.name, database)
    with _alone(settings, order.name):
        fetch_state(own, order.target, order.state, from_nothing=order.from_nothing)
        used.tail = UsageTail(own.folder(order.name))
        return _work_alone(settings, own, order, used)


@contextmanager
def _alone(settings: Settings, name: str) -> Generator[None]:
    """Keep other workers of this machine off a database, such as one that was given up."""
    path = fleet_folder(settings) / "locks" / f"{name}.lock"
    make_private(path.parent)
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise LockedError(f"another worker of this machine works on database {name!r}") from None
    try:
        yield
    finally:
        lock.release()


def _work_alone(settings: Settings, own: Settings, order: Order, used: _Used) -> Outcome:
    pulled = _pull(own, order, used)
    results = run_reports(
        own,
        order.name,
        reports=order.reports,
        push=order.push,
        timeout_seconds=order.timeout_seconds,
        workers=1,
        unchanged=pulled.found_unchanged,
    )
    keep_marts(settings, own, order.target, results)
    changed = pulled.rows_pulled > 0 or any(result.record or result.pushed for result in results)
    if changed and settings.fleet.keep_days:
        prune_runs(own, KeptRuns(settings.fleet.keep_days))
    state = store_state(own, order.target, order.state, changed=changed)
    return _outcome(order, pulled, results)._replace(state=state)


def _pull(settings: Settings, order: Order, used: _Used) -> PullResult:
    folder = settings.folder(order.name)
    with closing(connect(settings, order.name)) as db:
        used.meter = db.meter
        return pull(
            db,
            folder,
            database=order.name,
            max_rows_read=order.max_rows_read,
            counters=settings.pull.counters,
            zones=settings.databases[order.name].zones,
        )


def _outcome(order: Order, pulled: PullResult, results: list[JobResult]) -> Outcome:
    bad = [result for result in results if result.exit_code]
    pushes = [result.pushed for result in results if result.pushed]
    return Outcome(
        order.name,
        "failed" if bad else "done",
        _kind(bad[0]) if bad else "",
        _sentence(bad) or _remark(order, results),
        reports_done=_count(results, ("done", "skipped")),
        reports_current=_count(results, ("current",)),
        reports_failed=len(bad),
        pushed=sum(push.changed for push in pushes),
        rows_pulled=pulled.rows_pulled,
        rows_read=pulled.rows_read + sum(push.usage.rows_read for push in pushes),
        rows_written=sum(push.usage.rows_written for push in pushes),
    )


def _count(results: Iterable[JobResult], statuses: tuple[str, ...]) -> int:
    return sum(result.status in statuses and not result.exit_code for result in results)


def _kind(result: JobResult) -> FailureKind:
    """Return the kind of a job's failure; a job that is done failed when it was pushed."""
    if result.status == "locked":
        return "locked"
    if result.status in ("done", "current"):
        return "access" if result.exit_code == D1AuthError.exit_code else "unavailable"
    return "report"


def _remark(order: Order, results: list[JobResult]) -> str:
    """Return what is odd about a database whose reports all ended well; '' for nothing."""
    if order.reports or not all(result.job.task.report.is_of_usage for result in results):
        return ""
    return "no shops in the data yet. To see what is missing: d1lab doctor"


def _sentence(bad: list[JobResult]) -> str:
    if not bad:
        return ""
    first = f"{bad[0].job.task.report.name}: {bad[0].message}"
    return first if len(bad) == 1 else f"{first} (and {counted(len(bad) - 1, 'more report')})"
