"""Lines of a file that became nothing: where they stand, what they are about, and why."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class RejectedLine(NamedTuple):
    """A line of the file that was not let in."""

    line: int  # its number in a text file, whose header is line 1; in Parquet the row's
    reason: str
    about: Mapping[str, str | None] = {}  # what the line says of itself, such as its SKU

    @property
    def cells(self) -> tuple[object, ...]:
        """The values under `columns_of`."""
        return (self.line, *self.about.values(), self.reason)


def columns_of(rejected: Sequence[RejectedLine]) -> tuple[str, ...]:
    """What the cells of rejected lines are called."""
    return ("line", *(rejected[0].about if rejected else ()), "reason")


def write_rejected(path: Path, rejected: Sequence[RejectedLine]) -> None:
    """The rejected lines as a CSV in which no cell is a formula to a spreadsheet.

    Args:
        path: The file; it is replaced.
        rejected: The lines, all about the same things.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns_of(rejected))
        writer.writerows(_inert(line.cells) for line in rejected)


def _inert(cells: Iterable[object]) -> list[object]:
    signs = ("=", "+", "-", "@", "\t")
    return [f"'{c}" if isinstance(c, str) and c[:1] in signs else c for c in cells]
