"""How many examples a property is tried on: fewer in `make test` than in `make test-long`."""

from __future__ import annotations

import os

IS_LONG = bool(os.environ.get("D1LAB_TEST_LONG"))


def examples(count: int) -> int:
    """Return the number of examples for this run: all of them, or a third."""
    return count if IS_LONG else max(count // 3, 3)
