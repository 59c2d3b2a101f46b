"""Worker processes of this machine: each does one database at a time, with its own fork server.

A worker that dies takes no other with it: each is a pool of one process, which is replaced. A
worker whose coordinator was killed ends by itself within a second.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from typing import Protocol, cast

from d1lab.config import Settings
from d1lab.d1.request_limit import use_limit
from d1lab.fleet.order import Order, Outcome
from d1lab.fleet.pace import request_bucket
from d1lab.fleet.unit import work
from d1lab.secrets import hide_memory

_WATCH_SECONDS = 1.0

_settings: Settings | None = None


class Workers(Protocol):
    """What a coordinator gives its orders to."""

    def free(self) -> int:
        """Return how many orders can be submitted now."""
        ...

    def problem(self) -> str:
        """Return why no more orders can be given; '' while they can."""
        ...

    def submit(self, order: Order) -> Future[Outcome]:
        """Start an order on a free worker."""
        ...

    def close(self) -> None:
        """End the workers; what they are doing is given up."""


class WorkerDied(Exception):
    """The process of a worker ended in the middle of an order."""


class LocalWorkers:
    """Processes of this machine.

    Args:
        settings: The project's; their secrets reach the workers through a pipe.
        count: The number of processes.
    """

    def __init__(self, settings: Settings, count: int) -> None:
        self._settings = settings.share_memory(count)
        self._slots: list[ProcessPoolExecutor | None] = [None] * count
        self._busy: dict[int, Future[Outcome]] = {}

    def free(self) -> int:
        """Return the number of idle workers."""
        return len(self._slots) - sum(not future.done() for future in self._busy.values())

    def problem(self) -> str:
        """Return '': a process that ends is replaced."""
        return ""

    def submit(self, order: Order) -> Future[Outcome]:
        """Start an order on an idle worker, which is started if there is none yet."""
        slots = range(len(self._slots))
        place = next(p for p in slots if p not in self._busy or self._busy[p].done())
        try:
            future = self._pool(place).submit(_do, order)
        except BrokenProcessPool:  # it died while it was idle
            self._end(place)
            future = self._pool(place).submit(_do, order)
        outer: Future[Outcome] = Future()
        future.add_done_callback(lambda inner: self._pass_on(inner, outer, place))
        self._busy[place] = outer
        return outer

    def close(self) -> None:
        """End all workers at once."""
        for place in range(len(self._slots)):
            self._end(place)

    def _pool(self, place: int) -> ProcessPoolExecutor:
        pool = self._slots[place]
        if pool is None:
            pool = ProcessPoolExecutor(
                1,
                mp_context=get_context("spawn"),
                initializer=start_worker,
                initargs=(self._settings, os.getpid()),
            )
            self._slots[place] = pool
        return pool

    def _pass_on(self, inner: Future[Outcome], outer: Future[Outcome], place: int) -> None:
        """Copy a result; a worker that died is replaced before the next order."""
        if inner.cancelled():
            outer.cancel()
            return
        error = inner.exception()
        if isinstance(error, BrokenProcessPool):
            self._slots[place] = None
            outer.set_exception(WorkerDied("its worker process was killed or ran out of memory"))
        elif error is not None:
            outer.set_exception(error)
        else:
            outer.set_result(inner.result())

    def _end(self, place: int) -> None:
        pool, self._slots[place] = self._slots[place], None
        if pool is None:
            return
        known = cast("dict[int, BaseProcess] | None", getattr(pool, "_processes", None))
        processes = list((known or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(5)


def start_worker(settings: Settings, coordinator: int) -> None:
    """Prepare a worker process: its settings, the pace of requests, and its end.

    Args:
        settings: The project's.
        coordinator: The process ID of the coordinator, without which the worker ends.
    """
    global _settings
    hide_memory()
    _settings = settings
    use_limit(request_bucket(settings))
    logging.getLogger("d1lab").setLevel(logging.ERROR)  # warnings come with the outcome
    threading.Thread(target=_end_with, args=(coordinator,), daemon=True).start()


def _do(order: Order) -> Outcome:
    assert _settings is not None
    return work(_settings, order)


def _end_with(coordinator: int) -> None:
    """End this process when the coordinator has ended: its parent is then another one."""
    while os.getppid() == coordinator:
        time.sleep(_WATCH_SECONDS)
    os._exit(1)
