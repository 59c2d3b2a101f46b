"""Messages and shared links say what the pages of the demo say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import lxml.html
import pytest

import d1lab
from d1lab.config import Settings
from d1lab.config_sections import NotifySettings
from d1lab.jobs.ledger import open_ledger
from d1lab.share.notices import latest_reports, report_notice

SITE = "https://reports.example"


def _words(element: Any) -> str:
    return " ".join(element.text_content().split())


def _told(item: Any) -> str:
    """What the page says of an action, as a line of text."""
    amount, what, basis = (_words(item.cssselect(s)[0]) for s in (".amount", "h3", ".how p"))
    return f"{what} ({basis})" if amount == "– not known" else f"{amount}: {what} ({basis})"


def test_a_message_reads_like_the_top_of_the_overview(demo_project: Path):
    """The same three actions, in the same order, words, and amounts, each linked to its place."""
    settings = Settings(root=demo_project)
    settings.notify = NotifySettings(pages_url=SITE)
    reports = latest_reports(settings, open_ledger(settings))
    [overview] = [report for report in reports if report.run.report == "overview"]
    notice, _ = report_notice(overview, "news", {"first": "another"}, (), settings)
    assert notice is not None
    page = lxml.html.parse(settings.reports_dir / str(overview.page)).getroot()
    top = page.cssselect(".actions li")[:3]
    assert len(top) == 3
    url = f"{SITE}/{overview.page}"
    expected = [f"{n}. {_told(one)} {url}#{one.get('id')}" for n, one in enumerate(top, 1)]
    assert re.findall(r"^\d\. .*", notice.body, re.MULTILINE) == expected
    assert _words(top[0].cssselect("h3")[0]) in notice.title
    assert _words(page.cssselect("h1")[0]) in notice.body


def test_everything_on_a_page_that_has_an_address_can_be_shared(
    demo_project: Path, monkeypatch: pytest.MonkeyPatch
):
    """Actions with the page's words, tests by their ID, and products by their SKU."""
    monkeypatch.setenv("D1LAB_ROOT", str(demo_project))
    lab = d1lab.open("demo", shop="harbor")
    for report in ("overview", "inventory", "ab_tests"):
        path = lab.share(report=report).path
        page = lxml.html.parse(path).getroot()
        for item in page.cssselect(".actions li"):
            anchor = str(item.get("id"))
            link = lab.share(anchor.removeprefix("action-"))
            assert (link.text, link.path, link.anchor) == (_told(item), path, anchor)
        for row in page.cssselect(".abt > tbody > tr"):
            anchor = str(row.get("id"))
            link = lab.share(anchor.removeprefix("test-"))
            assert (link.path, link.anchor) == (path, anchor)
            assert _words(row.cssselect("th b")[0]) in link.text
        for cell in page.cssselect("tbody th:has(> a)")[:2]:
            [name], [key] = cell.cssselect("a"), cell.cssselect("span")
            sku = _words(key).strip("()")
            link = lab.share(sku, report=report)
            assert (f"#{link.anchor}", link.path) == (name.get("href"), path)
