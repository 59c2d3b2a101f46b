"""d1lab's own code in the fork server: which modules it imports, and whether they are current.

A kernel must run the code that is on the disk, because a run's record says which code made its
result. So the server is used only as long as no source of d1lab has changed since it started.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2]
SOURCES = (".py", ".sql", ".css", ".js", ".toml")
_PRELOADED = ("analyses", "charts", "display", "lab")
"""The folders whose modules reports import."""

CodeState = frozenset[tuple[str, int, int]]
"""Path, size, and time of change (ns) of each source."""


def own_modules(package: Path = PACKAGE) -> tuple[str, ...]:
    """Return the names of the modules that kernels of reports import."""
    paths = (path for name in _PRELOADED for path in (package / name).rglob("*.py"))
    names = (".".join(path.relative_to(package.parent).with_suffix("").parts) for path in paths)
    return tuple(sorted(name.removesuffix(".__init__") for name in names))


def code_state(package: Path = PACKAGE) -> CodeState:
    """Return the state of d1lab's sources. It reads no file, and takes a few milliseconds."""
    return frozenset(_states(package))


def _states(folder: Path | str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _states(entry.path)
            elif entry.name.endswith(SOURCES):
                found = entry.stat()
                yield entry.path, found.st_size, found.st_mtime_ns
