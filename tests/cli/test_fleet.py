"""The group fleet, as a user types it."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from d1lab.config import Settings
from d1lab.fleet.marts import add_rows
from d1lab.fleet.places import report_settings
from d1lab.fleet.store import DiskStore
from d1lab.jobs.ledger import open_ledger
from d1lab.runs.run import run_folder
from tests.support.blocks import ROOT
from tests.support.command_line import caller
from tests.support.fleet import build_fleet, build_shop


@pytest.fixture
def d1lab(tmp_path, monkeypatch, capsys):
    """The command line in a project with two databases that are not added yet."""
    build_shop(tmp_path / "shop.sqlite")
    build_fleet(tmp_path, tmp_path / "shop.sqlite", "ab", ("ends_well",))
    monkeypatch.setenv("D1LAB_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return caller(monkeypatch, capsys)


def test_from_add_to_status(d1lab, tmp_path):
    """Add, plan, run, and look; each with JSON, and exit codes as they say."""
    assert d1lab("fleet", "sync").code == 2
    for command in ("plan", "run", "status"):
        assert "has no databases. Add some: d1lab fleet add SOURCE" in d1lab("fleet", command).err
    added = d1lab("fleet", "add", "sqlite:shops/*.sqlite", "--every-hours", "6", "--json")
    assert [each["action"] for each in added.json] == ["new", "new"]
    assert d1lab("fleet", "sync").err == (
        "fleet sync: 2 databases: 0 new, 0 changed, 2 unchanged, 0 gone\n"
    )
    plan = d1lab("fleet", "plan", "--json")
    assert plan.json == d1lab("fleet", "run", "--dry-run", "--json").json
    assert [each["due"] for each in plan.json] == [True, True]
    (tmp_path / "shops" / "b.sqlite").unlink()
    ran = d1lab("fleet", "run", "--workers", "1", "--json")
    assert (ran.code, ran.json["exit_code"]) == (1, 1)
    ended = {each["name"]: each for each in ran.json["outcomes"]}
    assert (ended["a"]["status"], ended["a"]["reports_done"]) == ("done", 1)
    assert (ended["b"]["status"], ended["b"]["kind"]) == ("failed", "data")
    [day] = d1lab("usage", "--database", "a", "--json").json["days"]
    assert day["rows_read"] >= ended["a"]["rows_read"] > 0
    assert d1lab("usage", "--database", "c").code == 2
    looked = d1lab("fleet", "status", "--json")
    assert looked.code == 1
    assert [(each["name"], each["every_hours"], each["status"]) for each in looked.json] == [
        ("a", 6.0, "done"),
        ("b", 6.0, "failed"),
    ]
    assert "2 databases, 1 failed, 1 due, 0 running" in d1lab("fleet", "status").err
    assert d1lab("fleet", "status", "a").code == 0
    assert "nothing to run of 2 databases. Why: d1lab fleet plan" in (
        d1lab("fleet", "run", "a").err
    )
    with closing(sqlite3.connect(tmp_path / "data" / "fleet.d" / "registry.sqlite")) as con:
        assert con.execute("SELECT count(*) FROM leases").fetchone() == (0,)


def test_a_source_that_cannot_be_listed_stops_no_other(d1lab, tmp_path):
    """Its databases stay; a source that is removed takes its databases along."""
    (tmp_path / "one.csv").write_text("url\nsqlite:shops/a.sqlite\n")
    d1lab("fleet", "add", "one.csv")
    d1lab("fleet", "add", "sqlite:shops/b*")
    (tmp_path / "one.csv").unlink()
    (tmp_path / "shops" / "b.sqlite").rename(tmp_path / "shops" / "b2.sqlite")
    synced = d1lab("fleet", "sync")
    assert (synced.code, "one.csv: No such file or directory. Its" in synced.err) == (2, True)
    assert "1 new, 0 changed, 0 unchanged, 1 gone" in synced.err
    planned = d1lab("fleet", "remove", "one.csv", "--dry-run", "--json").json
    assert [(each["action"], each["name"]) for each in planned] == [("gone", "a")]
    told = d1lab("fleet", "remove", "one.csv", "--dry-run").err
    assert told == "fleet remove: 1 database no longer run (dry run)\n"
    assert d1lab("fleet", "remove", "one.csv", "--json").json == planned
    looked = d1lab("fleet", "status")
    assert [line.split("\t")[1] for line in looked.out.splitlines()[1:]] == ["gone", "gone", "new"]
    assert "1 database, 0 failed, 1 due, 0 running, 2 gone" in looked.err
    assert d1lab("fleet", "sync").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("add", "ftp://x"), "or the URL of one database"),
        (("run", "nothere"), "no database 'nothere'"),
        (("run", "--report", "nothere"), "no report 'nothere'"),
        (("run", "--report", "nothere", "--dry-run"), "no report 'nothere'"),
        (("run", "--scheduler", "nonsense"), "such as tcp://10.0.0.5:8786"),
        (("remove", "shops.csv"), "no source 'shops.csv'"),
        (("status", "nothere"), "no database 'nothere'"),
        (("add", "sqlite:shops/*.sqlite", "--timezone", "Mars"), "time zone"),
    ],
)
def test_invalid_input_ends_with_2(d1lab, arguments, message):
    """Before anything is started, and as JSON, too."""
    ended = d1lab("fleet", *arguments)
    assert (ended.code, message in ended.err) == (2, True), ended.err
    assert json.loads(d1lab("fleet", *arguments, "--json").out)["exit_code"] == 2


def test_the_report_is_a_page(d1lab, tmp_path):
    """Without databases or a notebook it says what to do; then the index lists it."""
    assert "d1lab fleet add" in d1lab("fleet", "report").err
    d1lab("fleet", "add", "sqlite:shops/*.sqlite")
    assert "fleet.ipynb is missing" in d1lab("fleet", "report").err
    shutil.copyfile(ROOT / "notebooks" / "fleet.ipynb", tmp_path / "notebooks" / "fleet.ipynb")
    day = {"database": "a", "shop": "<a&b>", "day": date(2026, 5, 1), "orders": 1}
    amounts = {"revenue": 9.5, "savings": 0.0, "currency": "EUR"}
    add_rows(DiskStore(tmp_path / "data" / "fleet.d"), "days", "a", [day | amounts])
    (tmp_path / "reports" / "fleet.d" / "a").mkdir(parents=True)
    (tmp_path / "reports" / "fleet.d" / "a" / "index.html").touch()
    ended = d1lab("fleet", "report", "--json")
    assert (ended.code, ended.json["status"]) == (0, "done"), ended
    page = Path(ended.json["page"])
    [run] = open_ledger(report_settings(Settings(root=tmp_path))).entries()
    assert (run.status, tmp_path / "reports" / run.page) == ("done", page), "it can be pruned"
    text = page.read_text()
    assert "0 actions for 1 shop; 2 databases without a failure." in text
    assert "Data through May\N{NO-BREAK SPACE}1,\N{NO-BREAK SPACE}2026, days in UTC." in text
    assert "1 row in 3 tables" in text
    [link, other] = re.findall(r'<a href="([^"]*fleet\.d[^"]*)">&lt;a&amp;b&gt;</a>', text)
    assert link == other
    assert (page.parent / link).is_file()
    words = re.search(r'<code class="command" id="command">(.*?)</code>', text)
    assert words
    assert re.sub("<[^>]*>", "", words[1]) == "d1lab fleet report"
    (run_folder(report_settings(Settings(root=tmp_path)), "fleet", "20200101T000000-x")).mkdir()
    pruned = d1lab("fleet", "prune", "--dry-run")
    assert (
        pruned.err
        == "fleet prune: 0 bytes of 0 databases and the fleet's report would be deleted\n"
    )
    index = (tmp_path / "reports" / "index.html").read_text()
    assert "fleet/_/fleet/" in index
    assert "<h1>Reports on all shops" in index, "a fleet is no shop"
