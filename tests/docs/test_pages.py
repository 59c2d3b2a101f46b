"""What the written pages name exists: files, modules, commands, options, layers, links."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from docs import generate
from tests.support.blocks import ROOT, blocks, pages

RECORDS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
REPOSITORY_PAGES = [*pages(), ROOT / "SECURITY.md", ROOT / "CHANGELOG.md"]


def _prose(page: Path) -> str:
    """A page without its code blocks and comments."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"^( *)```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)


def _spans() -> Iterator[tuple[Path, str]]:
    """Every code span of every page, line breaks as blanks."""
    for page in pages():
        for span in re.findall(r"`([^`]+)`", _prose(page)):
            yield page, " ".join(span.split())


def test_files_that_pages_name_exist():
    """A path of the repository in a code span is a file or a folder there."""
    folders = "d1lab|docs|tests|bench|validation|notebooks"
    named = [
        (page, span) for page, span in _spans() if re.fullmatch(rf"({folders})/[\w./-]+", span)
    ]
    assert len(named) > 30
    made = {block.title for page in pages() for block in blocks(page)}  # by an example
    missing = [
        f"{page.name}: {span}"
        for page, span in named
        if not (ROOT / span).exists() and span not in made
    ]
    assert missing == []


def test_dotted_names_that_pages_name_exist():
    """`d1lab.a.b` in a code span is a module, or a name in one; `d1lab.quarantine` is a table."""
    tables = {
        f"d1lab.{name}" for name in ("pull", "tables", "quarantine", "served_by", "zones", "toml")
    }
    for page, span in _spans():
        if (found := re.match(r"d1lab(\.\w+)+", span)) and found.group() not in tables:
            assert _resolves(found.group()), f"{page.name}: {span}"


def _resolves(path: str) -> bool:
    parts = path.split(".")
    for size in range(len(parts), 0, -1):
        try:
            value: Any = import_module(".".join(parts[:size]))
        except ImportError:
            continue
        for name in parts[size:]:
            value = getattr(value, name, None)
        return value is not None
    return False


def test_commands_that_sentences_name_exist():
    """`d1lab run --export csv` in a sentence: the command is there, and so is the option."""
    commands = dict(generate.commands())
    groups = {name.split()[0] for name in commands}
    for page, span in _spans():
        if not re.match("d1lab [a-z]", span):
            continue
        words = shlex.split(span.replace("'", ""))[1:]
        assert words[0] in groups, f"{page.name}: {span}"
        command = commands.get(" ".join(words[:2])) or commands.get(words[0])
        known = {o for p in command.params for o in (*p.opts, *p.secondary_opts)} if command else ()
        for option in (word.partition("=")[0] for word in words if word.startswith("-")):
            assert option in {*known, "--help"}, f"{page.name}: {span}"


def test_layers_are_those_of_the_linter():
    """The architecture page draws the layers that import-linter enforces."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    [contract, *_] = project["tool"]["importlinter"]["contracts"]
    layers = [re.sub(r"[()]", "", layer) for layer in contract["layers"]]
    page = ROOT / "docs" / "architecture.md"
    [drawn] = [block.text.splitlines() for block in blocks(page) if block.title == "layers"]
    assert drawn == layers, "copy the layers of pyproject.toml into docs/architecture.md"


def test_links_in_the_repository_lead_somewhere():
    """Each relative link of a page is a file there, apart from the generated reference."""
    made = {f"docs/{name}" for name in generate.pages()}
    for page in REPOSITORY_PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", _prose(page)):
            if "://" not in target:
                path = (page.parent / target).resolve()
                known = path.exists() or str(path.relative_to(ROOT)) in made
                assert known, f"{page.name}: {target}"


def test_decision_records_have_one_form():
    """Numbered without a gap; status, context, decision, consequences, and maybe alternatives."""
    assert [int(path.name[:4]) for path in RECORDS] == list(range(1, len(RECORDS) + 1))
    for number, path in enumerate(RECORDS, start=1):
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {number}. "), path.name
        headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
        assert headings[:4] == ["Status", "Context", "Decision", "Consequences"], path.name
        assert headings[4:] in ([], ["Alternatives"]), path.name


def test_pages_use_plain_words():
    """No word that the language guide rules out."""
    ruled_out = r"\b(anew|whom|shall|nobody|lacks|mends?|thereof|lest|hitherto)\b|to be had|by lot"
    for page in REPOSITORY_PAGES:
        assert not re.findall(ruled_out, _prose(page), re.IGNORECASE), page.name
