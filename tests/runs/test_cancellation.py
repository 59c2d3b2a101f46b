"""Ctrl-C ends the runs of other threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

import d1lab.runs.cancellation
from d1lab.runs.cancellation import Cancellation


def test_results_are_in_the_order_of_the_futures():
    """Whichever is ready first."""
    second = Event()
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(lambda: second.wait(60)), pool.submit(second.set)]
        assert Cancellation().results(pool, futures) == [True, None]


def test_an_interrupt_ends_what_runs_and_starts_no_more(monkeypatch):
    """Runs that wait in the pool never start, and running kernels are told to end."""
    over, cancellation = Event(), Cancellation()

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(d1lab.runs.cancellation, "wait", interrupted)
    with ThreadPoolExecutor(1) as pool:
        futures = [pool.submit(over.wait, 60), pool.submit(over.wait, 60)]
        with pytest.raises(KeyboardInterrupt):
            cancellation.results(pool, futures)
        assert (cancellation.asked, futures[1].cancelled()) == (True, True)
        over.set()
