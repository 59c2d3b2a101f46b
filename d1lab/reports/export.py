"""A page in other forms: its tables as files for other tools, all of it as a PDF.

A page's links lead to the tables that it shows cut. `d1lab run customers --export csv` writes the
others, too, such as a list of customers for a mailing. They are kept with the run, so that they
come along when its page is written again; a PDF is of one page, and goes when that changes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from d1lab.display import DataTable
from d1lab.errors import InputError
from d1lab.reports.chromium import print_pdf
from d1lab.reports.run_record import NOTEBOOK_FILE


class Exported(NamedTuple):
    """One file beside its page."""

    path: Path
    rows: int | None  # of a table


def export_tables(run_dir: Path, page: Path) -> list[Exported]:
    """Write every table of a run as CSV into the folder of its page's files.

    No cell begins like a formula: a text that does has an apostrophe before it.

    Args:
        run_dir: The run's folder.
        page: The run's page.

    Returns:
        The files in the order of the page; a table without rows has one, too.

    Raises:
        InputError: The run's files are gone.
    """
    path = run_dir / NOTEBOOK_FILE
    if not path.is_file():
        raise InputError(f"{run_dir} holds no tables any more: `d1lab run --force` makes them anew")
    files = page.with_suffix("")
    exported = []
    for table in _tables(json.loads(path.read_bytes())):
        kept = table.save_csv(run_dir)
        files.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(kept, files / kept.name)
        exported.append(Exported(files / kept.name, table.total_rows))
    return exported


def export_pdf(page: Path) -> Exported:
    """Print a page as the PDF beside it.

    Raises:
        InputError: No Chromium is on PATH.
        D1labError: Chromium did not print it.
    """
    return Exported(print_pdf(page, page.with_suffix(".pdf")), None)


def _tables(notebook: dict) -> Iterator[DataTable]:
    """The tables that an executed notebook (nbformat 4, as JSON) shows, in order."""
    for cell in notebook.get("cells", ()):
        for output in cell.get("outputs", ()):
            bundle = output.get("data", {}).get(DataTable.MIME)
            if bundle:
                yield DataTable.from_json(bundle)
