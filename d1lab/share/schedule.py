"""Snippets for schedulers, because d1lab has no daemon of its own.

`d1lab run` runs only what is due, so a scheduler can call it at any interval.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

from d1lab.errors import InputError, UnknownName

SNIPPETS = Path(__file__).with_name("schedules")
MINUTES = (5, 10, 15, 20, 30, 60)
_OFF_THE_HOUR = 7  # when everybody else's jobs are over


class SchedulePaths(NamedTuple):
    """Absolute paths of the project and the program."""

    folder: Path
    program: Path


def kinds() -> list[str]:
    """Return the schedulers with a snippet."""
    return sorted(path.stem for path in SNIPPETS.iterdir())


def snippet(
    kind: str, place: SchedulePaths, *, every: int = 15, database: str | None = None
) -> str:
    """Return the snippet for a scheduler, with the exit codes explained.

    Args:
        kind: 'cron', 'systemd', 'github', or 'kubernetes'.
        place: Paths of the project and the program, for schedulers of this machine.
        every: Minutes between two calls; one of MINUTES.
        database: A name in d1lab.toml; None for the default.

    Raises:
        UnknownName: There is no such snippet.
        InputError: The minutes do not divide an hour, or a path cannot be written in one line.
    """
    found = {path.stem: path for path in SNIPPETS.iterdir()}
    if kind not in found:
        raise UnknownName("scheduler", kind, found)
    if every not in MINUTES:
        raise InputError(f"every {every} minutes: choose one of {', '.join(map(str, MINUTES))}")
    hourly = every == 60
    values = {
        "every": str(_OFF_THE_HOUR) if hourly else f"*/{every}",
        "calendar": f"*:{_OFF_THE_HOUR:02}" if hourly else f"*:0/{every}",
        "database": f" --database {database}" if database else "",
        **_paths(kind, place),
    }
    text = found[kind].read_text(encoding="utf-8")
    return re.sub(r"@([a-z0-9]+)", lambda m: values.get(m[1], m[0]), text)


def _paths(kind: str, place: SchedulePaths) -> dict[str, str]:
    """Return the folder and the program, quoted for the scheduler."""
    folder, program = map(str, place)
    if not (folder + program).isprintable():
        raise InputError(f"{folder!r}: a path with a line end or a control character fits no line")
    if kind == "cron":  # where % ends the command
        return {"folder": _for_cron(folder), "d1lab": _for_cron(program)}
    return {"folder": folder.replace("%", "%%"), "d1lab": _for_systemd(program)}


def _for_cron(word: str) -> str:
    return shlex.quote(word).replace("%", "\\%")


def _for_systemd(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return word if re.fullmatch(r"[\w./-]+", word) else f'"{escaped}"'
