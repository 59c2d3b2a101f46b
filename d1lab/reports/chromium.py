"""A page as a tagged PDF, by the Chromium on the machine, if any."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from d1lab.errors import D1labError, InputError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TIMEOUT_SECONDS = 90


def find_chromium() -> str | None:
    """The path of a Chromium or Chrome on PATH; None where there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


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
    browser = find_chromium()
    if browser is None:
        raise InputError(
            f"a PDF takes one of {', '.join(BROWSERS)} on PATH, and none is. Install Chromium; or"
            " print the page from any browser: it has a print style"
        )
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made.pdf"
        command = [browser, "--headless", f"--user-data-dir={folder}/profile", "--disable-gpu"]
        command += ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses root otherwise
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
