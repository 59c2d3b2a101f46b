"""Rejected lines of a file: line number, identifying values, and reason."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class RejectedLine(NamedTuple):
    """A rejected line of a file."""

    line: int  # in a text file its number (the header is 1); in Parquet the row's
    reason: str
    about: Mapping[str, str | None] = {}  # identifying values, such as the SKU

    @property
    def cells(self) -> tuple[object, ...]:
        """The values of the columns of `columns_of`."""
        return (self.line, *self.about.values(), self.reason)


def columns_of(rejected: Sequence[RejectedLine]) -> tuple[str, ...]:
    """Return the column names for rejected lines."""
    return ("line", *(rejected[0].about if rejected else ()), "reason")


def write_rejected(path: Path, rejected: Sequence[RejectedLine]) -> None:
    """Write the rejected lines as a CSV, with cells escaped against spreadsheet formulas.

    Args:
        path: The file, replaced if it exists.
        rejected: The lines, all with the same identifying values.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns_of(rejected))
        writer.writerows(_inert(line.cells) for line in rejected)


def _inert(cells: Iterable[object]) -> list[object]:
    signs = ("=", "+", "-", "@", "\t")
    return [f"'{c}" if isinstance(c, str) and c[:1] in signs else c for c in cells]
