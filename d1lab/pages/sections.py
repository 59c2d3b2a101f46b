"""Sections of a page: the lists to act on stay open, the evidence is folded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from markupsafe import Markup

FOLDED = "Details: "
"""Beginning of the heading of a section that is folded; the page omits it."""

EXPLAINS = "<p>How to read: "
"""Beginning of a text, right below a heading, that explains the section; it is shown on request."""

_HEADING = re.compile(r"\s*<h2>(.*?)</h2>\s*", re.DOTALL)


class PageSection(NamedTuple):
    """A second-level heading and what follows it, up to the next one."""

    title: Markup  # empty for what precedes the first heading
    blocks: tuple[Any, ...]
    is_folded: bool = False
    about: Markup = Markup()  # how to read the section; shown on request

    @property
    def anchor(self) -> str:
        """ID of the section, from its title."""
        return f"part-{re.sub(r'[^a-z0-9]+', '-', self.title.striptags().lower()).strip('-')[:60]}"

    @property
    def rows(self) -> int | None:
        """Rows of its first table; None without one."""
        tables = (block.value for block in self.blocks if block.form == "table")
        return next((table.total_rows for table in tables), None)

    @property
    def is_intro(self) -> bool:
        """Whether it is text before the first heading; below a headline, it can wait."""
        return not self.title and all(block.form == "prose" for block in self.blocks)


def sections(blocks: Iterable[Any]) -> list[PageSection]:
    """Group the blocks of a page by their second-level headings.

    A heading that begins with `Details: ` is of a folded section: evidence and methods, which
    support what the page says first. A text that begins with `How to read: ` explains a section.
    """
    found: list[tuple[Markup, list[Any]]] = [(Markup(), [])]
    for block in blocks:
        for title, part in _split(block):
            if title is not None:
                found.append((title, []))
            if part is not None:
                found[-1][1].append(part)
    return [_section(title, tuple(parts)) for title, parts in found if title or parts]


def _split(block: Any) -> Iterable[tuple[Markup | None, Any]]:
    """Split prose at its second-level headings; other blocks stay whole."""
    if block.form != "prose":
        return [(None, block)]
    before, *rest = _HEADING.split(block.html)
    parts: list[tuple[Markup | None, Any]] = [(None, _prose(block, before))]
    for title, text in zip(rest[::2], rest[1::2], strict=True):
        parts.append((Markup(title), _prose(block, text)))
    return parts


def _prose(block: Any, html: str) -> Any:
    return block._replace(html=Markup(html)) if html.strip() else None


def _section(title: Markup, blocks: tuple[Any, ...]) -> PageSection:
    is_folded = title.startswith(FOLDED)
    text = title.removeprefix(FOLDED) if is_folded else title
    about, blocks = _about(blocks) if title else (Markup(), blocks)
    return PageSection(Markup(text[:1].upper() + text[1:]), blocks, is_folded, about)


def _about(blocks: tuple[Any, ...]) -> tuple[Markup, tuple[Any, ...]]:
    """Split the explanation of a section from its other blocks."""
    html = blocks[0].html.lstrip() if blocks and blocks[0].form == "prose" else ""
    if not html.startswith(EXPLAINS):
        return Markup(), blocks
    return Markup(f"<p>{html.removeprefix(EXPLAINS)}"), blocks[1:]
