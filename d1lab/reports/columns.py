"""How a page lays out a table's columns: what aligns as numbers do, and what may be wrapped."""

from __future__ import annotations

import re

from d1lab.display import DataTable
from d1lab.display.table import TableColumn

SHORT, LONG = 14, 40  # characters

_FIGURE = re.compile(r"[<>≤≥]? ?[+−-]?[$€£]?[\d,]+(\.\d+)?( ?%)?")


def layout(table: DataTable) -> list[str]:
    """The class of each column, for the style sheet.

    `n` aligns right; `s` is short and never wrapped; `l` is long and needs room; others are empty.
    """
    cells = [[row[place] for row in table.rows] for place in range(len(table.columns))]
    return [_class(column, shown) for column, shown in zip(table.columns, cells, strict=True)]


def _class(column: TableColumn, cells: list[object]) -> str:
    if column.numeric:
        return "n"
    texts = [column.shown(cell) for cell in cells if cell is not None]
    if texts and all(map(_FIGURE.fullmatch, texts)) and re.search("[.%<>]", "".join(texts)):
        return "n"  # such as p-values in words: "< 0.0001"; but not the digits of a SKU
    longest = max(map(len, texts), default=0)
    return "s" if longest <= SHORT else "l" if longest > LONG else ""
