"""Listings: one entry for a report, computed again only when its pages change."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from d1lab.pages import listing
from d1lab.pages.listing import EARLIER, FILE, Listing, listings
from d1lab.pages.page import write_page
from d1lab.pages.storage import remove_page
from tests.support.sample_run import STARTED, code, figures, write_run


@pytest.fixture
def shelf(tmp_path: Path):
    """Writes the page of a day; `shelf.read()` gives the listings and the folders read for them."""

    class Shelf:
        reports = tmp_path / "reports"

        def add(self, day: int, **fields) -> Path:
            started = STARTED + timedelta(days=day)
            run = {"run_id": f"r{day}", "as_of": f"2026-05-{day:02}", "started_at": started}
            run |= fields
            return write_page(write_run(tmp_path, [code("", figures(day))], **run), self.reports)

        def read(self) -> tuple[list[Listing], list[str]]:
            folders: list[str] = []
            really = listing.read_folder
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(listing, "read_folder", lambda f: folders.append(f.name) or really(f))
                return list(listings(self.reports)), folders

    return Shelf()


def test_only_reports_with_changed_pages_are_read(shelf):
    """A new page, a removed one, and one that was deleted by hand are noticed."""
    for day in (29, 30):
        shelf.add(day)
    shelf.add(30, report="discounts", run_id="d30")
    first, read = shelf.read()
    assert read == ["discounts", "inventory"]
    assert shelf.read() == (first, [])

    page = shelf.add(31)
    (_, inventory), read = shelf.read()
    assert read == ["inventory"]
    assert inventory.newest.path.endswith("2026-05-31.html")
    assert len(inventory.values) == 3

    remove_page(shelf.reports, page.relative_to(shelf.reports).as_posix())
    assert shelf.read() == (first, ["inventory"])
    (page.parent / "2026-05-30.html").unlink()
    (_, inventory), read = shelf.read()
    assert (read, inventory.newest.path[-15:]) == (["inventory"], "2026-05-29.html")


def test_a_folder_that_has_not_changed_is_not_even_listed(shelf, monkeypatch):
    """Its time tells; a page of the moment when it was read is still noticed."""
    folder = shelf.add(29).parent
    first, _ = shelf.read()
    os.utime(folder, (1, 1))
    with monkeypatch.context() as patch:
        patch.setattr(listing, "_state", lambda _: pytest.fail("the folder was listed"))
        assert shelf.read() == (first, [])
    at = (folder / FILE).stat().st_mtime_ns
    shelf.add(30)
    os.utime(folder, ns=(at, at))
    [(found,), read] = shelf.read()
    assert (read, found.newest.path[-15:]) == (["inventory"], "2026-05-30.html")


@pytest.mark.parametrize("content", ["", "[]", '{"state": 1}', "\0"])
def test_a_damaged_listing_is_computed_again(shelf, content):
    """It is only a copy of what the pages' metadata says."""
    page = shelf.add(30)
    first, _ = shelf.read()
    (page.parent / FILE).write_text(content)
    assert shelf.read() == (first, ["inventory"])
    assert shelf.read() == (first, [])


def test_older_pages_are_counted_but_not_listed(shelf):
    """The index lists a week of earlier pages; the trend has all of the last sixty."""
    for day in range(1, 13):
        shelf.add(day)
    [(found,), _] = shelf.read()
    assert [page.title for page in found.earlier] == [f"May {d}, 2026" for d in range(11, 5, -1)]
    assert len(found.earlier) == EARLIER
    assert len(found.values) == 12
