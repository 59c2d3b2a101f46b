"""Every command that writes, killed at a random moment and then run again.

A kill is SIGKILL for the command's whole process group. The second run must end well, and leave
what an undisturbed run leaves.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from time import monotonic, sleep
from typing import NamedTuple

from validation.chaos import shop
from validation.chaos.shop import DATABASE, RUN, SECOND, State, copied, counted, volatile
from validation.chaos.tally import Outcome, compared, unforeseen

PROGRAM = Path(sys.executable).parent / "d1lab"
TIMEOUT_SECONDS = 300


class Command(NamedTuple):
    """A command, and what must have run before it."""

    arguments: tuple[str, ...]
    after: tuple[str, ...] = ()


_EVENTS = ("migrate", "track")
_RUN = (*_EVENTS, "aggregate", "stage")

COMMANDS = {
    "init": Command(("init", "other", "--currency", "EUR")),
    "demo": Command(("demo",)),
    "migrate": Command(("migrate",)),
    "track": Command(("track", "events.jsonl"), ("migrate",)),
    "ingest orders": Command(("ingest", "orders", "orders.csv", "--shop", "corner"), _EVENTS),
    "ingest costs": Command(("ingest", "costs", "costs.csv"), ("migrate",)),
    "ingest prices": Command(("ingest", "prices", "prices.csv"), ("migrate",)),
    "ingest products": Command(
        ("ingest", "products", "products.csv", "--shop", "corner"), ("migrate",)
    ),
    "ingest stock": Command(
        ("ingest", "stock", "stock.csv", "--shop", "corner", "--day", "2026-04-29"), ("migrate",)
    ),
    "pull": Command(("pull",), _EVENTS),
    "optimize": Command(("optimize",), _EVENTS),
    "aggregate": Command(("aggregate",), _EVENTS),
    "aggregate --take-over": Command(
        ("aggregate", "--take-over", "product_performance", "--yes"), (*_EVENTS, "app counts")
    ),
    "run": Command(("run", "customers"), (*_EVENTS, "aggregate")),
    "push": Command(("push", RUN), _RUN),
    "rollback": Command(("rollback", RUN), (*_RUN, "push")),
    "prune": Command(("prune", "--keep", "0d"), (*_EVENTS, "run", "run as of")),
    "publish": Command(("publish", "public"), (*_EVENTS, "run")),
}
"""Every command that writes."""

_BETWEEN = {"run as of": ("run", "customers", "--as-of", "2026-04-20")}


class Start(NamedTuple):
    """Where the attempts of a command start, and what they should end with."""

    folder: Path
    seconds: float  # that it takes
    expected: State
    without: dict[str, frozenset[str]]


_STARTS: dict[str, Start] = {}


def start_of(name: str) -> Start:
    """Prepare a command, and run it twice without a kill."""
    if name in _STARTS:
        return _STARTS[name]
    folder = shop.create(Path(mkdtemp(prefix="chaos-")))
    shop.empty_database(folder / "d1.sqlite")
    for before in COMMANDS[name].after:
        _prepare(before, folder)
    ends, seconds = [], 0.0
    for pause in (0, SECOND):
        sleep(pause)
        with copied(folder) as copy:
            begun = monotonic()
            _require_done(call(COMMANDS[name].arguments, copy))
            seconds = monotonic() - begun
            ends.append(state(name, copy))
    _STARTS[name] = Start(folder, seconds, ends[0], volatile(*ends))
    return _STARTS[name]


def _prepare(name: str, folder: Path) -> None:
    if name == "stage":
        shop.staged(folder / "data" / DATABASE / "runs" / RUN)
    elif name == "app counts":
        shop.count_as_app(folder / "d1.sqlite")
    else:
        _require_done(call(_BETWEEN.get(name) or COMMANDS[name].arguments, folder))


def cases(kills: int, seed: int) -> Iterator[tuple[str, float]]:
    """Commands in turn, each with the part of its time after which it is killed."""
    drawn = random.Random(seed)
    names = list(COMMANDS)
    for number in range(kills):
        yield names[number % len(names)], drawn.uniform(0.05, 1.0)


def attempt(case: tuple[str, float]) -> Outcome:
    """Kill a command, and run it again."""
    name, part = case
    start = start_of(name)
    told = f"{name} killed after {part:.3f} of its time"
    with copied(start.folder) as folder:
        _kill(COMMANDS[name].arguments, folder, part * start.seconds)
        return finished(name, folder, told)


def finished(name: str, folder: Path, told: str) -> Outcome:
    """Run a command that was disturbed once more, and compare what it leaves.

    It may refuse if the first run did all of its work, as `init` does.
    """
    code, said = call(COMMANDS[name].arguments, folder)
    start, found = start_of(name), state(name, folder)
    expected, found = (counted(each, start.without) for each in (start.expected, found))
    outcome = compared(told, expected, found)
    if unforeseen(said) or (code and outcome.is_fault):
        return outcome._replace(wrong=True, traceback=unforeseen(said) or said.strip())
    return outcome


def _kill(arguments: tuple[str, ...], folder: Path, seconds: float) -> None:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [PROGRAM, *arguments], cwd=folder, env=environment(folder),
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def call(arguments: tuple[str, ...], folder: Path) -> tuple[int, str]:
    """The exit code and standard error of a command."""
    ended = subprocess.run(
        [PROGRAM, *arguments], cwd=folder, env=environment(folder),
        capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS,
    )  # fmt: skip
    return ended.returncode, ended.stderr


def _require_done(ended: tuple[int, str]) -> None:
    assert ended[0] == 0, ended[1]


def environment(folder: Path) -> dict[str, str]:
    """The environment of a command: no settings but the salt."""
    kept = {name: os.environ[name] for name in ("PYTHONPATH", "LANG") if name in os.environ}
    place = {"PATH": f"{PROGRAM.parent}:/usr/bin:/bin", "HOME": str(folder)}
    return {**place, "D1LAB_SALT": "a salt of this campaign", **kept}


def state(name: str, folder: Path) -> State:
    """What a command leaves: D1's tables, and files for those that write some."""
    if name == "init":
        return shop.files_state(folder / "other", ignored=lambda _: False)
    if name == "publish":
        return shop.files_state(folder / "public", ignored=lambda _: False)
    if name == "demo":
        return shop.d1_state(folder / "data" / "demo" / "d1.sqlite")
    state = shop.d1_state(folder / "d1.sqlite")
    if name == "run":
        state.pop("d1.d1lab_pushes", None)  # each attempt has a record of its own
    if name == "pull":
        state |= shop.warehouse_state(folder / "data" / DATABASE)
    return state


def forget_starts() -> None:
    """Remove what `start_of` prepared."""
    for start in _STARTS.values():
        shutil.rmtree(start.folder, ignore_errors=True)
    _STARTS.clear()
