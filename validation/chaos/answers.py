"""Every fault at every request of each operation that talks to D1.

Each attempt starts from the same state, meets one fault, and either succeeds or ends with one of
d1lab's errors; then the operation runs once more, undisturbed. The end state must be that of an
operation that met no fault.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import mkdtemp
from time import sleep
from typing import NamedTuple

import stamina
from pydantic import SecretStr

from d1lab.d1 import batches
from d1lab.d1.database import Database
from d1lab.d1.migrate import migrate
from d1lab.d1.rest import RestDatabase
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.d1.transport import ATTEMPTS
from d1lab.errors import D1labError
from d1lab.ingest.aggregate import aggregate
from d1lab.ingest.events import track
from d1lab.pull import pull
from d1lab.push import push, rollback
from d1lab.warehouse import FILE_NAME
from tests.support import small_shop
from validation.chaos.served import FAULTS, URL, Served
from validation.chaos.shop import (
    DATABASE,
    RUN,
    SECOND,
    State,
    copied,
    counted,
    d1_state,
    staged,
    volatile,
    warehouse_state,
)
from validation.chaos.tally import Outcome, compared

FOR_GOOD = ("results null", "results missing", "status 500", "cut body")
"""Faults that are tried for all later requests, too."""

Work = Callable[[Database, Path], object]


class Operation(NamedTuple):
    """One operation, and those that must have run before it."""

    work: Work
    after: tuple[str, ...] = ()


def _run_dir(folder: Path) -> Path:
    return folder / "runs" / RUN


def _track(db: Database, _: Path) -> object:
    return track(db, small_shop.events())


def _pull(db: Database, folder: Path) -> object:
    return pull(db, folder, database=DATABASE)


def _aggregate(db: Database, folder: Path) -> object:
    return aggregate(db, folder, database=DATABASE)


OPERATIONS = {
    "migrate": Operation(lambda db, _: migrate(db)),
    "track": Operation(_track, ("migrate",)),
    "pull": Operation(_pull, ("migrate", "track")),
    "aggregate": Operation(_aggregate, ("migrate", "track")),
    "push": Operation(
        lambda db, folder: push(db, _run_dir(folder)), ("migrate", "track", "aggregate")
    ),
    "rollback": Operation(
        lambda db, folder: rollback(db, _run_dir(folder)),
        ("migrate", "track", "aggregate", "push"),
    ),
}


class Start(NamedTuple):
    """Where the attempts of an operation start, and what they should end with."""

    folder: Path
    requests: int
    expected: State
    without: dict[str, frozenset[str]]


@contextmanager
def hurried() -> Generator[None]:
    """Retry at once instead of waiting."""
    pause, batches.sleep = batches.sleep, lambda _: None
    try:
        with stamina.set_testing(True, attempts=ATTEMPTS, cap=True):
            yield
    finally:
        batches.sleep = pause


_STARTS: dict[str, Start] = {}


def start_of(name: str) -> Start:
    """Prepare an operation, and run it twice without a fault."""
    if name in _STARTS:
        return _STARTS[name]
    folder = Path(mkdtemp(prefix=f"chaos-{name}-"))
    SqliteDatabase.create(folder / "d1.sqlite").close()
    staged(_run_dir(folder))
    for before in OPERATIONS[name].after:
        _disturbed(OPERATIONS[before].work, folder)
    ends = []
    requests = 0
    for pause in (0, SECOND):
        sleep(pause)
        with copied(folder) as copy:
            requests = _disturbed(OPERATIONS[name].work, copy)
            ends.append(_state(copy))
    _STARTS[name] = Start(folder, requests, ends[0], volatile(*ends))
    return _STARTS[name]


def cases(name: str) -> Iterator[tuple[str, str, int, bool]]:
    """Each fault at each request of an operation: name, fault, request, and whether it stays."""
    for at in range(start_of(name).requests):
        yield from ((name, fault, at, False) for fault in FAULTS)
        yield from ((name, fault, at, True) for fault in FOR_GOOD)


def sample(number: int, seed: int) -> list[tuple[str, str, int, bool]]:
    """Cases of all operations, drawn without repetition; those of an operation together."""
    every = [case for name in OPERATIONS for case in cases(name)]
    forget_starts()
    return sorted(random.Random(seed).sample(every, min(number, len(every))))


def attempt(case: tuple[str, str, int, bool]) -> Outcome:
    """Run an operation with a fault, then again without."""
    name, fault, at, for_good = case
    work, start = OPERATIONS[name].work, start_of(name)
    told = f"{name}: {fault} at request {at}{' and later' if for_good else ''}"
    with copied(start.folder) as folder:
        for again in (False, True):
            fault = "" if again else fault
            try:
                _disturbed(work, folder, fault, at, for_good=for_good)
            except D1labError as error:
                if again:
                    return Outcome(told, wrong=True, traceback=f"then for good: {error}")
                continue
            except Exception as error:  # noqa: BLE001  this is what the campaign looks for
                return Outcome(told, traceback=f"{type(error).__name__}: {error}")
            expected, found = (
                counted(each, start.without) for each in (start.expected, _state(folder))
            )
            return compared(told, expected, found)
    raise AssertionError("the second attempt returns")


def _disturbed(
    work: Work, folder: Path, fault: str = "", at: int = 0, *, for_good: bool = False
) -> int:
    """Do some work over HTTP with a fault; how many requests it made."""
    with closing(SqliteDatabase(folder / "d1.sqlite")) as behind:
        served = Served(behind, fault, at, for_good=for_good)
        token = SecretStr("token")
        database = RestDatabase(URL, read_token=token, write_token=token, handler=served)
        with closing(database), hurried():
            work(database, folder)
        return served.requests


def _state(folder: Path) -> State:
    """D1 and the warehouse, once a pull has brought in what the operation wrote."""
    if (folder / FILE_NAME).is_file():
        _disturbed(_pull, folder)
    return d1_state(folder / "d1.sqlite") | warehouse_state(folder)


def forget_starts() -> None:
    """Remove what `start_of` prepared."""
    for start in _STARTS.values():
        shutil.rmtree(start.folder, ignore_errors=True)
    _STARTS.clear()
