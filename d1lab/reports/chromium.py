"""What a browser makes of a page: a PDF, or a picture; by the Chromium on the machine, if any."""

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
    return _make(page, pdf, "--print-to-pdf", ["--no-pdf-header-footer"])


def take_picture(page: Path, png: Path, width: int = 1180, height: int = 1400) -> Path:
    """Picture the top of a page, with its charts live, in the light scheme.

    Args:
        page: The page's HTML file.
        png: Where the picture goes; it is replaced.
        width: Of the window, in CSS pixels; at least 500, for Chromium makes none narrower.
        height: Of the window, in CSS pixels.

    Raises:
        InputError: The page does not exist, or no Chromium is on PATH.
        D1labError: Chromium did not picture it.
    """
    options = [f"--window-size={width},{height}", "--hide-scrollbars"]
    return _make(page, png, "--screenshot", [*options, "--virtual-time-budget=10000"])


def _make(page: Path, made: Path, option: str, options: list[str]) -> Path:
    if not page.is_file():
        raise InputError(f"there is no page {page}; `d1lab run` makes pages")
    browser = find_chromium()
    if browser is None:
        raise InputError(
            f"this takes one of {', '.join(BROWSERS)} on PATH, and none is. Install Chromium; or"
            " print the page from any browser: it has a print style"
        )
    with tempfile.TemporaryDirectory() as folder:
        aside = Path(folder) / f"made{made.suffix}"
        command = [browser, "--headless", f"--user-data-dir={folder}/profile", "--disable-gpu"]
        command += ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses root otherwise
        _run([*command, *options, f"{option}={aside}", page.resolve().as_uri()], page)
        if not aside.is_file():
            raise D1labError(f"Chromium ended well but made nothing of {page}")
        shutil.copyfile(aside, made)
    return made


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
