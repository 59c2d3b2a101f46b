"""Markdown as safe HTML: no HTML of its own, no pictures, links only to the web or beside."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from d1lab.pages.wording import prose

LOWEST, HIGHEST = 2, 4
"""Heading levels that a story may use: the page's title is the only h1."""


def render_markdown(text: str, level: int = LOWEST - 1) -> Markup:
    """Markdown as HTML whose every text is escaped.

    Args:
        level: The level of the heading before it; a heading goes down by one level at most.
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
    """The first heading's text, and the Markdown without it; an empty text where there is none."""
    tokens = _parser().parse(text)
    for opening, _ in _headings(tokens):
        if opening.tag == "h1" and opening.map:
            first, end = opening.map
            lines = text.split("\n")
            title = tokens[tokens.index(opening) + 1].content
            return title, "\n".join(lines[:first] + lines[end:]).strip()
    return "", text


def last_level(html: str) -> int:
    """The level of the last heading in a rendered text; 1 where there is none."""
    found = [(html.rfind(f"<h{n}>"), n) for n in range(LOWEST, HIGHEST + 1)]
    place, level = max(found)
    return level if place >= 0 else LOWEST - 1


def is_safe_link(url: str) -> bool:
    """Whether a link leads to the web by http(s), or to a file or place beside this page."""
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
