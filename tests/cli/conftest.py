"""The command line in this process, in a project with a small shop."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from d1lab.cli import main
from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.ingest.events import track
from tests import small_shop


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(monkeypatch, capsys) -> Callable[..., Ended]:
    """`run("pull", "--json")`."""

    def call(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["d1lab", *arguments])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        return Ended(code, *capsys.readouterr())

    return call


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    """An empty folder to work in, with a blank and a letter beyond ASCII in its name."""
    folder = tmp_path / "my shöp"
    folder.mkdir()
    monkeypatch.setenv("D1LAB_ROOT", str(folder))
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def project(folder: Path) -> Path:
    """A project whose database holds the small shop's events."""
    (folder / "d1lab.toml").write_text(
        'database = "mine"\n[databases.mine]\nurl = "sqlite:d1.sqlite"\n'
    )
    db = SqliteDatabase.create(folder / "d1.sqlite")
    migrate(db)
    track(db, small_shop.events())
    db.close()
    return folder
