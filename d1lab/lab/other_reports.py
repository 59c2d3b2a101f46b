"""Other reports' results for a report that summarizes them, read from the files of their runs."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple, cast

from d1lab.display.actions import Action, load_actions
from d1lab.display.figures import Figure
from d1lab.errors import InputError

_log = logging.getLogger(__name__)

AFTER_FILE = "after.json"
"""In the folder of a run: the runs that it summarizes, by report; '' for a report without one."""


class OtherReport(NamedTuple):
    """A successful run of another report, for the same shop."""

    report: str
    title: str
    run_id: str
    as_of: date | None
    text: str  # its finding; '' without a verdict
    status: str  # of its verdict
    figures: tuple[Figure, ...]
    actions: tuple[Action, ...]


def other_reports(run_dir: Path, shop: str, *, in_run: bool) -> list[OtherReport]:
    """Return the reports that a run summarizes, by name.

    Args:
        run_dir: Folder of the run, whose `after.json` names the others.
        shop: Name of the shop, for a run without this file.
        in_run: Whether it is a run of `d1lab run`; otherwise the newest run of each report counts.
    """
    runs = run_dir.parent
    return _reports(summarized_runs(run_dir)) if in_run else newest_reports(runs, shop)


def newest_reports(runs: Path, shop: str) -> list[OtherReport]:
    """Return the run of the newest day of each report of a shop, without what-if runs, by name.

    Args:
        runs: Folder of the runs of a database.
        shop: Name of the shop; '' for reports on all data.
    """
    newest: dict[str, tuple[str, Path]] = {}
    for path in sorted(runs.glob("*/run.json")):
        record = _record(path)
        is_standard = not set(record.get("given", ())) - {"shop", "as_of"}
        if record.get("shop") == shop and record.get("status") == "done" and is_standard:
            report, day = str(record.get("report")), record.get("as_of") or ""
            newest[report] = max(newest.get(report, ("", path.parent)), (day, path.parent))
    return _reports(folder for _, folder in newest.values())


def _reports(folders: Iterable[Path]) -> list[OtherReport]:
    found = [report for folder in folders if (report := _read(folder)) is not None]
    return sorted(found, key=lambda report: report.report)


def missing_reports(run_dir: Path) -> list[str]:
    """Return the reports that a run should summarize, but that have no successful run."""
    return sorted(report for report, run_id in _after(run_dir).items() if not run_id)


def _after(run_dir: Path) -> dict[str, str]:
    path = run_dir / AFTER_FILE
    return json.loads(path.read_bytes()) if path.is_file() else {}


def summarized_runs(run_dir: Path) -> list[Path]:
    """Return the folders of the runs that a run summarizes; empty for other reports."""
    return [run_dir.parent / run_id for run_id in _after(run_dir).values() if run_id]


def _record(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        record: Any = json.loads(path.read_bytes())
        return cast("dict[str, Any]", record if isinstance(record, dict) else {})
    return {}


def _read(folder: Path) -> OtherReport | None:
    record = _record(folder / "run.json")
    if not record:
        return None
    verdict: dict[str, Any] = record.get("verdict") or {}
    try:
        actions, figures = load_actions(folder), _figures(folder)
    except InputError as error:
        _log.warning("%s", error)
        actions, figures = [], []
    day = record.get("as_of")
    return OtherReport(
        record["report"],
        record.get("title", record["report"]),
        folder.name,
        date.fromisoformat(day) if day else None,
        verdict.get("text", ""),
        verdict.get("status", "neutral"),
        tuple(figures),
        tuple(actions),
    )


def _figures(folder: Path) -> list[Figure]:
    path = folder / "results.json"
    if not path.is_file():
        return []
    return [Figure.from_json(record) for record in json.loads(path.read_bytes())]
