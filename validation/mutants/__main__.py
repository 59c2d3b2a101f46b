"""Mutation testing of the statistics: `make mutants`.

    python -m validation.mutants [FOLDER] [--minutes 20] [--seed 1] [--only ab_tests]

Puts one small fault at a time into a copy of the project, drawn by the seed; the tests that run
the changed line, or read the changed query, must fail. Prints each fault that they do not find,
and the share that they found ("killed"). A second run with the same FOLDER measures no tests.
"""

from __future__ import annotations

import argparse
import pickle
import random
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from validation.mutants import worker
from validation.mutants.faults import sample
from validation.mutants.suite import Suite

_WORDS = {True: "found", False: "not found", None: "not known"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge faults until the time is up."""
    options = argparse.ArgumentParser(description="Mutation testing of the statistics.")
    options.add_argument("folder", nargs="?", type=Path, help="kept for a second run")
    options.add_argument("--minutes", type=float, default=20)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--only", default="", help="part of the files' paths")
    asked = options.parse_args(arguments)
    signal.signal(signal.SIGALRM, _time_is_up)
    signal.setitimer(signal.ITIMER_REAL, 60 * asked.minutes)
    with TemporaryDirectory() as temporary:
        counts = _judge(asked, asked.folder or Path(temporary))
    print(f"{_share(*counts)}, seed {asked.seed}")
    return 0


def _time_is_up(*_: Any) -> None:
    raise TimeoutError


def _judge(asked: argparse.Namespace, folder: Path) -> tuple[int, int]:
    """Print the faults that are not found; return the numbers of those found, and of all."""
    found = known = 0
    try:
        worker.warm()
        first = worker.copy_to(folder / "1")
        suite = _suite(first, folder / "suite")
        copies = [first, worker.copy_to(folder / "2", first)]
        faults = sample(asked.only, random.Random(asked.seed))
        for fault, is_found in worker.judged(faults, suite, copies):
            known, found = known + (is_found is not None), found + bool(is_found)
            print(f"{_WORDS[is_found]}: {fault.path}", flush=True)
            if not is_found:
                print(fault.diff(), flush=True)
    except TimeoutError:
        pass
    return found, known


def _suite(copy: Path, kept: Path) -> Suite:
    if not kept.exists():
        kept.write_bytes(pickle.dumps(worker.measure(copy)))
    return pickle.loads(kept.read_bytes())


def _share(found: int, known: int) -> str:
    from scipy.stats import binomtest

    if not known:
        return "no faults judged"
    low, high = binomtest(found, known).proportion_ci(method="wilson")
    return f"{found} of {known} faults found: {found / known:.1%} ({low:.0%} to {high:.0%})"


if __name__ == "__main__":
    sys.exit(main())
