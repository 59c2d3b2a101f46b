"""A project with the smallest demo shop under the name `harbor`, every report run once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from d1lab.cli.main import app
from d1lab.demo import build
from tests.support.blocks import ROOT

SHOPS = {"harbor": build.STORES["kiosk"]}


def build_demo(folder: Path) -> None:
    """Build the project in a new folder: the demo's D1, a pull, and a run of each report."""
    folder.mkdir()
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("D1LAB_ROOT", str(folder))
        for shop in list(build.STORES):
            patch.delitem(build.STORES, shop)
        for shop, stores in SHOPS.items():
            patch.setitem(build.STORES, shop, stores)
        for arguments in (["demo"], ["run", "--no-push"]):
            app(arguments, standalone_mode=False)
