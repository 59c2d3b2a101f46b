"""Menus of shop, report, and date: links between files, which lead somewhere."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lxml.html
import pytest

from d1lab.pages import menus
from d1lab.pages.index import write_index
from d1lab.pages.page import render_page, write_page
from d1lab.pages.storage import remove_page
from tests.support.sample_run import HOSTILE, write_run


@pytest.fixture
def add(tmp_path: Path):
    """Writes a page of a day of 2026-05; `add.reports` is where."""

    def write(day: int, report: str = "inventory", **fields: Any) -> Path:
        at = datetime(2026, 6, 1, 6, day, tzinfo=UTC)
        run_id = f"r{day}-{report}-{len(fields.get('shop', ''))}"
        names = {"report": report, "title": report.title(), "run_id": run_id, "started_at": at}
        run = write_run(tmp_path, [], as_of=f"2026-05-{day:02}", **{**names, **fields})
        return write_page(run, write.reports)  # pyright: ignore[reportFunctionMemberAccess]

    write.reports = tmp_path / "reports"  # pyright: ignore[reportFunctionMemberAccess]
    return write


def _menus(page: Path) -> dict[str, list[tuple[str, str, bool]]]:
    """Entries of each menu: text, file that the link leads to, and whether it is the page's own."""
    found: dict[str, list[tuple[str, str, bool]]] = {}
    for menu in lxml.html.parse(page).getroot().cssselect("details.menu"):
        label = menu.cssselect("summary .sr")[0].text_content().strip(" :")
        for link in menu.cssselect("a"):
            target = (page.parent / str(link.get("href"))).resolve()
            assert target.is_file(), target
            entry = (link.text_content(), target.name, link.get("aria-current") == "page")
            found.setdefault(label, []).append(entry)
    return found


def test_menus_lead_to_all_shops_reports_and_earlier_dates(add):
    old = add(29)
    write_index(add.reports)
    assert [text for text, *_ in _menus(old)["Report"]] == ["Inventory"]
    new, overview = add(30), add(30, "overview")
    add(30, shop="kiosk")
    write_index(add.reports)
    assert _menus(new) == {
        "Shop": [("harbor", "latest.html", True), ("kiosk", "latest.html", False)],
        "Report": [("Overview", "latest.html", False), ("Inventory", "latest.html", True)],
        "Date": [
            ("Latest", "latest.html", False),
            ("May 30, 2026", "2026-05-30.html", True),
            ("May 29, 2026", "2026-05-29.html", False),
        ],
    }
    assert (new.with_name("latest.html")).read_bytes() == new.read_bytes()
    assert len(_menus(overview)["Report"]) == 2
    remove_page(add.reports, old.relative_to(add.reports).as_posix())
    write_index(add.reports)
    assert [text for text, *_ in _menus(new)["Date"]] == ["Latest", "May 30, 2026"]


def test_a_page_is_written_again_only_if_its_menus_differ(add, monkeypatch):
    new, other = add(30), add(30, shop="kiosk")
    earlier = add(28)
    write_index(add.reports)
    assert _menus(earlier)["Date"][1:] == [
        ("May 30, 2026", "2026-05-30.html", False),
        ("May 28, 2026", "2026-05-28.html", True),
    ]
    written: list[str] = []
    really = menus.write
    monkeypatch.setattr(
        menus, "write", lambda path, *a: written.append(path.name) or really(path, *a)
    )
    write_index(add.reports)
    assert written == []
    times = {page: page.stat().st_mtime_ns for page in (new, other)}
    add(30, "products")
    write_index(add.reports)
    assert new.stat().st_mtime_ns != times[new]
    assert other.stat().st_mtime_ns == times[other]
    before = new.read_bytes()
    add(30)  # written again, without menus
    write_index(add.reports)
    assert new.read_bytes() == before


def test_many_shops_are_on_the_index_only(add, monkeypatch):
    """So that a page does not grow with the number of shops."""
    monkeypatch.setattr(menus, "MOST_SHOPS", 1)
    page = add(30)
    add(30, shop="kiosk")
    write_index(add.reports)
    assert _menus(page)["Shop"] == [("All shops", "index.html", False)]


def test_names_in_menus_stay_text_and_mail_has_no_menus(add, tmp_path: Path):
    page = add(30, shop=HOSTILE, title=HOSTILE)
    write_index(add.reports)
    html = page.read_text()
    assert "<img" not in html
    assert [text[:9] for text, *_ in _menus(page)["Shop"]] == [HOSTILE[:9]]
    [run_dir] = (tmp_path / "data" / "demo" / "runs").iterdir()
    assert "menu" not in render_page(run_dir, static=True).split("</style>")[1]
