"""Markdown to safe HTML: no raw HTML, no images, links only to the web or to local files."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from d1lab.display.words import prose

LOWEST, HIGHEST = 2, 4
"""Heading levels in a notebook's text; the title of the page is the only h1."""


def render_markdown(text: str, level: int = LOWEST - 1) -> Markup:
    """Render Markdown to HTML with escaped text.

    Args:
        level: Level of the previous heading; headings are at most one level deeper.
    """
    parser = _parser()
    tokens = parser.parse(text)
    for part in (child for token in tokens for child in token.children or ()):
        if part.type == "text":
            part.content = prose(part.content)
    for opening, closing in _headings(tokens):
        level = max(LOWEST, min(int(opening.tag[1]), level + 1, HIGHEST))
        opening.tag = closing.tag = f"h{level}"
    return Markup(parser.renderer.render(tokens, parser.options, {}))


def split_title(text: str) -> tuple[str, str]:
    """Split off the text of the first heading; an empty string without a heading."""
    tokens = _parser().parse(text)
    for opening, _ in _headings(tokens):
        if opening.tag == "h1" and opening.map:
            first, end = opening.map
            lines = text.split("\n")
            title = tokens[tokens.index(opening) + 1].content
            return title, "\n".join(lines[:first] + lines[end:]).strip()
    return "", text


def last_level(html: str) -> int:
    """Return the level of the last heading in rendered HTML; 1 without a heading."""
    found = [(html.rfind(f"<h{n}>"), n) for n in range(LOWEST, HIGHEST + 1)]
    place, level = max(found)
    return level if place >= 0 else LOWEST - 1


def is_safe_link(url: str) -> bool:
    """Return whether a link is http(s), or relative to this page."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return False
    return parts.scheme in ("http", "https") or not (parts.scheme or parts.netloc)


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.disable(["image", "html_block", "html_inline"])
    parser.validateLink = is_safe_link  # pyright: ignore[reportAttributeAccessIssue]
    return parser


def _headings(tokens: list[Token]) -> list[tuple[Token, Token]]:
    opening = [token for token in tokens if token.type == "heading_open"]
    closing = [token for token in tokens if token.type == "heading_close"]
    return list(zip(opening, closing, strict=True))
