"""The command line in this process, in a project with a small shop."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.ingest.events import track
from d1lab.pull import pull
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


@pytest.fixture(scope="session")
def _pulled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, with its warehouse, to copy."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "d1lab.toml").write_text(
        'database = "mine"\n[databases.mine]\nurl = "sqlite:d1.sqlite"\n'
    )
    with closing(SqliteDatabase.create(folder / "d1.sqlite")) as db:
        migrate(db)
        track(db, small_shop.events())
        pull(db, folder / "data" / "mine", database="mine")
    return folder


@pytest.fixture
def project(_pulled_once: Path, folder: Path) -> Path:
    """A project whose database holds the small shop's events."""
    for name in ("d1lab.toml", "d1.sqlite"):
        shutil.copyfile(_pulled_once / name, folder / name)
    return folder


@pytest.fixture
def pulled(_pulled_once: Path, project: Path) -> Path:
    """The project after a pull."""
    shutil.copytree(_pulled_once / "data", project / "data")
    return project
