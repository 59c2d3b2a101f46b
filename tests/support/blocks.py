"""The code blocks of a Markdown page, and which of them are marked as not tested."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^( *)```(\w*)(?: (.*))?$")
_MARK = re.compile(r"<!-- not tested: (.+) -->")
_TITLE = re.compile(r'title="([^"]+)"')


class Block(NamedTuple):
    """One fenced block: its language, its text, and where it is."""

    page: str
    line: int  # of the opening fence, from 1
    language: str
    title: str  # the file that the block shows; '' for none
    text: str
    not_tested: str  # the reason; '' for a block that runs

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    def shell_lines(self) -> list[str]:
        """The lines that a reader types, without the prompt; a backslash continues a line."""
        joined = self.text.replace("\\\n", "")
        return [line[2:] for line in joined.splitlines() if line.startswith("$ ")]


def pages() -> list[Path]:
    """Every page whose examples readers follow."""
    written = sorted((ROOT / "docs").rglob("*.md"))
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *written]


def all_blocks() -> Iterator[Block]:
    """The fenced blocks of all pages."""
    for page in pages():
        yield from blocks(page)


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order.

    Raises:
        ValueError: A block is not closed.
    """
    lines = page.read_text(encoding="utf-8").splitlines()
    name, position = str(page.relative_to(ROOT)), 0
    while position < len(lines):
        if opened := _FENCE.match(lines[position]):
            end = _closing(lines, position, name)
            before = lines[position - 1] if position else ""
            marked = _MARK.search(before) or re.search("not tested: (.+)", opened[3] or "")
            titled = _TITLE.search(opened[3] or "")
            indent = len(opened[1])
            text = "\n".join(line[indent:] for line in lines[position + 1 : end]) + "\n"
            yield Block(
                name,
                position + 1,
                opened[2],
                titled[1] if titled else "",
                text,
                marked[1] if marked else "",
            )
            position = end
        position += 1


def _closing(lines: list[str], start: int, name: str) -> int:
    for position in range(start + 1, len(lines)):
        if lines[position].strip() == "```":
            return position
    raise ValueError(f"{name}:{start + 1}: the block is not closed")
