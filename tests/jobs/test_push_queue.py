"""Results of several reports are pushed together: as many requests as for one, and as safe."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest

from d1lab.config import Settings
from d1lab.config_sections import DatabaseSettings
from d1lab.d1 import connect
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.jobs.job_result import JobResult
from d1lab.jobs.run import run_reports
from d1lab.pull import pull_database
from tests.support.d1_api import URL, D1Api, over_http
from tests.support.fleet import build_fleet, build_shop

SHOPS = ("corner", "harbor")


class KilledError(BaseException):
    """The process is killed at this request."""


class Project(NamedTuple):
    """A project whose reports have run, and have not been pushed."""

    settings: Settings
    home: Path
    patch: pytest.MonkeyPatch

    def push(self, *shops: str, killed_at: int = -1, unchanged: bool = False) -> tuple[Any, int]:
        """Push the results of shops; return them, and the number of requests."""
        file = self.settings.root / "d1.sqlite"
        with closing(SqliteDatabase(str(file), url=URL, read_only=False)) as db:
            api = _Api(db, killed_at)
            self.patch.setattr(connect, "open_database", lambda *_, **__: over_http(api))
            results = run_reports(self.settings, shops=shops, unchanged=unchanged)
            return results, api.requests

    def again(self) -> Project:
        """The same project as it was before any push."""
        shutil.rmtree(self.settings.root)
        shutil.copytree(self.home, self.settings.root, symlinks=True)
        return self

    def state(self) -> list[Any]:
        """What is in D1, without times."""
        with closing(sqlite3.connect(self.settings.root / "d1.sqlite")) as con:
            return [
                sorted(map(str, con.execute(sql)))
                for sql in (
                    "SELECT shop, sku, date, turnover_rate FROM inventory_impact",
                    "SELECT run_id, table_name, action, status, rows_changed FROM d1lab_pushes",
                    "SELECT table_name, shop, report, day, run_id, digest FROM d1lab_results",
                    "SELECT table_name, part FROM d1lab_owned",
                )
            ]


class _Api(D1Api):
    """D1's API; the process is killed when one request has taken effect, before its answer."""

    def __init__(self, db: SqliteDatabase, killed_at: int) -> None:
        super().__init__(db)
        self._killed_at = killed_at

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        response = super().__call__(request)
        if 0 <= self._killed_at < self.requests:
            raise KilledError
        return response


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two shops, pulled and run without a push."""
    root = tmp_path_factory.mktemp("together") / "project"
    with pytest.MonkeyPatch.context() as patch:
        build_shop(root.parent / "d1.sqlite", *SHOPS)
        settings = project_at(root, patch, build=True)
        shutil.move(root.parent / "d1.sqlite", root / "d1.sqlite")
        with closing(SqliteDatabase(str(root / "d1.sqlite"), url=URL)) as db:
            patch.setattr(connect, "open_database", lambda *_, **__: over_http(D1Api(db)))
            pull_database(settings)
            results = run_reports(settings, push=False)
    assert [result.status for result in results] == ["done"] * 2, results
    return root


def project_at(root: Path, patch: pytest.MonkeyPatch, *, build: bool = False) -> Settings:
    """The settings of a project whose database is behind D1's API."""
    patch.setenv("D1LAB_WRITE_TOKEN", "write")
    if build:
        build_fleet(root, root, "", ("uses_the_lab",))
    databases = {"live": DatabaseSettings.model_validate({"url": URL})}
    return Settings(root=root).model_copy(update={"database": "live", "databases": databases})


@pytest.fixture
def project(staged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy of that project."""
    root = tmp_path / "project"
    shutil.copytree(staged, root, symlinks=True)
    return Project(project_at(root, monkeypatch), staged, monkeypatch)


def changed(results: list[JobResult]) -> list[int | None]:
    return [result.pushed.changed if result.pushed else None for result in results]


def test_two_reports_take_the_requests_of_one(project: Project):
    """Each result has its own push, and its own rows read and written."""
    alone, requests = project.push("corner")
    assert changed(alone) == [1]
    [one] = [result.pushed for result in alone]
    results, together = project.again().push(*SHOPS)
    assert changed(results) == [1, 1]
    assert together <= requests + 1
    written = sum(result.pushed.usage.rows_written for result in results if result.pushed)
    claimed = 1  # one of them records that d1lab owns the column
    assert written == len(SHOPS) * (one.usage.rows_written - claimed) + claimed
    again, asked = project.push(*SHOPS, unchanged=True)
    assert (changed(again), asked) == ([None, None], 1)
    assert project.push(*SHOPS, unchanged=True)[1] == 0, "they were there, and D1 is unchanged"
    assert project.push(*SHOPS)[1] == 1
    (project.settings.folder() / "warehouse.duckdb").touch()  # another pull, which found changes
    assert project.push(*SHOPS, unchanged=True)[1] == 1


def test_a_row_that_d1_rejects_stops_no_other_report(project: Project):
    """The batch is sent again, each report's part by itself."""
    with closing(sqlite3.connect(project.settings.root / "d1.sqlite")) as con, con:
        con.execute(
            "CREATE TRIGGER no BEFORE UPDATE ON inventory_impact WHEN new.shop = 'harbor' "
            "BEGIN SELECT raise(ABORT, 'not here'); END"
        )
    results, _ = project.push(*SHOPS)
    assert changed(results) == [1, None]
    assert "not here" in results[1].message
    assert results[1].exit_code == 1


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.long)], ids=["some", "all"])
def test_a_kill_at_any_request_loses_and_doubles_nothing(project: Project, step: int):
    """The next run ends in the same state as one without a kill."""
    _, requests = project.push(*SHOPS)
    expected = project.state()
    for number in range(requests)[::-step]:
        project.again()
        with pytest.raises(KilledError):
            project.push(*SHOPS, killed_at=number)
        project.push(*SHOPS)
        assert project.state() == expected, number


def test_two_runs_that_write_the_same_are_pushed_one_after_the_other(project: Project):
    """As if the second began when the first had ended: it finds the values of the first."""
    notebooks = project.settings.notebooks_dir
    text = (notebooks / "uses_the_lab.ipynb").read_text()
    (notebooks / "also.ipynb").write_text(text.replace("turnover_rate=1.5", "turnover_rate=2.5"))
    results, _ = project.push("corner")
    assert changed(results) == [1, 1]
    assert not any(result.exit_code for result in results)
