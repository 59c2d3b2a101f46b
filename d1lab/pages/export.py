"""Exports of a page: its tables as CSV files, and the page as a PDF.

A page links to the CSV files of the tables that it does not show in full. `d1lab run customers
--export csv` writes all tables, such as a list of customers for a mailing. CSV files are kept with
the run and copied again when its page is rewritten. A PDF belongs to one version of a page and is
deleted when the page changes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from d1lab.display import DataTable
from d1lab.errors import D1labError, InputError
from d1lab.files import write
from d1lab.packed_files import is_kept, pack, read_packed
from d1lab.runs.record import NOTEBOOK_FILE

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TIMEOUT_SECONDS = 90
_LOCAL_LINK = re.compile(r'(<a\b[^<>]*?) href="(?![a-z]+:|#)[^"]*"')
"""A link to another file: it does not travel with a PDF, which would have this machine's path."""


def is_root() -> bool:
    """Return whether this process runs as root; False on Windows."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def find_chromium() -> str | None:
    """Return the path of a Chromium or Chrome on PATH; None without one."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def require_chromium() -> str:
    """Return the path of a Chromium or Chrome on PATH.

    Raises:
        InputError: Neither is on PATH.
    """
    browser = find_chromium()
    if browser is None:
        raise InputError(
            f"PDF export requires one of {', '.join(BROWSERS)} on PATH. Install "
            "Chromium, or print the page from any browser."
        )
    return browser


def print_pdf(page: Path, pdf: Path) -> Path:
    """Print a page to a tagged PDF, without its links to other files.

    Args:
        page: HTML file of the page.
        pdf: Path of the PDF; an existing file is replaced.

    Raises:
        InputError: The page does not exist, or no Chromium is on PATH.
        D1labError: Chromium failed to print the page.
    """
    if not page.is_file():
        raise InputError(f"page {page} not found. Create pages with `d1lab run`.")
    browser = require_chromium()
    with tempfile.TemporaryDirectory() as folder:
        made, source = Path(folder) / "made.pdf", Path(folder) / "page.html"
        html = page.read_text(encoding="utf-8")
        source.write_text(_LOCAL_LINK.sub(r"\1", html), encoding="utf-8")
        command = [browser, "--headless", f"--user-data-dir={folder}/profile", "--disable-gpu"]
        command += ["--no-sandbox"] if is_root() else []  # Chromium requires it for root
        command += ["--no-pdf-header-footer", f"--print-to-pdf={made}", source.as_uri()]
        _run(command, page)
        if not made.is_file():
            raise D1labError(f"Chromium exited without an error but wrote no PDF of {page}")
        shutil.copyfile(made, pdf)
    return pdf


def _run(command: list[str], page: Path) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise D1labError(f"Chromium took longer than {TIMEOUT_SECONDS} s for {page}") from None
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise D1labError(f"Chromium could not open {page}: {last[0]}")


class Exported(NamedTuple):
    """One exported file next to its page."""

    path: Path
    rows: int | None  # rows of a table; None for a PDF


def export_tables(run_dir: Path, page: Path) -> list[Exported]:
    """Write all tables of a run as CSV into the folder of its page's files.

    Text that a spreadsheet would evaluate as a formula gets an apostrophe in front.

    Args:
        run_dir: Folder of the run.
        page: Page of the run.

    Returns:
        The files in the order of the page, including those of tables without rows.

    Raises:
        InputError: The files of the run are missing.
    """
    path = run_dir / NOTEBOOK_FILE
    if not is_kept(path):
        raise InputError(
            f"tables of this run are missing in {run_dir}. Recreate them with `d1lab run --force`."
        )
    files = page.with_suffix("")
    exported: list[Exported] = []
    try:
        notebook = json.loads(read_packed(path))
    except ValueError as error:
        raise InputError(f"{path} is not a notebook: {error}. Run the report again.") from None
    for table in _tables(notebook):
        kept = table.save_csv(run_dir)
        exported.append(Exported(write(files / kept.name, read_packed(kept)), table.total_rows))
    pack(run_dir.glob("*.csv"))
    return exported


def export_pdf(page: Path) -> Exported:
    """Print a page to a PDF next to it.

    Raises:
        InputError: No Chromium is on PATH.
        D1labError: Chromium failed to print the page.
    """
    return Exported(print_pdf(page, page.with_suffix(".pdf")), None)


def _tables(notebook: dict[str, Any]) -> Iterator[DataTable]:
    """Yield the tables shown by an executed notebook (nbformat 4, as JSON), in order."""
    for cell in notebook.get("cells", ()):
        for output in cell.get("outputs", ()):
            bundle = output.get("data", {}).get(DataTable.MIME)
            if bundle:
                yield DataTable.from_json(bundle)
