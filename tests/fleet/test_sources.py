"""Where databases are listed: an account, a pattern of files, a CSV file, or one URL."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from d1lab.config import Settings
from d1lab.d1.request_limit import Pace
from d1lab.errors import D1AuthError, InputError, UnknownName
from d1lab.fleet import sources
from d1lab.fleet.sources import FleetDefaults, list_source, unique_name

ACCOUNT = "d1://0123456789abcdef0123456789abcdef"


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch):
    """An account with 230 databases; its API returns at most 100 a page."""
    names = [f"shop-{n:03}" for n in range(229)] + ["billing"]
    asked: list[int] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        page, size = (int(request.url.params[name]) for name in ("page", "per_page"))
        asked.append(page)
        part = names[(page - 1) * size : page * size]
        result = [{"name": name, "uuid": f"id-{name}"} for name in part]
        return httpx2.Response(200, json={"success": True, "errors": [], "result": result})

    real = sources.Transport

    def opened(base: str, **options: object):
        return real(base, handler=httpx2.MockTransport(answer), **options)

    monkeypatch.setattr(sources, "Transport", opened)
    return asked


def test_an_account_is_listed_page_by_page(account, tmp_path):
    """Databases whose names match; each by its ID, which survives a new name."""
    settings = Settings(root=tmp_path, read_token="token")
    found = list_source(settings, f"{ACCOUNT}/shop-*", FleetDefaults(plan="free"))
    assert len(found) == 229
    assert (found[0].name, found[0].url, found[0].plan) == (
        "shop-000",
        f"{ACCOUNT}/id-shop-000",
        "free",
    )
    assert max(account) >= 3
    bucket = settings.data_dir / "fleet.d" / "requests.sqlite"
    with closing(sqlite3.connect(bucket)) as con:
        [(used_until, began)] = con.execute("SELECT used_until, seen_at FROM bucket")
    slots = (used_until - began) / Pace().interval_seconds
    assert len(account) - 1 < slots <= len(account), "each page is one request"


def test_an_account_without_a_token_says_which(tmp_path):
    """Before any request."""
    with pytest.raises(D1AuthError, match="D1LAB_READ_TOKEN"):
        list_source(Settings(root=tmp_path), f"{ACCOUNT}/*")


def test_files_that_match(tmp_path):
    """Paths inside the project are relative to it, so that it can be moved."""
    for name in ("b", "a"):
        (tmp_path / f"{name}.sqlite").touch()
    (tmp_path / "a.txt").touch()
    settings = Settings(root=tmp_path)
    found = list_source(settings, "sqlite:*.sqlite")
    assert [(each.name, each.url) for each in found] == [
        ("a", "sqlite:a.sqlite"),
        ("b", "sqlite:b.sqlite"),
    ]
    assert list_source(settings, f"sqlite:{tmp_path}/*.sqlite") == found
    with pytest.raises(InputError, match="no files match"):
        list_source(settings, "sqlite:none/*.sqlite")


def test_a_csv_file(tmp_path):
    """What a row leaves empty is the source's default."""
    (tmp_path / "shops.csv").write_text(
        "name,url,currency,every_hours\nkiel,sqlite:kiel.sqlite,EUR,6\n,dump:oslo.sql,,\n"
    )
    kiel, oslo = list_source(Settings(root=tmp_path), "shops.csv", FleetDefaults(currency="NOK"))
    assert (kiel.name, kiel.currency, kiel.every_hours) == ("kiel", "EUR", 6.0)
    assert (oslo.name, oslo.currency, oslo.every_hours) == ("oslo.sql", "NOK", 24.0)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("name\nx\n", InputError, "column 'url' is missing"),
        ("url,shop\nx,y\n", UnknownName, "column 'shop'"),
        ("url,plan\nsqlite:a,golden\n", InputError, r"line 2: plan must be free or paid, not 'gol"),
        ("url,currency\nsqlite:a,euro\n", InputError, "three capital letters, such as EUR, not"),
        ("url,timezone\nsqlite:a,Mars/Base\n", InputError, r"line 2: timezone must be the IANA"),
        ("url,every_hours\nsqlite:a,soon\n", InputError, "every_hours must be a number"),
        ("url,every_hours\nsqlite:a,0\n", InputError, "above 0"),
        ("url,every_hours\nsqlite:a,inf\n", InputError, "at most 8,784"),
        ("url\nsqlite:a\nftp:a\n", InputError, "line 3: .*expected d1://"),
        ("url,name\n,x\n", InputError, "line 2: .*expected d1://"),
        ("url\nsqlite:a,b\n", InputError, "line 2 has more cells"),
        ("url\n", InputError, "has no databases"),
    ],
)
def test_an_invalid_csv_file_is_one_sentence(tmp_path: Path, text, error, message):
    """It names the column or the line."""
    (tmp_path / "shops.csv").write_text(text)
    with pytest.raises(error, match=message):
        list_source(Settings(root=tmp_path), "shops.csv")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("shops/kiel.sqlite", "Use .*sqlite:PATTERN"),
        ("dump:*.sql", "Use .*sqlite:PATTERN"),
        ("d1://ACCOUNT_ID/*", r"invalid source 'd1://ACCOUNT_ID/\*'.*32 hex digits"),
        ("wrangler+http://example.com/*", "PORT/PATTERN"),
    ],
)
def test_an_invalid_source_is_one_sentence(tmp_path: Path, source, message):
    """It shows what was typed, and what can be."""
    with pytest.raises(InputError, match=message):
        list_source(Settings(root=tmp_path), source)


def test_a_pattern_that_no_name_matches_is_an_error(account, tmp_path):
    """A typing error would make all databases of the source gone."""
    settings = Settings(root=tmp_path, read_token="token")
    with pytest.raises(InputError, match=r"no name of the account's 230 databases matches 'shp-"):
        list_source(settings, f"{ACCOUNT}/shp-*")


def test_a_file_of_the_project_is_one_database(tmp_path):
    """However it is named: one that is listed twice would be run twice."""
    (tmp_path / "a.sqlite").touch()
    settings = Settings(root=tmp_path)
    (tmp_path / "shops.csv").write_text(f"url\nsqlite:{tmp_path}/a.sqlite\n")
    sources = ("sqlite:*.sqlite", f"sqlite:{tmp_path}/a.sqlite", "sqlite:./a.sqlite", "shops.csv")
    found = [list_source(settings, source) for source in sources]
    assert {each.url for [each] in found} == {"sqlite:a.sqlite"}


def test_names_are_unique_also_where_a_file_system_ignores_case():
    """The second gets a hash of its URL, which is the same every time."""
    first = unique_name("Harbor", "sqlite:a", ["harbor"])
    assert first == unique_name("Harbor", "sqlite:a", ["harbor"]) != "Harbor"
    assert unique_name("harbor", "sqlite:a", ["HARBOR"]) != "harbor"
    assert unique_name("...", "sqlite:a", []).startswith("db-")
