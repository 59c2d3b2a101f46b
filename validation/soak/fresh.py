"""Fresh installation on a copy of a D1, and comparison of its results with those of another.

Results written by d1lab (labels, scores, decisions) are deleted from the copy. Earlier
recommendations are kept, because they cannot be computed again.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from d1lab import catalog, outbox
from d1lab.config import DEMO_TIMEZONE, Settings, load_settings
from d1lab.display import DataTable, Figures, Note, Verdict
from d1lab.packed_files import read_packed
from d1lab.runs.record import NOTEBOOK_FILE, load_results, load_run
from d1lab.runs.report import notebook_folder

D1 = "d1.sqlite"
SHOWN = (Verdict.MIME, Figures.MIME, DataTable.MIME, Note.MIME)
KEPT = "discount_recommendations"
_LOGS = (catalog.PUSHES, catalog.RESULTS)


def installation(root: Path, notebooks: Path) -> Settings:
    """Return the settings of a project in a folder, with the demo database next to its data."""
    root.mkdir(parents=True, exist_ok=True)
    demo = {"url": f"sqlite:{D1}", "currency": "USD", "timezone": DEMO_TIMEZONE}
    databases = {"demo": demo}
    return load_settings(root=root, databases=databases, notebooks_dir=notebooks)


def fresh_copy(d1: Path, root: Path, notebooks: Path) -> Settings:
    """Create an installation without data/ on a copy of a D1 without d1lab's own results."""
    settings = installation(root, notebooks)
    with closing(sqlite3.connect(d1)) as source, closing(sqlite3.connect(root / D1)) as copy:
        source.backup(copy)
        with copy:
            _take_out_results(copy)
    return settings


def _take_out_results(con: sqlite3.Connection) -> None:
    for table in catalog.TABLES.values():
        columns = table.owned("analysis")
        if not columns or table.name == KEPT:
            continue
        if set(columns) | set(table.key) == {column.name for column in table.columns}:
            con.execute(f"DELETE FROM {table.name}")  # noqa: S608 - names of the catalog
        else:
            sets = ", ".join(f"{name} = NULL" for name in columns)
            con.execute(f"UPDATE {table.name} SET {sets}")  # noqa: S608
    for table in _LOGS:
        con.execute(f"DELETE FROM {table}")  # noqa: S608


def result_of(run_dir: Path) -> dict[str, Any]:
    """Return all results of a run: status, day, figures, displayed objects, and staged rows."""
    record = load_run(run_dir)
    notebook = json.loads(read_packed(run_dir / NOTEBOOK_FILE))
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", ())]
    return {
        "status": record.status,
        "day": str(record.as_of),
        "figures": [figure._asdict() for figure in load_results(run_dir)],
        "shown": [
            {mime: data for mime, data in output.get("data", {}).items() if _is_compared(mime)}
            for output in outputs
        ],
        "staged": {
            name: sorted(rows.to_pylist(), key=lambda row: str(list(row.values())))
            for name, rows in outbox.read_outbox(run_dir).items()
        },
    }


def _is_compared(mime: str) -> bool:
    return mime in SHOWN or "vega" in mime


def differences(ours: Any, theirs: Any, where: str = "") -> Iterator[str]:
    """Yield the differences of two results by path, except rounding of floats."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted(ours.keys() | theirs.keys()):
            if name in ours and name in theirs:
                yield from differences(ours[name], theirs[name], f"{where}/{name}")
            else:
                place = "here" if name in ours else "in a fresh installation"
                yield f"{where}/{name}: only {place}"
    elif isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) != len(theirs):
            yield f"{where}: {len(ours)} here, {len(theirs)} in a fresh installation"
        for place, pair in enumerate(zip(ours, theirs, strict=False)):
            yield from differences(*pair, f"{where}/{place}")
    elif not _same(ours, theirs):
        yield f"{where}: {ours!r} here, {theirs!r} in a fresh installation"


def _same(ours: object, theirs: object) -> bool:
    if isinstance(ours, float) and isinstance(theirs, int | float):
        return math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-12) or (ours != ours != theirs)
    return ours == theirs


def packaged_notebooks(root: Path) -> Path:
    """Return the folder of the notebooks of this checkout."""
    return notebook_folder(load_settings(root=root))
