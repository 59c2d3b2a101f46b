"""The command line, called in this process or as a program of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from d1lab.cli import main

PROGRAM = Path(sys.executable).parent / "d1lab"


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


def d1lab(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the program in a folder, with no more of the environment than it needs."""
    return subprocess.run(
        [PROGRAM, *arguments],
        cwd=cwd,
        env={"PATH": str(PROGRAM.parent), "HOME": str(cwd), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def assert_refused(ended: Ended, *parts: str, code: int = 2) -> None:
    """One line of error that holds these parts, nothing else, and that exit code."""
    assert ended.code == code, ended.err
    assert ended.err.startswith("error: ")
    assert ended.err.count("\n") == 1
    assert ended.out == ""
    for part in parts:
        assert part in ended.err
