"""d1lab's Workers as files: plain JavaScript that `d1lab worker init` copies into a project.

A file that somebody changed is never overwritten. `.d1lab.json` in the folder has the digests of
the files as they were written: a file that still has its digest is d1lab's, and a newer version of
d1lab updates it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Literal, NamedTuple

from d1lab.errors import InputError, UnknownName
from d1lab.files import digest, write

RECORD = ".d1lab.json"

_PACKAGE = Path(__file__).parents[1]
_VERSION = re.compile(r'^export const VERSION = "(\w+)";', re.MULTILINE)

Action = Literal["created", "updated", "unchanged", "kept"]


class WorkerFile(NamedTuple):
    """One file of a Worker, and what `init_worker` does with it."""

    path: Path
    action: Action  # kept: somebody changed it


def worker_names() -> list[str]:
    """Return the names of the Workers that d1lab has."""
    return sorted(path.name for path in _shipped().iterdir() if path.is_dir())


def worker_version(name: str) -> str:
    """Return the version of a Worker in this installation.

    Raises:
        UnknownName: There is no such Worker.
    """
    texts = (path.read_text(encoding="utf-8") for path in _files(name) if path.suffix == ".js")
    return next(found[1] for text in texts if (found := _VERSION.search(text)))


def init_worker(
    name: str, folder: Path | None = None, *, dry_run: bool = False
) -> list[WorkerFile]:
    """Write a Worker's files, except those that somebody changed.

    Args:
        name: The Worker: 'events' or 'gateway'.
        folder: The folder. Default: `worker/<name>`.
        dry_run: Whether to write nothing.

    Raises:
        UnknownName: There is no such Worker.
    """
    target = folder or Path("worker") / name
    known = _record(target)
    planned = [
        (WorkerFile(target / path.name, _action(target / path.name, path, known)), path)
        for path in _files(name)
    ]
    if not dry_run:
        for file, source in planned:
            if file.action in ("created", "updated"):
                write(file.path, source.read_bytes())
        digests = {path.name: digest(path.read_bytes()) for path in _files(name)}
        write(target / RECORD, json.dumps(digests, indent=2) + "\n")
    return [file for file, _ in planned]


def _action(target: Path, source: Path, known: dict[str, str]) -> Action:
    if not target.exists():
        return "created"
    there = target.read_bytes()
    if there == source.read_bytes():
        return "unchanged"
    return "updated" if digest(there) == known.get(target.name) else "kept"


def _record(folder: Path) -> dict[str, str]:
    """Return the digests of the files as d1lab wrote them; empty if the record is unreadable."""
    try:
        found: dict[str, str] | None = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _files(name: str) -> list[Path]:
    if name not in worker_names():
        raise UnknownName("worker", name, worker_names())
    return sorted(path for path in _shipped().joinpath(name).iterdir() if path.is_file())


def _shipped() -> Path:
    """Return the Workers' folder in the installed package, or in the checkout."""
    for folder in (_PACKAGE / "worker", _PACKAGE.parent / "worker"):
        if folder.is_dir():
            return folder
    raise InputError("this installation contains no Workers. Reinstall d1lab.")
