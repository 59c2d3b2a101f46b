"""Ctrl-C ends the runs of other threads."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import contextmanager
from typing import Protocol, TypeVar

T = TypeVar("T")


class Cancellable(Protocol):
    """What is running, such as a kernel."""

    cancelled: bool

    def cancel(self) -> None:
        """End it."""


class Cancellation:
    """Ends current and later runs from another thread."""

    def __init__(self) -> None:
        self.asked = False
        self._kernels: set[Cancellable] = set()
        self._lock = threading.Lock()

    @contextmanager
    def covers(self, kernel: Cancellable) -> Generator[None]:
        """Let `cancel` end this kernel while the block runs."""
        with self._lock:
            self._kernels.add(kernel)
            kernel.cancelled = self.asked
        try:
            yield
        finally:
            with self._lock:
                self._kernels.discard(kernel)

    def cancel(self) -> None:
        """End all runs."""
        with self._lock:
            self.asked = True
            for kernel in self._kernels:
                kernel.cancel()

    def results(self, pool: Executor, futures: Sequence[Future[T]]) -> list[T]:
        """Wait for futures of a pool and return their results; Ctrl-C ends their runs first."""
        try:
            while wait(futures, timeout=1).not_done:
                pass  # wake up every second: Ctrl-C may have reached another thread
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            self.cancel()
            raise
        return [future.result() for future in futures]
