"""Tables of a notebook: columns can be sorted, rows can be searched, and numbers are aligned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import NamedTuple

from d1lab.display.notebook_style import framed

SHOWN_ROWS = 1_000
"""Rows of a frame or relation that a notebook shows."""
SEARCHED_FROM = 8  # rows; shorter tables need no search

FILE = Path(__file__).with_name("notebook_table.js")


@cache
def _script() -> str:
    """Return the script that sorts and searches one table; a notebook repeats it for each."""
    return FILE.read_text(encoding="utf-8")


class TableHead(NamedTuple):
    """The head of one column."""

    text: str
    numeric: bool = False


def table_html(
    heads: Sequence[TableHead], rows: Iterable[Sequence[str]], caption: str, note: str = ""
) -> str:
    """Return a table as HTML; texts are escaped, so that data is never run.

    Args:
        heads: One per column.
        rows: Formatted cells.
        caption: What the table shows.
        note: A remark below the table.
    """
    sides = [' class="n"' if head.numeric else "" for head in heads]
    head = "".join(
        f'<th scope="col"{side}><button title="Sort">{escape(each.text)}</button></th>'
        for each, side in zip(heads, sides, strict=True)
    )
    lines = [
        "<tr>"
        + "".join(f"<td{s}>{escape(cell)}</td>" for cell, s in zip(row, sides, strict=True))
        + "</tr>"
        for row in rows
    ]
    search = '<input type="search" placeholder="Search" aria-label="Search the rows">'
    return framed(
        f'<div class="title">{escape(caption)}</div>'
        f"{search if len(lines) >= SEARCHED_FROM else ''}"
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
        f'{f"""<p class="muted">{escape(note)}</p>""" if note else ""}'
        f"<script>{_script()}</script>"
    )
