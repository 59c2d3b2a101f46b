"""Temporary folders in memory: on a disk, tests wait for each of their many small commits."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")
ROOM = 4 << 30
"""Bytes that must be free; a run of all tests leaves less than a fourth of it."""

_ROOT = "PYTEST_DEBUG_TEMPROOT"  # pytest's variable: the folder of its temporary folders


def use_memory() -> None:
    """Let pytest make temporary folders in memory, if there is room and no other root is set."""
    if _has_room():
        os.environ.setdefault(_ROOT, str(MEMORY))


def give_back(config: pytest.Config) -> None:
    """Delete the folders of a run that passed; those of a failed one tell why."""
    if os.environ.get(_ROOT) == str(MEMORY) and "PYTEST_XDIST_WORKER" not in os.environ:
        shutil.rmtree(config._tmp_path_factory.getbasetemp(), ignore_errors=True)


def _has_room() -> bool:
    """Whether there is such a folder, of enough size, in which programs may run."""
    if not os.access(MEMORY, os.W_OK):
        return False
    found = os.statvfs(MEMORY)
    return found.f_bavail * found.f_frsize >= ROOM and not found.f_flag & os.ST_NOEXEC
