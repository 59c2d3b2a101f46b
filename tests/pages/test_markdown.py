"""Markdown: safe HTML and heading levels."""

from __future__ import annotations

import pytest

from d1lab.pages.markdown import is_safe_link, last_level, render_markdown, split_title


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://example.org/a?b=1", True),
        ("http://example.org", True),
        ("page.html#part", True),
        ("../index.html", True),
        ("#part", True),
        ("javascript:alert(1)", False),
        (" JavaScript:alert(1)", False),
        ("java\nscript:alert(1)", False),
        ("data:text/html,x", False),
        ("vbscript:x", False),
        ("file:///etc/passwd", False),
        ("mailto:a@example.org", False),
        ("//example.org", False),
        ("http://[", False),
    ],
)
def test_links_lead_to_the_web_or_beside(url, safe):
    """Only http(s) and relative links are links."""
    assert is_safe_link(url) is safe


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<!-- --><svg onload=alert(1)>",
        "[a](javascript:alert(1))",
        "[a]: javascript:alert(1)\n\n[a]",
        "<javascript:alert(1)>",
        "![a](http://example.org/x.png)",
        '[a](https://example.org/" onmouseover=alert(1))',
        "`</script>`\n\n```\n</script>\n```",
        '```"><script>\nx\n```',
    ],
)
def test_markup_and_scripts_stay_text(text):
    """Only tags of Markdown, no handlers, and no external images."""
    html = str(render_markdown(text)).lower()
    for tag in ("<script", "<img", "<svg", "<!--", 'href="javascript', '" onmouseover'):
        assert tag not in html


def test_headings_go_down_one_by_one():
    """The page has one h1, and no level is skipped."""
    html = render_markdown("# A\n\n#### B\n\n# C\n\n###### D")
    assert "<h2>A</h2>" in html
    assert "<h3>B</h3>" in html
    assert "<h2>C</h2>" in html
    assert "<h3>D</h3>" in html
    assert last_level(html) == 3
    assert "<h4>E</h4>" in render_markdown("#### E", last_level(html))


def test_title_is_the_first_h1():
    """The page header has the title, so the content does not repeat it."""
    assert split_title("# The *title*\n\nText") == ("The *title*", "Text")
    assert split_title("## Not it\n\nText") == ("", "## Not it\n\nText")
    assert split_title("```\n# a comment\n```") == ("", "```\n# a comment\n```")
