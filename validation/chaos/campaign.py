"""The whole campaign: its parts on all processors, its figures, and its page."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any, NamedTuple

from d1lab import files
from d1lab.pages.export import find_chromium
from validation.chaos import answers, disk, hostile, inputs, kills
from validation.chaos.tally import Outcome, Tally, tally

SEED = 20261127
KILLS, ANSWERS, INPUTS, STRINGS, DISKS = 234, 1_600, 2_000, 250, 48
PAGE = Path(__file__).parents[2] / "docs" / "validation" / "chaos.md"


class Part(NamedTuple):
    """One part of the campaign: what is tried, and how."""

    name: str
    cases: Sequence[Any]
    attempt: Callable[[Any], Outcome]


def campaign(seed: int = SEED, share: float = 1.0) -> Iterator[Tally]:
    """Run all parts, on all processors.

    Args:
        seed: Decides everything that is drawn.
        share: Of the full campaign.
    """
    with _workers() as pool:
        for part in _parts(seed, share):
            begun = monotonic()
            found = tally(part.name, _spread(pool, part))
            _say(f"{part.name}: {found.tried:,} tried in {monotonic() - begun:.0f} s")
            yield found
    yield tally("hostile texts on pages", _shown(max(10, round(STRINGS * share / 10) * 10), seed))


def _parts(seed: int, share: float) -> Iterator[Part]:
    def some(number: int) -> int:
        return max(1, round(number * share))

    yield Part("processes killed", list(kills.cases(some(KILLS), seed)), kills.attempt)
    yield Part("full disks", list(disk.cases(some(DISKS), seed)), disk.attempt)
    yield Part("answers of D1 spoiled", answers.sample(some(ANSWERS), seed), answers.attempt)
    yield Part("inputs mutated", list(inputs.cases(some(INPUTS), seed)), inputs.attempt)


@contextmanager
def _workers() -> Generator[ProcessPoolExecutor]:
    """Processes that keep what they prepare in a folder that is removed at the end."""
    with TemporaryDirectory(prefix="chaos-") as folder:
        context = get_context("spawn")
        with ProcessPoolExecutor(os.cpu_count(), context, _quiet, (folder,)) as pool:
            yield pool


def _quiet(folder: str) -> None:
    import tempfile

    tempfile.tempdir = folder
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)


def _spread(pool: ProcessPoolExecutor, part: Part) -> Iterable[Outcome]:
    return pool.map(part.attempt, part.cases, chunksize=4)


def _shown(number: int, seed: int) -> Iterator[Outcome]:
    """The hostile texts in Chromium; none where there is no Chromium."""
    program = find_chromium()
    if program is None:
        _say("hostile texts on pages: no Chromium on this machine")
        return
    from playwright.sync_api import sync_playwright

    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_context(offline=True).new_page()
        yield from hostile.attempts(hostile.strings(number, seed), page, Path(folder))
        browser.close()


def table(tallies: Sequence[Tally]) -> str:
    """The figures as a Markdown table, and each fault below it."""
    lines = [
        "| Part | Tried | Wrong | Rows lost | Rows doubled | Tracebacks |",
        "|---|---|---|---|---|---|",
    ]
    for one in tallies:
        counts = (one.tried, one.wrong, one.lost, one.doubled, one.tracebacks)
        lines.append(f"| {one.part} | {' | '.join(f'{count:,}' for count in counts)} |")
    faults = [f"- `{fault}`" for one in tallies for fault in one.faults]
    return "\n".join([*lines, *(["", *faults] if faults else [])])


def page(tallies: Sequence[Tally], seed: int, seconds: float) -> str:
    """The page of the documentation."""
    return f"""# Chaos

Written by `make chaos`, seed {seed}: faults on purpose, {seconds / 60:.0f} minutes on
{os.cpu_count()} processors.

{table(tallies)}

- **Processes killed**: each command that writes receives SIGKILL at a random moment, then runs
  again. The second run must succeed and leave what an undisturbed run leaves.
- **Full disks**: no file can grow past a random size. The command must end with one sentence, and
  finish when there is room.
- **Answers of D1 spoiled**: one request of `migrate`, `track`, `pull`, `aggregate`, `push`, or
  `rollback` fails, loses its answer, or gets one that is cut, misshapen, or incomplete. The
  operation must succeed or raise one of d1lab's errors; run again, it must end in the right state.
- **Inputs mutated**: files, settings, metrics, SQL, and arguments with one to four random changes.
- **Hostile texts on pages**: as titles, figures, cells, notes, Markdown, and names, in Chromium,
  with the content policy and without it. Nothing may run, be requested, or become markup.

Wrong: the state differs although the command reported success. Times and run IDs are not compared.
"""


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main() -> None:
    """Run the campaign, print its figures, and write the page if it was a full one."""
    parser = argparse.ArgumentParser(prog="python -m validation.chaos")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--share", type=float, default=1.0, help="part of the campaign to run")
    given = parser.parse_args()
    begun = monotonic()
    tallies = list(campaign(given.seed, given.share))
    sys.stdout.write(table(tallies) + "\n")
    if given.share == 1.0:
        files.write(PAGE, page(tallies, given.seed, monotonic() - begun))
    sys.exit(any(one.faults for one in tallies))
