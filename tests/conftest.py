"""Fixtures for all tests. Real data and reference numbers lie beside the repository, if at all."""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from d1lab import catalog
from d1lab.display import set_currency
from d1lab.lab import Lab
from d1lab.warehouse import create_views, next_warehouse, open_warehouse
from tests import workerd

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(autouse=True, scope="module")
def no_currency() -> Iterator[None]:
    """Forget the currency of the lab that a module opened last: tests open many."""
    yield
    set_currency("")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets; the test skips where it is absent."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("real data (shared/data) is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def oracles() -> dict[str, dict]:
    """Reference numbers by file stem: 'ab', 'customers_inventory'; skips where absent."""
    folder = SHARED / "oracles"
    if not folder.is_dir():
        pytest.skip("reference numbers (shared/oracles) are not beside this checkout")
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


@pytest.fixture(scope="session")
def tiny_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a warehouse small enough to check by hand: tests/fixtures/tiny.sql says what."""
    folder = tmp_path_factory.mktemp("tiny")
    with next_warehouse(folder) as con:
        for table in catalog.TABLES.values():
            columns = ", ".join(f"{c.name} {catalog.DUCKDB_TYPES[c.type]}" for c in table.columns)
            con.execute(f"CREATE TABLE raw.{table.name} ({columns}, _rowid BIGINT)")
        create_views(con)
        con.execute((Path(__file__).parent / "fixtures" / "tiny.sql").read_text())
    return folder / "warehouse.duckdb"


@pytest.fixture
def tiny_lab(tiny_warehouse: Path, tmp_path: Path) -> Iterator[Lab]:
    """A lab on the tiny warehouse, for shop 'harbor', as an analyst opens it."""
    with open_warehouse(tiny_warehouse.parent) as con:
        yield Lab(con, database="demo", folder=tmp_path, shop="harbor")


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[workerd.Engine]:
    """The real D1 engine, one per worker; `engine.fresh()` is the URL of an empty database."""
    if not workerd.WRANGLER.is_file():
        pytest.skip("the real engine is not installed: run `make test`, or npm ci in tests/engine")
    with workerd.running(tmp_path_factory.mktemp("engine")) as running:
        yield running


def pytest_itemcollected(item: pytest.Item) -> None:
    """Whatever uses the engine is marked."""
    if "engine" in getattr(item, "fixturenames", ()):
        item.add_marker("engine")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where D1LAB_TEST_REQUIRE names a marker, a skip of such a test is a failure."""
    report = yield
    required = os.environ.get("D1LAB_TEST_REQUIRE", "").split()
    if report.skipped and any(item.get_closest_marker(name) for name in required):
        report.outcome = "failed"
        report.longrepr = f"required here, but skipped: {report.longrepr}"
    return report


# The same examples every time: a test run says something about the change, not about the draw.
# D1LAB_FUZZ=1 draws anew.
settings.register_profile("steady", derandomize=not os.environ.get("D1LAB_FUZZ"))
settings.load_profile("steady")
