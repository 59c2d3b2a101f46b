"""Kill a command at one of its steps."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest


class Killed(Exception):
    """The process ends here."""


def kill_before(owner: Any, name: str, nth: int = 1, *, long: bool = False) -> Any:
    """Return a parameter of a test: a function that kills before the nth call of another.

    Args:
        owner: The module or class that has the function.
        name: The function's name.
        nth: Which call does not happen.
        long: Whether the test runs in `make test-long` only.
    """

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        real, calls = getattr(owner, name), count(1)

        def dying(*args: Any, **given: Any) -> Any:
            if next(calls) == nth:
                raise Killed
            return real(*args, **given)

        monkeypatch.setattr(owner, name, dying)

    call: Callable[[pytest.MonkeyPatch], None] = patch
    marks = pytest.mark.long if long else ()
    return pytest.param(call, id=f"{name} {nth}", marks=marks)
