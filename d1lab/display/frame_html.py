"""Frames and relations in a notebook: their first thousand rows, under the columns' own names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from d1lab.counting import counted
from d1lab.display.notebook_table import SHOWN_ROWS, TableHead, table_html
from d1lab.display.table import describe_columns, read_frame
from d1lab.display.values import UNKNOWN, plain

_LONGEST = 300  # characters of a cell
_MOST_DIGITS = 4
_MINUS = "−"


class FirstRows(NamedTuple):
    """The first rows of a frame or a relation."""

    names: list[str]
    rows: list[Sequence[Any]]
    total: int | None  # None: there are more, and they were not counted

    def caption(self) -> str:
        """Return how many rows are shown, and of how many."""
        shown = counted(len(self.rows), "row")
        if self.total is None:
            return f"First {shown}"
        return shown if self.total == len(self.rows) else f"First {shown} of {self.total:,}"

    def html(self) -> str:
        """Return the rows as a table that can be sorted and searched."""
        cells = [tuple(plain(cell, _LONGEST) for cell in row) for row in self.rows]
        kinds = describe_columns(self.names, self.rows, tuple(cells), {}, {}, {})
        columns = [
            _shown(name, kind.kind, [row[i] for row in self.rows], [row[i] for row in cells])
            for i, (name, kind) in enumerate(zip(self.names, kinds, strict=True))
        ]
        heads = [TableHead(kind.name, kind.numeric) for kind in kinds]
        return table_html(heads, zip(*columns, strict=True), self.caption())

    def text(self) -> str:
        """Return the first rows as plain text, one line each."""
        lines = ["\t".join(self.names)]
        lines += ["\t".join(str(plain(cell, 40)) for cell in row) for row in self.rows[:20]]
        return "\n".join([*lines, f"({self.caption()})"])


def first_rows(shown: Any) -> FirstRows:
    """Return the first thousand rows of a frame or a relation; a relation is not read further.

    A pandas index is left out, unless it has a name or labels.
    """
    if hasattr(shown, "fetchall"):  # a relation
        rows = shown.limit(SHOWN_ROWS + 1).fetchall()
        total = len(rows) if len(rows) <= SHOWN_ROWS else None
        return FirstRows(list(shown.columns), rows[:SHOWN_ROWS], total)
    total = len(shown)
    if hasattr(shown, "reset_index"):
        shown = _with_index(shown.head(SHOWN_ROWS))
    names, _, rows = read_frame(shown)
    return FirstRows(names, list(islice(rows, SHOWN_ROWS)), total)


def _with_index(frame: Any) -> Any:
    index = frame.index
    counts = index.nlevels == 1 and index.name is None and index.dtype.kind in "iu"
    return frame if counts else frame.reset_index(allow_duplicates=True)


def _shown(name: str, kind: str, given: list[Any], cells: list[Any]) -> list[str]:
    """Format one column: exact, as far as four decimals do."""
    if kind == "date":
        is_day = all(map(_is_day, given))
        return [UNKNOWN if v is None else str(v)[:10] if is_day else str(v)[:19] for v in cells]
    numbers = [v for v in cells if isinstance(v, float)]
    digits = next(
        (d for d in range(_MOST_DIGITS) if all(round(v, d) == v for v in numbers)), _MOST_DIGITS
    )
    grouped = "" if name == "year" or name.endswith("id") else ","
    return [_cell(value, digits if kind == "number" else 0, grouped) for value in cells]


def _is_day(value: Any) -> bool:
    """Return whether a value is a date, midnight, or missing."""
    is_time = isinstance(value, datetime) and value == value  # NaT is not
    return not is_time or value == value.replace(hour=0, minute=0, second=0, microsecond=0)


def _cell(value: Any, digits: int, grouped: str) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if value and abs(value) < 10**-_MOST_DIGITS:
        return f"{value:.3g}".replace("-", _MINUS)
    return f"{value:{grouped}.{digits}f}".replace("-", _MINUS)
