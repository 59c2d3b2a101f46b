"""`d1lab ingest prices` on the command line, from a file and from a list of pages."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from tests.support.command_line import caller

FILE = "shop,sku,competitor,price,currency,observed_at\n"
LIST = "shop,sku,competitor,url\n"


@pytest.fixture
def command(tmp_path: Path, monkeypatch, capsys):
    """`command("prices.csv")`, in a project with an empty database."""
    (tmp_path / "d1lab.toml").write_text('[databases.demo]\nurl = "sqlite:d1.sqlite"\n')
    with closing(SqliteDatabase.create(tmp_path / "d1.sqlite")) as db:
        migrate(db)
    monkeypatch.chdir(tmp_path)

    return caller(monkeypatch, capsys, "ingest", "prices")


def stored(folder: Path) -> list[tuple]:
    with closing(SqliteDatabase(folder / "d1.sqlite", read_only=True)) as db:
        return db.query("SELECT sku, price, currency, source FROM competitor_prices").rows


def test_prices_of_a_file(command, tmp_path):
    """A dry run, a run, and a second run report what they did; rejected lines give exit code 1."""
    (tmp_path / "prices.csv").write_text(
        f"{FILE}harbor,HAT,acme,12.50,EUR,2026-05-01\nharbor,HAT,bolt,x,EUR,2026-05-01\n"
    )
    dry = command("prices.csv", "--dry-run")
    assert (dry.code, stored(tmp_path)) == (1, [])
    assert "2 prices. nothing written (dry run), 1 rejected" in dry.err
    assert dry.out.splitlines() == [
        "line\tsku\tcompetitor\treason",
        "3\tHAT\tbolt\tinvalid price 'x'. Use an amount above 0, such as 12.50.",
    ]
    assert "1 written, 0 already in D1, 1 rejected" in command("prices.csv").err
    assert stored(tmp_path) == [("HAT", 12.5, "EUR", "file")]
    again = json.loads(command("prices.csv", "--json", "--refused", "refused.csv").out)
    assert (tmp_path / "refused.csv").read_text().count("\n") == 2
    assert (again["written"], again["known"], again["refused"][0]["line"]) == (0, 1, 3)


def test_prices_of_pages(command, tmp_path, site):
    """The pages are fetched with real delays of a second."""
    url = site.product("/hat", "9.90")
    (tmp_path / "pages.csv").write_text(f"{LIST}harbor,HAT,acme,{url}\n")
    dry = command("--pages", "pages.csv", "--delay", "1", "--dry-run")
    assert dry.code == 0
    assert dry.out.splitlines()[1].split("\t")[:5] == ["harbor", "HAT", "acme", "9.90", "EUR"]
    assert stored(tmp_path) == []
    done = command("--pages", "pages.csv", "--delay", "1", "--contact", "me@shop.example")
    assert (done.code, stored(tmp_path)) == (0, [("HAT", 9.9, "EUR", "page")])
    assert "me@shop.example" in site.asked[-1].agent
    assert "1 already in D1" in command("--pages", "pages.csv").err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "not both"),
        (("a.csv", "--pages", "b.csv"), "not both"),
        (("absent.csv",), "does not exist"),
        (("--pages", "absent.csv"), "does not exist"),
        (("--pages", "absent.csv", "--contact", "a\nb"), "--contact"),
    ],
)
def test_prices_rejects_in_one_line(command, arguments, said):
    """The error says what was asked and what to do."""
    ended = command(*arguments)
    assert (ended.code, ended.err.count("\n"), ended.out) == (2, 1, "")
    assert said in ended.err
