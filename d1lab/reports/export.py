"""The tables of a page as files for other tools, such as a list of customers for a mailing.

A page's links lead to the tables that it shows cut. `d1lab run customers --export csv` writes the
others, too. They are kept with the run, so that they come along when its page is written again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from d1lab.display import DataTable
from d1lab.errors import InputError
from d1lab.reports.run_record import NOTEBOOK_FILE


class Exported(NamedTuple):
    """One table's file beside its page."""

    path: Path
    rows: int


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


def _tables(notebook: dict) -> Iterator[DataTable]:
    """The tables that an executed notebook (nbformat 4, as JSON) shows, in order."""
    for cell in notebook.get("cells", ()):
        for output in cell.get("outputs", ()):
            bundle = output.get("data", {}).get(DataTable.MIME)
            if bundle:
                yield DataTable.from_json(bundle)
