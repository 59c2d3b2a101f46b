"""The days of a soak test: played in order, saved after each step, and resumable."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from d1lab.demo.build import STORES, build_demo
from d1lab.files import write
from validation.soak.fresh import D1, installation, packaged_notebooks
from validation.soak.played_shop import PlayedShop, last_day
from validation.soak.step import Stepper, StepRow

EARLY_EVERY = 3  # steps from one early run to the next
UNDO_EVERY = 4  # steps from one rollback to the next


class Phase(NamedTuple):
    """A number of steps of a day or a week."""

    name: str
    steps: int
    mondays: bool = False  # every Monday instead of every day


PHASES = (Phase("mondays", 52, mondays=True), Phase("days", 60))


class Course:
    """One phase of a soak test in its own folder.

    Args:
        folder: Folder of the phase; an existing one is resumed.
        phase: Days to play.
        shops: Shops of the demo.
        workers: Number of parallel reports.
        compare_every: Number of steps between comparisons with a fresh installation; the last
            step is always compared.
    """

    def __init__(
        self,
        folder: Path,
        phase: Phase,
        shops: Sequence[str],
        *,
        workers: int = 2,
        compare_every: int = 1,
    ) -> None:
        self.folder, self.phase, self.compare_every = folder, phase, compare_every
        self._rows_file = folder / "rows.json"
        settings = installation(folder, packaged_notebooks(folder))
        path = folder / D1
        if not path.is_file():
            build_demo(path, stores={shop: STORES[shop] for shop in shops})
        start = folder / "start.txt"
        if not start.is_file():
            write(start, last_day(path).isoformat())
        self.start = date.fromisoformat(start.read_text())
        self.settings = settings
        self._stepper = Stepper(settings, PlayedShop(path, self.start, shops), workers)

    @property
    def rows(self) -> list[StepRow]:
        """Return the completed steps."""
        if not self._rows_file.is_file():
            return []
        found = json.loads(self._rows_file.read_bytes())
        return [StepRow(**row | {"faults": tuple(row["faults"])}) for row in found]

    def days(self) -> list[date]:
        """Return the day of each step; the first one is the demo's last day."""
        gap = 7 if self.phase.mondays else 1
        first = self.start + timedelta(7 - self.start.weekday() if self.phase.mondays else 1)
        return [self.start, *(first + timedelta(gap * n) for n in range(self.phase.steps))]

    def play(self, *, early: Sequence[str] = (), last: Sequence[str] = ()) -> Iterator[StepRow]:
        """Play the remaining steps in order.

        Args:
            early: Reports to run before the last step, without comparison, on the first and every
                third day; empty for all reports on every day.
            last: The only reports of the last step, which then aggregates nothing; empty for all.
        """
        done, days = self.rows, self.days()
        for place in range(len(done), len(days)):
            is_last = place == len(days) - 1
            after, until = days[max(place - 1, 0)], days[place]
            if early and not is_last and place % EARLY_EVERY:
                row = self._stepper.play(after, until)
            else:
                row = self._stepper.step(
                    after,
                    until,
                    compare=is_last or (not early and place % self.compare_every == 0),
                    undo=place % UNDO_EVERY == UNDO_EVERY - 1 and not early,
                    reports=last if is_last else early,
                )
            done.append(row)
            write(self._rows_file, json.dumps([each._asdict() for each in done]))
            yield row
