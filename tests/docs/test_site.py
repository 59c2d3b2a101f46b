"""The site requests nothing from other hosts; links to source files lead to the reference."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import yaml
from mkdocs.commands.build import build
from mkdocs.config import load_config

from tests.support.blocks import ROOT

_REQUESTS = re.compile(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=\"?(https?:)?//", re.I)


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """docs/hooks.py, loaded as MkDocs does: its folder is on the path."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import docs.hooks as loaded

    yield loaded
    sys.modules.pop("generate", None)


def test_site_requests_nothing_from_other_hosts(tmp_path: Path):
    """The theme as configured has no font, script, style, or image of another host."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# Home\n\n```python\nimport d1lab\n```\n")
    config = load_config(
        str(ROOT / "mkdocs.yml"),
        docs_dir=str(tmp_path / "docs"),
        site_dir=str(tmp_path / "site"),
        hooks=[],
        nav=None,
        plugins=["search"],
    )
    build(config)
    page = (tmp_path / "site" / "index.html").read_text()
    assert "<script" in page
    assert not _REQUESTS.search(page)
    for style in (tmp_path / "site").rglob("*.css"):
        assert not re.search(r"url\(\"?(https?:)?//|@import", style.read_text()), style.name


def test_pages_show_no_picture_of_another_host():
    """An image in a page is a file beside it."""
    for page in (ROOT / "docs").rglob("*.md"):
        for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text()):
            assert (page.parent / target).is_file(), f"{page.name}: {target}"


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        (
            "[m](../../d1lab/analyses/inventory/turnover.sql)",
            "[m](../reference/metrics.md#turnover)",
        ),
        ("[v](../../d1lab/warehouse/order_lines.sql)", "[v](../reference/views.md#order_lines)"),
        ("[b](../../bench/RESULTS.md)", "[b](../validation/benchmarks.md)"),
        ("[code](../../d1lab/errors.py)", "code"),
        ("[page](../guide/pull.md#types)", "[page](../guide/pull.md#types)"),
    ],
)
def test_links_to_source_files_lead_to_the_reference(hooks, link, expected):
    """On the site a metric's file is its section of the reference; other files are plain text."""
    page = SimpleNamespace(file=SimpleNamespace(src_uri="analyses/inventory.md"))
    assert hooks.on_page_markdown(link, page) == expected


def test_link_to_a_missing_file_is_a_warning(hooks, caplog):
    """A strict build stops at it."""
    page = SimpleNamespace(file=SimpleNamespace(src_uri="guide/pull.md"))
    with caplog.at_level(logging.WARNING, "mkdocs.d1lab"):
        hooks.on_page_markdown("[x](../../d1lab/gone.sql)", page)
    assert "guide/pull.md links to d1lab/gone.sql, which does not exist" in caplog.text


def test_every_page_is_in_the_navigation(hooks):
    """Folders open into their pages, generated ones among them; no page is left out."""
    text = (ROOT / "mkdocs.yml").read_text()
    config = SimpleNamespace(docs_dir=str(ROOT / "docs"), nav=yaml.safe_load(text)["nav"])
    hooks.on_config(config)
    listed = set()
    for entry in config.nav:
        for value in entry.values():
            listed |= {value} if isinstance(value, str) else set(value)
    written = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert listed == written | set(hooks.generate.pages())
