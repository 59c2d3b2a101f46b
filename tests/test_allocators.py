"""Freed memory goes back to the system."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from d1lab.allocators import give_back


def _resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
def test_what_is_free_between_blocks_in_use_goes_back():
    """Blocks too small to be of the system, each next to one that stays."""
    blocks = [np.ones(12_000) for _ in range(1_000)]
    kept = blocks[::2]
    del blocks[::2]
    before = _resident()
    blocks.clear()
    give_back()
    assert before - _resident() > 30e6
    assert len(kept) == 500
