"""What MkDocs asks of us while it builds the site: generated pages, the navigation, links."""

from __future__ import annotations

import logging
import posixpath
import re
from pathlib import Path
from typing import Any

import generate  # beside this file: MkDocs puts its folder on the path
from mkdocs.structure.files import File, Files

log = logging.getLogger("mkdocs.d1lab")

_OUTSIDE = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+[^)#\s]+)(#[^)\s]*)?\)")


def on_config(config: Any) -> None:
    """Open each folder of the navigation (`Decisions: decisions/`) into its pages, by name."""
    docs = Path(config.docs_dir)
    for entry in config.nav:
        for title, value in entry.items():
            if isinstance(value, str) and value.endswith("/"):
                written = {str(path.relative_to(docs)) for path in docs.glob(f"{value}*.md")}
                made = {name for name in generate.pages() if name.startswith(value)}
                entry[title] = sorted(written | made)
    for missing in generate.undocumented():
        log.warning("no documentation: %s", missing)


def on_files(files: Files, config: Any) -> None:
    """Add the generated pages."""
    for name, text in generate.pages().items():
        files.append(File.generated(config, name, content=text))


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links to files outside docs/ into links to the page that shows them, or into text."""
    folder = posixpath.dirname(page.file.src_uri)

    def replaced(link: re.Match[str]) -> str:
        text, path = link[1], posixpath.normpath(posixpath.join("docs", folder, link[2]))
        if path.startswith("docs/"):
            return link[0]
        if not (generate.ROOT / path).exists():
            log.warning("%s links to %s, which does not exist", page.file.src_uri, path)
        target = page_of(path)
        return f"[{text}]({posixpath.relpath(target, folder or '.')})" if target else text

    return _OUTSIDE.sub(replaced, markdown)


def page_of(path: str) -> str | None:
    """The page that shows a file of the repository; None if there is none.

    >>> page_of("bench/RESULTS.md")
    'validation/benchmarks.md'
    """
    shown = {source: name for name, source in generate.INCLUDED.items()}
    if path in shown:
        return shown[path]
    stem = Path(path).stem
    if path.endswith(".sql"):
        if stem in dict(generate.metrics()):
            return f"reference/metrics.md#{stem}"
        if stem in {view.stem for view in generate.views()}:
            return f"reference/views.md#{stem}"
    return None
