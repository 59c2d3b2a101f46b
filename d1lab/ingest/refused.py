"""Refused lines as a file to hand back to whoever made the source."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path


def write_refused(path: Path, fields: Sequence[str], refused: Iterable[Sequence[object]]) -> None:
    """The refused lines as a CSV in which no cell is a formula to a spreadsheet.

    Args:
        path: The file; it is replaced.
        fields: What the values of a line are called.
        refused: The lines, each in the order of the fields.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(fields)
        writer.writerows([_inert(cell) for cell in row] for row in refused)


def _inert(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t") else cell
