"""Too little memory, found before the libraries abort: they end the process without an error.

DuckDB, Arrow, and numpy reserve address space and threads when they are loaded. Under a limit that
is too low (`ulimit -v`), C libraries abort or crash, which Python cannot catch. Under a container's
limit, the system kills the process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from d1lab.errors import D1labError

MEGABYTE = 1024**2
ADDRESS_SPACE = 1_600 * MEGABYTE  # a pull needs 1.5 GB (2 cores, measured); with polars 2.6 GB
ADDRESS_SPACE_WITH_POLARS = 2_800 * MEGABYTE  # ADBC loads polars if it is installed
RESIDENT = 256 * MEGABYTE  # a pull of one row has 236 MB

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")
_LIGHT = {"--help", "-h", "--version"}


def require_memory(arguments: Sequence[str]) -> None:
    """Reject limits under which d1lab's libraries cannot be loaded.

    Args:
        arguments: Those of the command line; help and the version need no library.

    Raises:
        D1labError: Names the limit, what is needed, and how to raise it.
    """
    if _LIGHT & {*arguments}:
        return
    soft = _address_space()
    needed = ADDRESS_SPACE_WITH_POLARS if find_spec("polars") else ADDRESS_SPACE
    if soft is not None and soft < needed:
        raise D1labError(
            f"not enough memory: the limit on address space (ulimit -v) is {_shown(soft)}, and "
            f"d1lab needs {_shown(needed)}. Raise it, such as `ulimit -v {needed // 1024}`."
        )
    limit = min(cgroup_limits(), default=None)
    if limit is not None and limit < RESIDENT:
        raise D1labError(
            f"not enough memory: this container or service can have {_shown(limit)}, and d1lab "
            f"needs {_shown(RESIDENT)}. Raise its memory limit."
        )


def _address_space() -> int | None:
    """Return the limit on address space in bytes; None without one."""
    try:
        limits = import_module("resource")  # not on Windows
    except ImportError:
        return None
    soft, _ = limits.getrlimit(limits.RLIMIT_AS)
    return None if soft == limits.RLIM_INFINITY else soft


def cgroup_limits(root: Path = CGROUPS, own: Path = OWN_CGROUP) -> Iterator[int]:
    """Yield the memory limits of the process's control groups (Linux), in bytes."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    paths = [line.split("::/", 1)[1] for line in lines if line.startswith("0::/")]
    folders = [folder for path in paths for folder in (root / path, *(root / path).parents)]
    files = [folder / "memory.max" for folder in folders if folder.is_relative_to(root)]
    for file in (*files, root / "memory" / "memory.limit_in_bytes"):
        try:
            text = file.read_text().strip()
        except OSError:
            continue
        if text.isdecimal():
            yield int(text)


def _shown(size: int) -> str:
    return f"{size // MEGABYTE:,} MB"
