"""A small fleet to work on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from d1lab.config import Settings
from d1lab.fleet.registry import Registry, open_registry
from tests.support.fleet import build_fleet, build_shop, synced


@pytest.fixture(scope="session")
def shop_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of one small shop, to copy."""
    path = tmp_path_factory.mktemp("fleet-shop") / "shop.sqlite"
    build_shop(path)
    return path


@pytest.fixture
def fleet(tmp_path: Path, shop_file: Path) -> Callable[..., Settings]:
    """Make a project with databases: `fleet("abc")`; its reports stage, and advise."""

    def make(names: str, *reports: str) -> Settings:
        made = build_fleet(tmp_path, shop_file, names, reports or ("uses_the_lab", "advises"))
        synced(made, open_registry(made))
        return made

    return make


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A registry of six databases whose files do not exist: their work is done by fakes."""
    settings = Settings(root=tmp_path)
    (tmp_path / "shops").mkdir()
    for name in "abcdef":
        (tmp_path / "shops" / f"{name}.sqlite").touch()
    made = open_registry(settings)
    synced(settings, made)
    return made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The settings of the same project."""
    return Settings(root=tmp_path)
