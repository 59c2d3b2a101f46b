"""Workers of a Dask cluster: each does one database at a time, with its own fork server.

A worker has its own settings and tokens, from its own environment: an order holds neither. The
scheduler keeps the pace of requests to Cloudflare for all of them.
"""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import logging
import time
from concurrent.futures import Future
from contextlib import suppress
from functools import lru_cache, partial
from threading import Lock
from typing import Any
from uuid import uuid4

from d1lab.config import Settings, load_settings
from d1lab.d1.request_limit import Pace, use_limit
from d1lab.errors import D1labError
from d1lab.fleet.cluster import connect_cluster, problem_of, share_of_machine
from d1lab.fleet.order import Order, Outcome
from d1lab.fleet.pool import WorkerDied
from d1lab.fleet.unit import work

_ONE_AT_A_TIME = Lock()


class DaskWorkers:
    """The workers of a Dask cluster, as many as it has at any time.

    Args:
        settings: The coordinator's.
        scheduler: The scheduler's address, such as `tcp://10.0.0.5:8786`.

    Raises:
        InputError: Dask is not installed.
        D1labError: The scheduler does not answer, or cannot import d1lab.
    """

    def __init__(self, settings: Settings, scheduler: str) -> None:
        self._scheduler = scheduler
        self._pace = Pace(settings.fleet.requests)
        self._running: set[Future[Outcome]] = set()
        self._client = connect_cluster(scheduler)
        self._keep_pace()

    def free(self) -> int:
        """Return the number of workers without an order."""
        if self.problem():
            return 0
        self._running = {future for future in self._running if not future.done()}
        with suppress(Exception):  # it is connecting again
            return max(len(self._client.nthreads()) - len(self._running), 0)
        return 0

    def problem(self) -> str:
        """Return why no more orders can be given; '' while they can."""
        return problem_of(self._client, self._scheduler)

    def submit(self, order: Order) -> Future[Outcome]:
        """Give an order to the cluster, which chooses the worker."""
        outer: Future[Outcome] = Future()
        self._running.add(outer)
        try:
            self._keep_pace()
            inner = self._client.submit(do, order, key=f"d1lab-{order.name}-{uuid4().hex}")
        except Exception as error:  # noqa: BLE001  the scheduler has gone
            outer.set_exception(WorkerDied(f"the scheduler did not take the order: {error}"))
            return outer
        inner.add_done_callback(partial(_pass_on, outer))
        return outer

    def close(self) -> None:
        """Leave the cluster; what its workers are doing is given up."""
        with suppress(Exception):
            self._client.close(timeout=5)

    def _keep_pace(self) -> None:
        """Let the scheduler keep the pace; one that was restarted does not know it."""
        try:
            self._client.register_plugin(_pace_keeper(self._pace))
        except ImportError as error:
            raise D1labError(
                f"the Dask scheduler at {self._scheduler} cannot import d1lab: {error}. Install "
                "the same version of d1lab for the scheduler and its workers."
            ) from None


def _pass_on(outer: Future[Outcome], inner: Any) -> None:
    """Copy the result of Dask's future."""
    try:
        outer.set_result(inner.result())
    except Exception as error:  # noqa: BLE001  KilledWorker, cancelled, or one of the worker's own
        outer.set_exception(WorkerDied(f"the cluster gave it up: {_why(error)}"))
    finally:
        with suppress(Exception):
            inner.release()


def _why(error: BaseException) -> str:
    """Return Dask's error in words; its own message has the key of the order, and two lines."""
    name = type(error).__name__
    if "Cancelled" in name:
        return "the connection to the scheduler was lost"
    if name == "KilledWorker":
        return "the workers that did it were killed or ran out of memory"
    return f"{name}: {' '.join(str(error).split())}"


def _pace_keeper(pace: Pace) -> Any:
    """Return a plugin by which the scheduler keeps the pace for all workers."""
    from distributed import SchedulerPlugin

    class PaceKeeper(SchedulerPlugin):
        name = "d1lab-requests"
        idempotent = True  # one that is there already stays, with what it has counted

        def __init__(self) -> None:
            self.used = 0.0

        async def start(self, scheduler: Any) -> None:
            scheduler.handlers["d1lab_reserve"] = self.reserve
            scheduler.handlers["d1lab_rejected"] = self.rejected

        async def reserve(self) -> float:
            self.used, wait = pace.reserve(self.used, time.time())
            return wait

        async def rejected(self, retry_after_seconds: float | None) -> None:
            self.used = pace.emptied(self.used, time.time(), retry_after_seconds)

    return PaceKeeper()


class SchedulerLimit:
    """The pace that the scheduler keeps, as a worker asks for it.

    Args:
        worker: The Dask worker.
    """

    def __init__(self, worker: Any) -> None:
        self._worker = worker

    def take(self) -> None:
        """Wait until one request can be sent."""
        wait: float = self._ask(self._worker.scheduler.d1lab_reserve)
        time.sleep(wait)

    def rejected(self, retry_after_seconds: float | None) -> None:
        """Empty the bucket after a 429."""
        self._ask(self._worker.scheduler.d1lab_rejected, retry_after_seconds=retry_after_seconds)

    def _ask(self, call: Any, **what: Any) -> Any:
        from distributed.utils import sync

        try:
            return sync(self._worker.loop, call, **what)
        except Exception as error:  # noqa: BLE001  the scheduler has gone
            raise D1labError(
                f"the Dask scheduler does not keep the pace of requests: {error}"
            ) from None


def do(order: Order) -> Outcome:
    """Work on one database, in a Dask worker."""
    from distributed import get_worker

    with _ONE_AT_A_TIME:  # also where a worker has several threads
        worker = get_worker()
        use_limit(SchedulerLimit(worker))
        return work(share_of_machine(_own_settings(), worker, by_thread=False), order)


@lru_cache(maxsize=1)
def _own_settings() -> Settings:
    """Return the worker's settings, from its own environment and folder."""
    logging.getLogger("d1lab").setLevel(logging.ERROR)
    return load_settings()
