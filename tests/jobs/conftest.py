"""A project to run jobs in: the tiny warehouse, an embedded D1 and two small reports."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from d1lab.config import Settings
from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.jobs.ledger import RunLedger, open_ledger

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


@pytest.fixture
def settings(tmp_path: Path, tiny_warehouse: Path) -> Settings:
    """A project whose database is migrated and whose warehouse is pulled; it has no report yet."""
    folder = tmp_path / "data" / "demo"
    folder.mkdir(parents=True)
    shutil.copyfile(tiny_warehouse, folder / "warehouse.duckdb")
    database = SqliteDatabase.create(folder / "d1.sqlite")
    migrate(database)
    database.execute(
        "INSERT INTO inventory_impact (shop, sku, date, starting_inventory, ending_inventory) "
        "SELECT 'harbor', 'worked', '2026-05-0' || value, 9, 9 FROM json_each('[1,2,3,4,5,6,7,8]')"
    )
    database.close()
    (tmp_path / "notebooks").mkdir()
    return Settings(root=tmp_path)


@pytest.fixture
def ledger(settings: Settings) -> RunLedger:
    return open_ledger(settings)


@pytest.fixture
def use(settings: Settings):
    """Put notebooks of tests/notebooks into the project: `use("ends_well")`."""

    def copy(*names: str) -> None:
        for name in names:
            shutil.copyfile(NOTEBOOKS / f"{name}.ipynb", settings.notebooks_dir / f"{name}.ipynb")

    return copy
