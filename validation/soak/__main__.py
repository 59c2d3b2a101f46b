"""make soak: every report on 52 Mondays and on 60 consecutive days.

    python -m validation.soak [FOLDER] [--shops harbor,village,kiosk] [--minutes 60]

It resumes where it was stopped, if the folder still exists. Exit code 1 if anything failed,
differed from a fresh installation, or grew.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from d1lab.demo.build import STORES
from validation.soak.course import PHASES, Course, Phase
from validation.soak.creep import creep
from validation.soak.step import StepRow

_HEADS = ("day", "ran", "current", "compared", "rows read", "written", "runs kB", "data MB",
          "seconds", "scored", "faults")  # fmt: skip
_WIDTHS = (10, 4, 7, 8, 10, 8, 8, 8, 8, 7, 6)


def main(arguments: Sequence[str] | None = None) -> int:
    """Play both phases, and print a line for each step and the faults."""
    options = _options(arguments)
    if options.afresh:
        shutil.rmtree(options.folder, ignore_errors=True)
    deadline = monotonic() + 60 * options.minutes
    faults = []
    for phase in PHASES:
        if options.phase in (phase.name, None):
            course = Course(
                options.folder / phase.name,
                phase,
                options.shops.split(","),
                workers=options.workers,
            )
            faults += _play(course, phase, deadline)
    print("\n".join(faults) or "soak: no fault found")
    return 1 if faults else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m validation.soak", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("data/soak"))
    parser.add_argument("--shops", default=",".join(STORES))
    parser.add_argument("--phase", choices=[phase.name for phase in PHASES])
    parser.add_argument("--minutes", type=float, default=180, help="then stop; it can go on later")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--afresh", action="store_true", help="begin anew")
    return parser.parse_args(arguments)


def _play(course: Course, phase: Phase, deadline: float) -> list[str]:
    print(f"{phase.name}: {len(course.days())} steps in {course.folder}")
    print(_line(_HEADS))
    for row in course.rows:
        print(_shown(row))
    for row in course.play() if monotonic() < deadline else ():
        print(_shown(row), flush=True)
        if monotonic() > deadline:
            break
    rows = course.rows
    if len(rows) < len(course.days()):
        print(f"{phase.name}: stopped after {len(rows)} steps; run again to go on")
    faults = [f"{row.day} {fault}" for row in rows for fault in row.faults]
    return faults + [f"{phase.name} {grown}" for grown in creep(rows)]


def _shown(row: StepRow) -> str:
    return _line((
        row.day, row.ran, row.current, row.compared, f"{row.rows_read:,}", f"{row.rows_written:,}",
        f"{row.runs_kb:,.0f}", f"{row.data_mb:,.1f}", f"{row.seconds:,.1f}", f"{row.scored:,}",
        len(row.faults),
    ))  # fmt: skip


def _line(cells: Sequence[object]) -> str:
    return "  ".join(f"{cell!s:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=True))


if __name__ == "__main__":
    sys.exit(main())
