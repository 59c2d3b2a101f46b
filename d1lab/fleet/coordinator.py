"""Give due databases to workers, and record how they end; one that fails stops no other."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from datetime import UTC, datetime
from typing import NamedTuple

from d1lab.config import Settings
from d1lab.counting import counted
from d1lab.d1.usage_log import add_lines
from d1lab.errors import UnknownName
from d1lab.fleet.entry import RegistryEntry
from d1lab.fleet.failures import TRANSIENT, FailureKind
from d1lab.fleet.order import Order, Outcome, failed
from d1lab.fleet.places import usage_folder
from d1lab.fleet.pool import Workers
from d1lab.fleet.registry import Registry
from d1lab.fleet.state import drop_state
from d1lab.jobs.leases import BEAT_SECONDS
from d1lab.logs import log_event

ATTEMPTS = 3  # of a database in one run, after failures that can pass
WAIT_SECONDS = 5.0  # before the second attempt, and twice as long before the third
BREAKER_AFTER = 5  # databases in a row that fail in the same way

_log = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]


class FleetRequest(NamedTuple):
    """What to run, and how."""

    names: tuple[str, ...] = ()  # databases; empty for all
    reports: tuple[str, ...] = ()  # empty for all
    push: bool | None = None
    force: bool = False  # also databases that are not due
    from_nothing: bool = False  # forget warehouses, ledgers, and pages
    limit: int | None = None  # at most so many databases
    max_rows_read: int | None = None  # of a database and day (UTC)
    timeout_seconds: float = 900.0
    target: str = ""


class PlannedDatabase(NamedTuple):
    """A database, and whether a run takes it."""

    name: str
    due: bool
    reason: str


class FleetResult(NamedTuple):
    """How a run of a fleet ended."""

    outcomes: tuple[Outcome, ...]  # one per database: its last attempt, with what all of them used
    taken: tuple[str, ...]  # databases that another coordinator was working on, or had done
    left: tuple[str, ...]  # due databases that the breaker kept from starting
    stopped: str  # why no more databases were started; '' if all were

    @property
    def exit_code(self) -> int:
        """0 if all went well, 1 if something failed or was left."""
        is_bad = any(outcome.status == "failed" for outcome in self.outcomes)
        return 1 if is_bad or self.stopped else 0


def plan_fleet(
    registry: Registry, request: FleetRequest, now: datetime | None = None
) -> list[PlannedDatabase]:
    """Return all requested databases, those that a run takes first, longest overdue first.

    Raises:
        UnknownName: The fleet has no such database.
    """
    at = now or datetime.now(UTC)
    entries = registry.entries(request.names)
    for name in request.names:
        if name not in {entry.name for entry in entries}:
            known = [entry.name for entry in registry.entries()]
            raise UnknownName("database", name, known, "the fleet")
    entries.sort(key=lambda entry: (entry.due_at or datetime.min.replace(tzinfo=UTC), entry.name))
    planned = [_planned(entry, request, at) for entry in entries]
    due = [each for each in planned if each.due]
    kept = set(due[: request.limit])
    rest = [
        each._replace(due=False, reason="beyond --limit") if each.due else each
        for each in planned
        if each not in kept
    ]
    return [*due[: request.limit], *rest]


def _planned(entry: RegistryEntry, request: FleetRequest, now: datetime) -> PlannedDatabase:
    if not entry.listed:
        due, reason = False, "its source no longer lists it"
    elif entry.is_running:
        due, reason = False, "another coordinator works on it"
    elif entry.rows_left(request.max_rows_read, now) == 0:
        due, reason = False, f"{entry.rows_read:,} rows read today: --max-rows-read is used up"
    elif request.force:
        due, reason = True, "forced"
    elif entry.is_due(now):
        due = True
        after = (
            f"failed {entry.tried_at:%Y-%m-%d %H:%M} UTC ({entry.kind})" if entry.tried_at else ""
        )
        reason = after if entry.status == "failed" else "due" if entry.tried_at else "not run yet"
    else:
        when = f"{entry.due_at:%Y-%m-%d %H:%M} UTC"
        pause = f"failed in {counted(entry.failures, 'run')} ({entry.kind}), tried again {when}"
        due, reason = False, pause if entry.status == "failed" else f"due {when}"
    return PlannedDatabase(entry.name, due, reason)


def run_fleet(
    settings: Settings,
    registry: Registry,
    workers: Workers,
    request: FleetRequest,
    *,
    progress: Progress | None = None,
    sleep_seconds: float = WAIT_SECONDS,
) -> FleetResult:
    """Run all databases that are due.

    Args:
        settings: The project's.
        registry: The fleet's.
        workers: Where the work is done; they are not closed.
        request: What to run.
        progress: Called with how many databases have ended.
        sleep_seconds: The wait before a second attempt.

    Raises:
        UnknownName: The fleet has no such database.
    """
    names = [each.name for each in plan_fleet(registry, request) if each.due]
    coordinator = _Coordinator(settings, registry, workers, request, progress, sleep_seconds)
    try:
        return coordinator.run(names)
    finally:
        registry.release()


class _Claimed(NamedTuple):
    """A claimed database: its order, and its attempts so far."""

    order: Order
    attempt: int
    not_before: float  # time.monotonic()
    began: datetime


class _Coordinator:
    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        workers: Workers,
        request: FleetRequest,
        progress: Progress | None,
        sleep_seconds: float,
    ) -> None:
        self._settings, self._registry, self._workers = settings, registry, workers
        self._request, self._progress, self._sleep = request, progress, sleep_seconds
        self._outcomes: dict[str, Outcome] = {}
        self._taken: list[str] = []
        self._again: list[_Claimed] = []
        self._running: dict[Future[Outcome], _Claimed] = {}
        self._breaker = Breaker()
        self._beat_at = time.monotonic()
        self._since = datetime.now(UTC)

    def run(self, names: Sequence[str]) -> FleetResult:
        waiting = deque(names)
        while waiting or self._again or self._running:
            if self._stopped():
                self._again.clear()
                if not self._running:
                    break
            else:
                self._start(waiting)
            self._collect()
            if self._progress:
                self._progress("fleet", len(self._outcomes), len(names))
        outcomes, taken = tuple(self._outcomes.values()), tuple(self._taken)
        return FleetResult(outcomes, taken, tuple(waiting), self._stopped())

    def _stopped(self) -> str:
        """Return why no more databases are started; '' while they are."""
        return self._breaker.open or self._workers.problem()

    def _start(self, waiting: deque[str]) -> None:
        """Give orders to all free workers."""
        for _ in range(self._workers.free()):
            if (claimed := self._next(waiting)) is None:
                return
            claimed = claimed._replace(began=datetime.now(UTC))
            self._running[self._workers.submit(claimed.order)] = claimed

    def _next(self, waiting: deque[str]) -> _Claimed | None:
        """Return what to start next: a second attempt whose time has come, or a new database."""
        ready = [each for each in self._again if each.not_before <= time.monotonic()]
        if ready:
            self._again.remove(ready[0])
            return ready[0]
        while waiting:
            name, now = waiting.popleft(), datetime.now(UTC)
            force, since = self._request.force, self._since
            entry = self._registry.claim(name, force=force, now=now, since=since)
            if entry is not None:
                return _Claimed(self._order(entry, now), 1, 0.0, now)
            self._taken.append(name)
        return None

    def _order(self, entry: RegistryEntry, now: datetime) -> Order:
        request = self._request
        return Order(
            name=entry.name,
            database=entry.database.settings.model_dump(),
            reports=request.reports,
            push=request.push,
            timeout_seconds=request.timeout_seconds,
            max_rows_read=entry.rows_left(request.max_rows_read, now),
            target=request.target,
            state="" if request.from_nothing else entry.state,
            from_nothing=request.from_nothing,
        )

    def _collect(self) -> None:
        """Wait a moment, record what has ended, and show that this coordinator is alive."""
        if self._running:
            for future in wait(self._running, timeout=0.5, return_when=FIRST_COMPLETED).done:
                self._record(self._running.pop(future), future)
        else:
            time.sleep(min(0.1, self._sleep))
        if time.monotonic() - self._beat_at > BEAT_SECONDS:
            self._registry.beat()
            self._beat_at = time.monotonic()

    def _record(self, claimed: _Claimed, future: Future[Outcome]) -> None:
        outcome = _outcome_of(claimed.order, future)
        add_lines(usage_folder(self._settings, outcome.name), outcome.usage, command="fleet")
        self._breaker.note(outcome)
        again = outcome.kind in TRANSIENT and claimed.attempt < ATTEMPTS and not self._stopped()
        partial = bool(self._request.reports)
        began = claimed.began
        if not self._registry.finish(outcome, began, keep_claim=again, partial=partial):
            self._taken.append(outcome.name)
            return
        if outcome.state != claimed.order.state:
            drop_state(self._settings, claimed.order.target, outcome.name, claimed.order.state)
        self._outcomes[outcome.name] = _with_earlier(outcome, self._outcomes.get(outcome.name))
        log_event(_log, "attempt ended", name=outcome.name, attempt=claimed.attempt, again=again)
        if again:
            pause = self._sleep * 2 ** (claimed.attempt - 1)
            from_nothing = claimed.order.from_nothing and not outcome.state
            order = claimed.order._replace(state=outcome.state, from_nothing=from_nothing)
            self._again.append(
                _Claimed(order, claimed.attempt + 1, time.monotonic() + pause, claimed.began)
            )


def _with_earlier(outcome: Outcome, earlier: Outcome | None) -> Outcome:
    """Return the outcome of an attempt with what the earlier ones of the run used, too."""
    if earlier is None:
        return outcome
    names = ("pushed", "rows_pulled", "rows_read", "rows_written", "requests", "seconds")
    return outcome._replace(
        **{name: getattr(outcome, name) + getattr(earlier, name) for name in names}
    )


def _outcome_of(order: Order, future: Future[Outcome]) -> Outcome:
    """Return a future's outcome; a worker that died, or its scheduler, is one, too."""
    try:
        return future.result()
    except CancelledError:
        return failed(order, RuntimeError("the scheduler gave it up"), "worker")
    except Exception as error:  # noqa: BLE001  whatever ends a worker is an outcome
        outcome = failed(order, error, "worker")
        return outcome._replace(message=f"{error}" or type(error).__name__)


class Breaker:
    """Stops a run when one database after the other fails in the same way.

    Then the reason is not in the databases: a token has expired, the network is down, or a disk is
    full. Kinds that lie in one database alone never open it.
    """

    _KINDS: frozenset[FailureKind] = frozenset(
        ("access", "quota", "unavailable", "machine", "worker")
    )

    def __init__(self) -> None:
        self._kind: str = ""
        self._names: set[str] = set()
        self.open = ""
        """Why no more databases are started; '' while they are."""

    def note(self, outcome: Outcome) -> None:
        """Take note of how a database ended."""
        if outcome.kind not in self._KINDS or outcome.kind != self._kind:
            self._names.clear()
        self._kind = outcome.kind
        self._names.add(outcome.name)
        if outcome.kind in self._KINDS and len(self._names) >= BREAKER_AFTER:
            self.open = (
                f"{BREAKER_AFTER} databases in a row failed ({outcome.kind}), the last one with: "
                f"{outcome.message.removesuffix('.')}"
            )
