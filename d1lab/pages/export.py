"""A page in other forms: its tables as files for other tools, all of it as a PDF.

A page's links lead to the tables that it shows cut. `d1lab run customers --export csv` writes the
others, too, such as a list of customers for a mailing. They are kept with the run, so that they
come along when its page is written again; a PDF is of one page, and goes when that changes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from d1lab.display import DataTable
from d1lab.errors import D1labError, InputError
from d1lab.runs.record import NOTEBOOK_FILE

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TIMEOUT_SECONDS = 90


def is_root() -> bool:
    """Whether this process is root's; Windows has no root."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def find_chromium() -> str | None:
    """The path of a Chromium or Chrome on PATH; None where there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def require_chromium() -> str:
    """The path of a Chromium or Chrome on PATH.

    Raises:
        InputError: There is none.
    """
    browser = find_chromium()
    if browser is None:
        raise InputError(
            f"PDF export requires one of {', '.join(BROWSERS)} on PATH. Install "
            "Chromium, or print the page from any browser."
        )
    return browser


def print_pdf(page: Path, pdf: Path) -> Path:
    """Print a page to a tagged PDF.

    Args:
        page: The page's HTML file.
        pdf: Where the PDF goes; it is replaced.

    Raises:
        InputError: The page does not exist, or no Chromium is on PATH.
        D1labError: Chromium did not print it.
    """
    if not page.is_file():
        raise InputError(f"there is no page {page}; `d1lab run` makes pages")
    browser = require_chromium()
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made.pdf"
        command = [browser, "--headless", f"--user-data-dir={folder}/profile", "--disable-gpu"]
        command += ["--no-sandbox"] if is_root() else []  # Chromium refuses root otherwise
        command += ["--no-pdf-header-footer", f"--print-to-pdf={made}", page.resolve().as_uri()]
        _run(command, page)
        if not made.is_file():
            raise D1labError(f"Chromium ended well but made nothing of {page}")
        shutil.copyfile(made, pdf)
    return pdf


def _run(command: list[str], page: Path) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise D1labError(f"Chromium took over {TIMEOUT_SECONDS} s for {page}") from None
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise D1labError(f"Chromium could not open {page}: {last[0]}")


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
        raise InputError(
            f"tables of this run are missing in {run_dir}. Recreate them with `d1lab run --force`."
        )
    files = page.with_suffix("")
    exported: list[Exported] = []
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


def _tables(notebook: dict[str, Any]) -> Iterator[DataTable]:
    """The tables that an executed notebook (nbformat 4, as JSON) shows, in order."""
    for cell in notebook.get("cells", ()):
        for output in cell.get("outputs", ()):
            bundle = output.get("data", {}).get(DataTable.MIME)
            if bundle:
                yield DataTable.from_json(bundle)
