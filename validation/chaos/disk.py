"""Every command that writes, on a disk that takes no file beyond some size.

The limit is the process's own (RLIMIT_FSIZE), so that the machine keeps its disk. The command must
end with one sentence, leave whole files, and finish once there is room.
"""

from __future__ import annotations

import random
import resource
import signal
import subprocess
from collections.abc import Iterator
from functools import partial

from validation.chaos import kills
from validation.chaos.kills import COMMANDS, PROGRAM, TIMEOUT_SECONDS
from validation.chaos.shop import copied
from validation.chaos.tally import Outcome, unforeseen

MOST_BYTES = 300_000
LEFT_OUT = frozenset(("demo", "run"))  # their children are limited, too: Chromium, kernels


def cases(disks: int, seed: int) -> Iterator[tuple[str, int]]:
    """Commands in turn, each with the size that no file may pass."""
    drawn = random.Random(seed)
    names = [name for name in COMMANDS if name not in LEFT_OUT]
    for number in range(disks):
        yield names[number % len(names)], drawn.randrange(MOST_BYTES)


def attempt(case: tuple[str, int]) -> Outcome:
    """Run a command on a full disk, then with room."""
    name, most = case
    start = kills.start_of(name)
    told = f"{name} with room for {most:,} bytes a file"
    with copied(start.folder) as folder:
        ended = subprocess.run(
            [PROGRAM, *COMMANDS[name].arguments], cwd=folder, env=kills.environment(folder),
            preexec_fn=partial(_limit, most), capture_output=True, text=True, check=False,
            timeout=TIMEOUT_SECONDS,
        )  # fmt: skip
        said = ended.stderr.strip()
        is_silent = ended.returncode == 1 and not said
        if ended.returncode not in (0, 1) or is_silent or unforeseen(said):
            return Outcome(told, traceback=f"exit {ended.returncode}: {said}")
        return kills.finished(name, folder, told)


def _limit(most: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
