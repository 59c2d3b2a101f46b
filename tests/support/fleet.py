"""A small fleet: SQLite databases of one shop each, and workers that live in this process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from d1lab.config import Settings
from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.fleet.coordinator import FleetRequest, FleetResult, run_fleet
from d1lab.fleet.order import Order, Outcome
from d1lab.fleet.registry import Registry
from d1lab.fleet.sources import FleetDefaults, list_source
from d1lab.ingest.events import track
from tests.support import small_shop

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
REPORTS = ("uses_the_lab", "advises")
SOURCE = "sqlite:shops/*.sqlite"

Do = Callable[[Order], Outcome]


def build_shop(path: Path, *shops: str) -> None:
    """Make the database of one small shop with orders and stock; or of several such shops."""
    db = SqliteDatabase.create(path)
    migrate(db)
    for shop in shops or ("corner",):
        track(db, small_shop.events(shop))
        small_shop.write_stock(db, shop)
    db.close()


def build_fleet(root: Path, shop: Path, names: str, reports: tuple[str, ...] = REPORTS) -> Settings:
    """Make a project with copies of a shop's database, one for each letter of `names`."""
    (root / "shops").mkdir(parents=True)
    (root / "notebooks").mkdir()
    for name in names:
        shutil.copyfile(shop, root / "shops" / f"{name}.sqlite")
    for report in reports:
        text = (NOTEBOOKS / f"{report}.ipynb").read_text().replace("harbor", "corner")
        json.loads(text)
        (root / "notebooks" / f"{report}.ipynb").write_text(text)
    return Settings(root=root)


def keep_its_memory(settings: Settings, report: str) -> None:
    """Let a report write the limit on its memory to the file `memory` of its run."""
    path = settings.root / "notebooks" / f"{report}.ipynb"
    notebook = json.loads(path.read_text())
    notebook["cells"][-1]["source"] = (
        f"{''.join(notebook['cells'][-1]['source'])}\n"
        "from d1lab.config import load_settings\n"
        "(load_settings().run_dir / 'memory').write_text(str(load_settings().memory))"
    )
    path.write_text(json.dumps(notebook))


def memory_of_runs(folder: Path) -> list[str]:
    """Return what `keep_its_memory` has written in a folder."""
    return [path.read_text() for path in sorted(folder.rglob("memory"))]


def synced(settings: Settings, registry: Registry, every_hours: float = 24.0) -> None:
    """List the databases of the project's folder `shops`."""
    defaults = FleetDefaults(currency="EUR", every_hours=every_hours)
    registry.sync(SOURCE, defaults, list_source(settings, SOURCE, defaults))


class Inline:
    """One worker in this process: an order has ended when it is submitted.

    Args:
        do: What does the work; an exception is that of a worker that died.
    """

    def __init__(self, do: Do) -> None:
        self._do = do
        self.orders: list[Order] = []

    def free(self) -> int:
        return 1

    def problem(self) -> str:
        return ""

    def submit(self, order: Order) -> Future[Outcome]:
        self.orders.append(order)
        future: Future[Outcome] = Future()
        try:
            future.set_result(self._do(order))
        except Exception as error:  # noqa: BLE001  what a worker dies of
            future.set_exception(error)
        return future

    def close(self) -> None:
        """Nothing is left."""

    @property
    def names(self) -> list[str]:
        """The databases, in the order of the work."""
        return [order.name for order in self.orders]


def done(order: Order, **fields: object) -> Outcome:
    """The outcome of work that ended well."""
    return Outcome(order.name, "done", rows_read=10, state=order.state)._replace(**fields)


def run_inline(
    settings: Settings, registry: Registry, do: Do, **request: object
) -> tuple[FleetResult, list[str]]:
    """Run the fleet in this process; return the result, and the databases in order."""
    workers = Inline(do)
    asked = FleetRequest()._replace(**request)
    result = run_fleet(settings, registry, workers, asked, sleep_seconds=0.0)
    return result, workers.names
