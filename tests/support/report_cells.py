"""A report's cells, run in this process: what its page shows, without a kernel."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import IPython.core.display_functions as shown_by
import pytest

import d1lab
from d1lab.errors import StopRun
from d1lab.lab import Lab
from tests.support.sample_run import code, markdown

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
REPORTS = sorted({path.stem for path in NOTEBOOKS.glob("*.ipynb")} - {"tour", "fleet"})


def report_cells(report: str, lab: Lab) -> tuple[list[dict[str, Any]], str]:
    """Return a report's executed cells, and the reason why it stopped, if it did."""
    names: dict[str, Any] = {}
    cells: list[dict[str, Any]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(d1lab, "open", lambda *_, **__: lab)
        for cell in json.loads((NOTEBOOKS / f"{report}.ipynb").read_text())["cells"]:
            source, tags = "".join(cell["source"]), cell["metadata"].get("tags", ())
            if cell["cell_type"] == "markdown":
                cells.append(markdown(source))
                continue
            shown: list[Any] = []
            patch.setattr(shown_by, "display", lambda *items, kept=shown: kept.extend(items))
            patch.setattr("IPython.display.display", lambda *items, kept=shown: kept.extend(items))
            try:
                if "parameters" in tags:
                    source += f"\nshop = {lab.shop!r}"
                shown += _last_value(source, names)
            except StopRun as stop:
                return [*cells, code(source, *shown, tags=tags)], str(stop)
            cells.append(code(source, *shown, tags=tags))
    return cells, ""


def _last_value(source: str, names: dict[str, Any]) -> Iterator[Any]:
    """Run a cell; yield the value of its last line, as a notebook shows it."""
    body = ast.parse(source).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "cell", "exec"), names)
    if isinstance(last, ast.Expr):
        value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
        if value is not None:
            yield value
