"""Reading ahead: what several iterators give, while the consumer works on what came before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")


def interleave(walks: Sequence[Iterator[Item]], at_once: int) -> Iterator[Item]:
    """What the walks give, in the order of arrival.

    Args:
        walks: Iterators that may run at the same time, each of them step by step. None ends one.
        at_once: How many of them run; each is at most one item ahead.

    Raises:
        Exception: The first that a walk raises, once the others have ended their steps.
    """
    waiting: dict[Future[Item | None], Iterator[Item]] = {}
    ahead = iter(walks)
    with ThreadPoolExecutor(at_once, "pull") as pool:

        def start(walk: Iterator[Item] | None) -> None:
            if walk is not None:
                waiting[pool.submit(next, walk, None)] = walk

        for _ in range(at_once):
            start(next(ahead, None))
        while waiting:
            arrived, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in arrived:
                walk = waiting.pop(future)
                item = future.result()
                start(next(ahead, None) if item is None else walk)
                if item is not None:
                    yield item
