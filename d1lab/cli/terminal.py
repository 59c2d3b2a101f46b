"""Print rows on a terminal of any width, without truncation.

a table                     if every word fits in its column
the widest column below     if the other columns fit without it, such as a page's path
a folded table              if the terminal has at least half the required width
a block per row             otherwise
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

_GAP = 3  # between two columns
_MOST_FOLDED = 2.0  # the most that a folded table can exceed the terminal's width


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[int]
) -> None:
    """Print rows with a header of column names.

    Args:
        columns: The column names.
        rows: The rows, each cell a single line.
        numbers: The indexes of numeric columns, which are right-aligned.
    """
    console = Console()
    longest = [max(map(_longest_word, texts)) for texts in zip(columns, *rows, strict=True)]
    needed = sum(longest) + _GAP * len(longest)
    if needed <= console.width:
        console.print(_table(columns, rows, numbers, whole_words=True))
    elif lines := _with_one_beneath([columns, *rows], numbers, console.width):
        console.print(*lines, sep="\n", soft_wrap=True)
    elif needed <= _MOST_FOLDED * console.width:
        console.print(_table(columns, rows, numbers, whole_words=False))
    else:
        for row in rows:
            console.print(_block(columns, row), "")


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)


def _table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    numbers: Collection[int],
    *,
    whole_words: bool,
) -> Table:
    """Return the columns' widths; without `whole_words`, long words are broken."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(columns):
        has_spaces = any(" " in row[index] for row in rows)
        table.add_column(
            Text(name),
            justify="right" if index in numbers else "left",
            overflow="fold",
            no_wrap=whole_words and not has_spaces,
        )
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _with_one_beneath(
    lines: Sequence[Sequence[str]], numbers: Collection[int], width: int
) -> list[Text]:
    """Format each row on two lines, with its widest text on the second; None if too wide."""
    widths = [max(map(cell_len, texts)) for texts in zip(*lines, strict=True)]
    widest = widths.index(max(widths))
    kept = [place for place in range(len(widths)) if place != widest]
    if sum(widths[place] + _GAP for place in kept) > width or widths[widest] + _GAP > width:
        return []
    shown: list[Text] = []
    for line in lines:
        style = "" if shown else "bold"
        cells = [_aligned(line[p], widths[p], right=p in numbers) for p in kept]
        shown.append(Text((" " * _GAP).join(cells), style))
        if line[widest]:
            shown.append(Text(" " * _GAP + line[widest], style))
    return shown


def _aligned(text: str, width: int, *, right: bool) -> str:
    return " " * (width - cell_len(text)) + text if right else set_cell_size(text, width)


def _block(columns: Sequence[str], row: Sequence[str]) -> Table:
    """Print each value on its own line, after its column name."""
    block = Table.grid("", "", padding=(0, 1))
    block.columns[1].overflow = "fold"
    for name, text in zip(columns, row, strict=True):
        block.add_row(Text(name), Text(text))
    return block
