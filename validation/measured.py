"""A measured share with its limits: one figure of a certificate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

NO_LIMIT = (0.0, 1.0)
ERRS = (0.0, 0.06)  # false positives of a test read once
COVERS = (0.93, 0.97)  # 95% intervals


class Measured(NamedTuple):
    """Share of the simulated tests of a cell for which something holds."""

    cell: tuple[str, ...]
    figure: str
    tests: int  # with an answer
    share: float  # of these tests
    limits: tuple[float, float]

    def fault(self) -> str | None:
        """Return a message if the share is outside its limits, else None.

        A coverage may be outside by two standard errors: few tests of a cell may have an answer.
        A cell without any is outside no limit: there, the method abstains.
        """
        low, high = self.limits
        slack = 2 * (0.05 * 0.95 / max(self.tests, 1)) ** 0.5 if low > 0 else 0.0
        if not self.tests or low - slack <= self.share <= high + slack:
            return None
        return f"{', '.join(self.cell)}: {self.figure} {self.share:.1%} of {self.tests:,}"


def measured(
    cell: tuple[str, ...],
    figure: str,
    holds: ArrayLike,
    limits: tuple[float, float] = NO_LIMIT,
    answers: ArrayLike | None = None,
) -> Measured:
    """Return the share of the answered tests for which something holds."""
    told = np.asarray(holds, dtype=bool)
    known = np.ones(len(told), dtype=bool) if answers is None else np.asarray(answers, dtype=bool)
    count = int(known.sum())
    return Measured(cell, figure, count, float(told[known].mean()) if count else 0.0, limits)


def table(header: Sequence[str], found: Iterable[Measured]) -> str:
    """Return a Markdown table with a row per cell and a column per figure, in percent.

    Args:
        header: Names of the parts of a cell.
        found: Figures of the cells; a cell may have only some of them.
    """
    cells: dict[tuple[str, ...], dict[str, str]] = {}
    for one in found:
        shown = f"{100 * one.share:.1f}" if one.tests else "no answer"
        cells.setdefault(one.cell, {})[one.figure] = shown
    figures = list(dict.fromkeys(figure for row in cells.values() for figure in row))
    lines = [f"| {' | '.join([*header, *figures])} |"]
    lines.append("|---" * (len(header) + len(figures)) + "|")
    for cell, row in cells.items():
        lines.append(f"| {' | '.join([*cell, *(row.get(figure, '-') for figure in figures)])} |")
    return "\n".join(lines)
