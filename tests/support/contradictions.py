"""What a page says twice, and differently: its verdict against the figures, tables, and actions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from itertools import accumulate
from pathlib import Path
from typing import Any

from d1lab.display import DataTable
from d1lab.display.actions import load_actions
from d1lab.packed_files import read_packed

_NUMBER = re.compile(r"(?<![\w.,])\d[\d,]*(?:\.\d+)?")
_GAIN, _LOSS = re.compile(r"\d% more\b"), re.compile(r"\d% (?:less|fewer)\b")
_OPEN = re.compile(r"(?i)inconclusive|not significant|not clear|no proof")


def contradictions(run_dir: Path, page: Path) -> list[str]:
    """Return what a page contradicts of itself; at best, nothing."""
    html = page.read_text(encoding="utf-8")
    if '<body class="done">' not in html:
        return []  # a page without a verdict
    tables = list(_tables(run_dir))
    wrong = [f"range of {row}" for table in tables for row in _outside(table)]
    wrong += [f"words of {row}" for table in tables for row in _misworded(table)]
    wrong += _unfounded(html, tables)
    for figure in json.loads((run_dir / "results.json").read_bytes()):
        if not _holds(figure["low"], figure["value"], figure["high"]):
            wrong.append(f"range of {figure['metric']}")
    for action in load_actions(run_dir):
        parts = [part for part in action.amounts if part is not None]
        if parts and abs(sum(parts) - (action.amount or 0)) > 1e-6 * max(1, abs(sum(parts))):
            wrong.append(f"parts of {action.key}")
        if action.is_loss and re.search(r'class="status good"', html):
            wrong.append(f"good, in spite of {action.key}")
    return wrong


def _tables(run_dir: Path) -> Iterator[DataTable]:
    notebook = json.loads(read_packed(run_dir / "notebook.ipynb"))
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            if bundle := output.get("data", {}).get(DataTable.MIME):
                yield DataTable.from_json(bundle)


def _holds(low: Any, value: Any, high: Any) -> bool:
    """Whether a value is within its range; ends that are not known hold."""
    ends = [float("-inf") if low is None else float(low), float("inf" if high is None else high)]
    return value is None or ends[0] - 1e-9 <= value <= ends[1] + 1e-9


def _ranges(table: DataTable) -> Iterator[tuple[int, int]]:
    """Places of a number and of the low end of its range, which the high end follows."""
    names = [column.name for column in table.columns]
    for place, name in enumerate(names):
        low, high = f"{name}_low", f"{name}_high"
        if low in names and high in names and names.index(high) == names.index(low) + 1:
            yield place, names.index(low)


def _outside(table: DataTable) -> Iterator[str]:
    for place, low in _ranges(table):
        for row in table.rows:
            if not _holds(row[low], row[place], row[low + 1]):
                yield f"{table.columns[place].name} in {table.title}: {row}"


def _misworded(table: DataTable) -> Iterator[str]:
    """Rows whose words have another sign than their first number with a range, or doubt it."""
    ranges = list(_ranges(table))
    if not ranges:
        return
    place, low = ranges[0]
    for row in table.rows:
        value, ends = row[place], [row[low], row[low + 1]]
        if value is None or None in ends or "inf" in ends:
            continue
        said = next((text for text in row[1:] if isinstance(text, str) and " " in text), "")
        is_sure = ends[0] > 0 or ends[1] < 0
        first = min(_GAIN.findall(said)[:1] + _LOSS.findall(said)[:1], key=said.find, default="")
        if (first and (value < 0) == ("more" in first)) or (is_sure and _OPEN.search(said)):
            yield f"{table.title}: {row}"


def _unfounded(html: str, tables: list[DataTable]) -> list[str]:
    """Numbers of the verdict that are not below it, neither as such nor as a sum of first rows."""
    head, _, below = html[html.index("<main") : html.index("</main>")].partition('<p class="when">')
    known = {float(found.replace(",", "")) for found in _NUMBER.findall(_text(below))}
    for table in tables:
        known |= {float(table.total_rows)}
        for column in zip(*table.rows, strict=True):
            if all(isinstance(cell, int | float) for cell in column):
                known |= {abs(total * by) for total in accumulate(column) for by in (1, 100)}
    return [
        f"{found} is not below the verdict"
        for found in _NUMBER.findall(_text(head))
        if not any(_rounds_to(value, found) for value in known)
    ]


def _rounds_to(value: float, shown: str) -> bool:
    number, decimals = float(shown.replace(",", "")), len(shown.partition(".")[2])
    return abs(value - number) <= 0.5 * 10**-decimals + 1e-9


def _text(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", " ", re.sub(r"<svg.*?</svg>", " ", html, flags=re.DOTALL)))
