"""Whether other users of the machine can read the data folders.

Folders that d1lab creates are private. One that existed before keeps its mode: somebody can have
shared it on purpose.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from d1lab.ops.schema_checks import Check

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def open_folders(folder: Path) -> Iterator[Check]:
    """Check the folder of a database and the data folder above it.

    Args:
        folder: The folder of its warehouse and runs.
    """
    if os.name != "posix":
        return  # Windows has no such mode
    there = [path for path in (folder.parent, folder) if path.is_dir()]
    wide = {path: _mode(path) for path in there if _mode(path) & OTHERS}
    if not wide or _mode(there[-1]) & OTHERS == 0:
        return  # what is in the database's folder is private
    named = ", ".join(f"{path.name}/ (mode {mode:o})" for path, mode in wide.items())
    yield Check(
        "note",
        "data folders",
        f"other users of this machine can open {named}",
        f"chmod 700 {' '.join(str(path) for path in wide)}, unless you share them on purpose",
    )


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
