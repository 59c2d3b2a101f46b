"""The notebooks that ship with d1lab, for a project of one's own."""

from __future__ import annotations

import shutil
from pathlib import Path

import d1lab
from d1lab.errors import InputError

_PACKAGE = Path(d1lab.__file__).parent


def shipped_notebooks() -> list[Path]:
    """The notebooks inside the installed package, or of the checkout it runs from."""
    for folder in (_PACKAGE / "notebooks", _PACKAGE.parent / "notebooks"):
        if folder.is_dir():
            return sorted(folder.glob("*.ipynb"))
    raise InputError("this installation holds no notebooks; install d1lab again")


def copy_notebooks(target: Path) -> list[Path]:
    """Copy the shipped notebooks to `target`; one that is there already stays as it is.

    Returns:
        The files written.
    """
    target.mkdir(parents=True, exist_ok=True)
    missing = [path for path in shipped_notebooks() if not (target / path.name).exists()]
    return [Path(shutil.copyfile(path, target / path.name)) for path in missing]
