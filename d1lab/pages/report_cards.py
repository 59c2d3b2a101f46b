"""Cards of the reports that a page summarizes: finding, status, and link."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from d1lab.errors import InputError
from d1lab.lab.other_reports import summarized_runs
from d1lab.page_places import file_name
from d1lab.runs.record import RunRecord, load_run

_log = logging.getLogger(__name__)


class ReportCard(NamedTuple):
    """One report in a list of reports."""

    run: RunRecord
    href: str  # of its page; '' for a page that is not among others


def report_cards(run_dir: Path, stem: str, files: str) -> list[ReportCard]:
    """Return the cards of the reports that a run summarizes, by title.

    Args:
        run_dir: Folder of the run.
        stem: File name of the page without '.html', which other reports' pages share.
        files: Relative folder of the page's CSV files; '' for a page without files.
    """
    cards: list[ReportCard] = []
    for folder in summarized_runs(run_dir):
        try:
            run = load_run(folder)
        except InputError as error:
            _log.warning("%s. The page has no card of that report.", error)
            continue
        href = f"../{quote(file_name(run.report))}/{quote(stem)}.html" if files else ""
        cards.append(ReportCard(run, href))
    return sorted(cards, key=lambda card: card.run.title)
