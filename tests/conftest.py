"""Fixtures for all tests. Real data and reference numbers lie beside the repository, if at all."""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import duckdb
import pytest

import d1lab
from d1lab import catalog
from d1lab.lab import Lab
from tests import workerd

SHARED = Path(__file__).parents[2] / "shared"


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
    path = tmp_path_factory.mktemp("tiny") / "warehouse.duckdb"
    with duckdb.connect(path) as con:
        con.execute("CREATE SCHEMA raw; CREATE SCHEMA d1lab")
        for table in catalog.TABLES.values():
            columns = ", ".join(f"{c.name} {catalog.DUCKDB_TYPES[c.type]}" for c in table.columns)
            con.execute(f"CREATE TABLE raw.{table.name} ({columns}, _rowid BIGINT)")
        con.execute(
            "CREATE TABLE d1lab.tables (table_name VARCHAR, rows BIGINT, high_rowid BIGINT, "
            "rows_read BIGINT, pulled_at TIMESTAMP, digest VARCHAR);"
            "CREATE TABLE d1lab.quarantine (table_name VARCHAR, key VARCHAR, column_name VARCHAR, "
            "value VARCHAR, reason VARCHAR, found_at TIMESTAMP);"
            "CREATE TABLE d1lab.pull (database VARCHAR, url VARCHAR, bookmark VARCHAR, "
            "started_at TIMESTAMP, finished_at TIMESTAMP, rows_pulled BIGINT, rows_read BIGINT)"
        )
        for view in sorted((Path(d1lab.__file__).parent / "sql" / "views").glob("*.sql")):
            con.execute(f"CREATE VIEW {view.stem} AS {view.read_text()}")
        con.execute((Path(__file__).parent / "fixtures" / "tiny.sql").read_text())
    return path


@pytest.fixture
def tiny_lab(tiny_warehouse: Path, tmp_path: Path) -> Iterator[Lab]:
    """A lab on the tiny warehouse, for shop 'harbor', as an analyst opens it."""
    with duckdb.connect(tiny_warehouse, read_only=True) as con:
        yield Lab(con, database="demo", folder=tmp_path, shop="harbor")


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[workerd.Engine]:
    """The real D1 engine; `engine.fresh()` is the URL of an empty database of it."""
    if not workerd.WRANGLER.is_file():
        pytest.skip("the real engine is not installed: run `make test`, or npm ci in tests/engine")
    with workerd.running(tmp_path_factory.mktemp("engine")) as running:
        yield running


def pytest_itemcollected(item: pytest.Item) -> None:
    """Whatever uses the engine is marked, and runs in one worker: one engine per session."""
    if "engine" in getattr(item, "fixturenames", ()):
        item.add_marker("engine")
    if item.get_closest_marker("engine"):
        item.add_marker(pytest.mark.xdist_group("engine"))


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
