"""The command line, called in this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from d1lab.cli import main


class Ended(NamedTuple):
    """What a command left: its exit code, standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def caller(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *first: str
) -> Callable[..., Ended]:
    """A function that runs `d1lab` with these first arguments and those it is given."""

    def call(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["d1lab", *first, *arguments])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        return Ended(code, *capsys.readouterr())

    return call


def assert_refused(ended: Ended, *parts: str, code: int = 2) -> None:
    """One line of error that holds these parts, nothing else, and that exit code."""
    assert ended.code == code, ended.err
    assert ended.err.startswith("error: ")
    assert ended.err.count("\n") == 1
    assert ended.out == ""
    for part in parts:
        assert part in ended.err
