"""The command line in this process, in a project with a small shop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.ingest.events import track
from tests.support import small_shop
from tests.support.command_line import Ended, caller


@pytest.fixture
def run(monkeypatch, capsys) -> Callable[..., Ended]:
    """`run("pull", "--json")`."""
    return caller(monkeypatch, capsys)


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
