"""Memory that allocators keep after it was freed, for their next use.

The frame of a million rows leaves 200 MB there, which the system does not get back by itself.
"""

from __future__ import annotations

import sys
from contextlib import suppress


def give_back() -> None:
    """Give the system the free memory of Arrow, if it has been imported, and of C (Linux)."""
    if pa := sys.modules.get("pyarrow"):
        pa.default_memory_pool().release_unused()
    if sys.platform == "linux":
        import ctypes

        with suppress(AttributeError):  # a C library without it
            ctypes.CDLL(None).malloc_trim(0)
