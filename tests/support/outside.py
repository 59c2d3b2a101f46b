"""What a checkout may do without: real data beside it, and a browser on the machine.

A module that needs one of them asks for it at its top, and skips once, as a whole, without it.
Where D1LAB_TEST_REQUIRE names the marker, what is missing is a failure.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from d1lab.pages.export import find_chromium

SHARED = Path(__file__).parents[3] / "shared"
DATA = SHARED / "data"
GUIDE_APP = SHARED / "guide-app"


def required() -> list[str]:
    """The markers whose tests must run here, from D1LAB_TEST_REQUIRE."""
    return os.environ.get("D1LAB_TEST_REQUIRE", "").split()


def real_data(name: str) -> Path:
    """A real data set that is too large for the repository."""
    path = DATA / name
    if not path.is_file():
        _skip("data", f"{name} is not in shared/data beside this checkout")
    return path


def guide_app() -> Path:
    """The folder of the guide's own app: a Worker, and the schema of its database."""
    if not (GUIDE_APP / "schema.sql").is_file():
        _skip("data", "the guide's app is not in shared/guide-app beside this checkout")
    return GUIDE_APP


def chromium() -> str:
    """The Chromium or Chrome of this machine."""
    path = find_chromium()
    if path is None:
        _skip("browser", "no Chromium or Chrome on PATH")
    return str(path)


def _skip(marker: str, reason: str) -> None:
    if marker in required():
        pytest.fail(f"required here, but missing: {reason}", pytrace=False)
    pytest.skip(reason, allow_module_level=True)
