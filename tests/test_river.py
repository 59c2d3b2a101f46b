"""The whole way: events into D1, a pull, reports, results back in D1, and the way back out."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.reading import rows_read
from d1lab.d1 import Database, open_database
from d1lab.d1.sqlite import SqliteDatabase
from tests.support import small_shop
from tests.support.command_line import Ended, caller
from tests.support.worker_database import READER, WRITER, WorkerDatabase

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


@pytest.fixture
def d1lab(monkeypatch, capsys) -> Callable[..., Ended]:
    """The command line, in this process: `d1lab("pull", "--json")`."""
    return caller(monkeypatch, capsys)


@pytest.fixture(
    params=[
        pytest.param("embedded", marks=pytest.mark.long),  # the tests that name it run it
        pytest.param("engine", marks=pytest.mark.engine),
        pytest.param("gateway", marks=[pytest.mark.engine, pytest.mark.long]),
    ]
)
def project(request, tmp_path: Path, monkeypatch) -> Path:
    """A project of one's own, its database empty: embedded, or the real engine's, in two ways."""
    if request.param != "embedded":
        worker = WorkerDatabase(request.getfixturevalue("engine"))
        url = worker.gateway if request.param == "gateway" else worker.url
        monkeypatch.setenv("D1LAB_GATEWAY_READER", READER.get_secret_value())
        monkeypatch.setenv("D1LAB_GATEWAY_WRITER", WRITER.get_secret_value())
    else:
        SqliteDatabase.create(tmp_path / "d1.sqlite").close()
        url = "sqlite:d1.sqlite"
    (tmp_path / "d1lab.toml").write_text(
        f'database = "mine"\n[databases.mine]\nurl = "{url}"\nplan = "free"\n'
    )
    (tmp_path / "notebooks").mkdir()
    for name in ("inventory.ipynb", "discounts.ipynb"):
        shutil.copyfile(NOTEBOOKS / name, tmp_path / "notebooks" / name)
    monkeypatch.setenv("D1LAB_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _open(project: Path) -> Database:
    url = re.search(r'url = "(.*)"', (project / "d1lab.toml").read_text())
    assert url
    return open_database(url[1], read_token=READER, write_token=WRITER)


def _fill(project: Path, d1lab: Callable[..., Ended]) -> None:
    assert d1lab("migrate").code == 0
    events = small_shop.write_events(project / "events.jsonl")
    assert d1lab("track", str(events)).code == 0
    db = _open(project)
    assert small_shop.write_stock(db) == 90
    db.close()
    assert d1lab("aggregate").code == 0


def _turnover_rows(project: Path) -> list[tuple]:
    db = _open(project)
    rows = db.query(
        "SELECT sku, turnover_rate, days_of_supply FROM inventory_impact "
        "WHERE turnover_rate IS NOT NULL ORDER BY sku"
    ).rows
    db.close()
    return rows


def test_river_from_events_to_pushed_results_and_back(project: Path, d1lab):
    """Orders become a page and figures in D1; a second run does nothing; a rollback undoes it."""
    _fill(project, d1lab)

    first = d1lab("run", "--set", "days=30", "--push", "--json")
    assert first.code == 0, first.err
    runs = {run["report"]: run for run in first.json["runs"]}
    assert {run["status"] for run in runs.values()} == {"done"}
    assert runs["inventory"]["pushed"]["tables"][0]["changed"] == 3

    pushed = _turnover_rows(project)
    assert [row[0] for row in pushed] == ["evil", "hat", "sock"]
    supply = {sku: days for sku, _, days in pushed}
    for sku, units in small_shop.UNITS.items():  # stock at the end over units a day
        assert supply[sku] == round((200 - 30 * units) / units)  # the column is an INTEGER

    read_before = rows_read(project / "data" / "mine")
    second = d1lab("run", "--set", "days=30", "--push", "--json")
    # the ends of the tables, and the holders of the results: not the 360 rows that were pulled
    assert rows_read(project / "data" / "mine") - read_before <= 120 < read_before
    assert {run["status"] for run in second.json["runs"]} == {"current"}
    assert all(run["pushed"] is None for run in second.json["runs"])

    taken_back = d1lab("rollback", runs["inventory"]["run_id"], "--json")
    assert taken_back.code == 0, taken_back.err
    assert _turnover_rows(project) == []


@pytest.mark.parametrize("project", ["embedded"], indirect=True)
def test_river_shows_what_a_push_would_do(project: Path, d1lab):
    """Without --push nothing is written; the dry run tells the difference; the push makes it."""
    _fill(project, d1lab)
    ran = d1lab("run", "inventory", "--set", "days=30", "--no-push", "--json")
    run_id = ran.json["runs"][0]["run_id"]
    assert _turnover_rows(project) == []

    planned = d1lab("push", run_id, "--dry-run", "--json").json
    assert planned["tables"][0]["changed"] == 3
    assert _turnover_rows(project) == []

    assert d1lab("push", run_id).code == 0
    assert len(_turnover_rows(project)) == 3


def test_river_counts_each_event_once(project: Path, d1lab):
    """Events tracked twice and aggregated twice leave the counters of a single time."""
    _fill(project, d1lab)
    again = d1lab("track", "events.jsonl", "--json").json
    assert (again["written"], again["known"]) == (0, 180)
    assert d1lab("aggregate").code == 0
    db = _open(project)
    [(uses, units)] = db.query(
        "SELECT (SELECT sum(times_used) FROM discount_analytics), "
        "(SELECT sum(units_sold_with_discount + units_sold_without_discount) "
        "FROM product_performance)"
    ).rows
    db.close()
    assert (uses, units) == (60, 60 * 6)


@pytest.mark.parametrize("project", ["embedded"], indirect=True)
@pytest.mark.long
def test_river_page_is_inert_and_says_what_it_is(project: Path, d1lab):
    """A hostile product title stays text; the page names its run, its day and simulated data."""
    _fill(project, d1lab)
    ran = d1lab("run", "inventory", "--set", "days=30", "--json").json["runs"][0]
    page = Path(ran["page"]).read_text()
    assert small_shop.HOSTILE not in page
    assert "document.title" in page  # the title is shown, as text
    assert ran["run_id"] in page
    assert "simulated" in page.lower()
    assert small_shop.LAST.isoformat() in page
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", page)


@pytest.mark.parametrize("project", ["embedded"], indirect=True)
def test_river_refuses_a_misspelt_parameter_before_anything_runs(project: Path, d1lab):
    """One line, exit code 2, the nearest name; no run is left behind."""
    _fill(project, d1lab)
    ended = d1lab("run", "inventory", "--set", "shp=corner")
    assert ended.code == 2
    assert "Did you mean 'shop'?" in ended.err
    assert "Traceback" not in ended.err
    assert not list((project / "data" / "mine").glob("runs/*"))


@pytest.mark.parametrize("project", ["embedded"], indirect=True)
@pytest.mark.long
def test_river_pushes_again_into_a_database_that_was_restored(project: Path, d1lab):
    """A run that is still current brings its results back when D1 lost them."""
    file = project / "d1.sqlite"
    _fill(project, d1lab)
    shutil.copyfile(file, project / "before.sqlite")
    notebook = project / "notebooks" / "inventory.ipynb"
    notebook.write_text(notebook.read_text().replace("days = 90", "days = 30"))  # a standard run
    assert d1lab("run", "inventory").code == 0
    assert len(_turnover_rows(project)) == 3

    shutil.copyfile(project / "before.sqlite", file)
    assert _turnover_rows(project) == []
    assert d1lab("run", "inventory").code == 0
    assert len(_turnover_rows(project)) == 3


@pytest.mark.parametrize("project", ["embedded"], indirect=True)
@pytest.mark.long
def test_river_exports_every_table_on_command(project: Path, d1lab):
    """`--export csv` writes what the page shows whole, too; also of a run that is up to date."""
    _fill(project, d1lab)
    asked = ("run", "inventory", "--set", "days=30", "--export", "csv")
    run = d1lab(*asked, "--json").json["runs"][0]
    files = [Path(file["path"]) for file in run["exported"]]
    assert files[0] == Path(run["page"]).with_suffix("") / "products-to-reorder.csv"
    assert len(files) == len(set(files)) > 8
    assert all(file.read_bytes().startswith(b"\xef\xbb\xbf") for file in files)  # for Excel
    assert (
        files[0].read_text(encoding="utf-8-sig").startswith("product,profit_at_risk,order_units,")
    )

    for file in files:
        file.unlink()
    again = d1lab(*asked)
    assert again.code == 0, again.err
    assert "current" in again.out
    assert f"{files[0].relative_to(project)}\t" in again.out
    assert all(file.is_file() for file in files)
    assert d1lab("run", "--export", "xls").code == 2
