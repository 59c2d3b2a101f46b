"""Small faults in the statistics: in Python by the operators of mutmut, in SQL by those below.

Display text is left out: string literals, f-strings, and in reports whatever becomes a title, a
note, a chart, or the columns and length of a table. So are queries that do not parse, and `strict`
of zip.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from difflib import SequenceMatcher, unified_diff
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
TREES = ("d1lab/stats", "d1lab/analyses")
PER_FILE = 3
TEXTS = "text|note|label|title|detail|description"

SQL_FAULTS = (
    (r" >= ", " > "),
    (r" <= ", " < "),
    (r" > ", " >= "),
    (r" < ", " <= "),
    (r" \+ ", " - "),
    (r" - ", " + "),
    (r" / ", " * "),
    (r"\bAND\b", "OR"),
    (r"\bmax\(", "min("),
    (r"\bmin\(", "max("),
    (r"\bsum\(", "max("),
    (r"\bDISTINCT ", ""),
    (r"\bPARTITION BY \w+, ", "PARTITION BY "),
    (r"\bDESC\b", "ASC"),
    (r"\bLEFT JOIN\b", "INNER JOIN"),
    (r"\bIS NOT NULL\b", "IS NULL"),
    (r"(?<=[ (])0(?=[ ,)\n])", "1"),
    (r"(?<=[ (])1(?=[ ,)\n])", "2"),
)
"""A pattern in a query, and what a fault makes of it."""


class Fault(NamedTuple):
    """One changed file."""

    path: str
    text: str  # the whole file with the fault

    def diff(self) -> str:
        """Return the changed lines."""
        lines = unified_diff(_lines(self.path), self.text.splitlines(), n=0, lineterm="")
        return "\n".join(line for line in lines if not line.startswith(("---", "+++")))

    def changed(self) -> set[int]:
        """Return the numbers of the lines that are not as they were, from 1."""
        before = _lines(self.path)
        blocks = SequenceMatcher(None, before, self.text.splitlines(), autojunk=False)
        spans = [(low, high) for kind, low, high, *_ in blocks.get_opcodes() if kind != "equal"]
        return {line + 1 for low, high in spans for line in range(low, high)}


def _lines(path: str) -> list[str]:
    return (ROOT / path).read_text(encoding="utf-8").splitlines()


def python_faults(path: Path, rng: random.Random, count: int) -> Iterator[Fault]:
    """Draw faults of a module by mutmut's operators."""
    from mutmut.mutation.file_mutation import create_mutations

    source = path.read_text(encoding="utf-8")
    module, mutations, *_ = create_mutations(str(path), source)
    shown = _shown(module, path.stem)
    chosen = [one for one in mutations if one.original_node not in shown]
    for one in rng.sample(chosen, min(count, len(chosen))):
        changed: Any = module.deep_replace(one.original_node, one.mutated_node)
        if changed.code != source:
            yield Fault(str(path.relative_to(ROOT)), changed.code)


def _shown(module: Any, stem: str) -> set[Any]:
    """Return the nodes of a module that only display text."""
    import libcst.matchers as m

    kinds = m.SimpleString() | m.FormattedString() | m.Arg(keyword=m.Name("strict"))
    kinds |= m.Call(func=m.Name("ReportTable") | m.Name("ReportChart"))
    if stem.endswith(("report", "sentences", "details")):
        kinds |= m.FunctionDef(returns=m.Annotation(m.Name("str")))
        kinds |= m.Arg(keyword=m.Name(m.MatchRegex(TEXTS)))
        kinds |= m.DictElement(key=m.SimpleString(m.MatchRegex(f'"({TEXTS})"')))
        kinds |= m.Assign(targets=[m.AssignTarget(m.Name(m.MatchRegex(TEXTS)))])
    return {node for found in m.findall(module, kinds) for node in _within(found)}


def _within(node: Any) -> Iterator[Any]:
    yield node
    for child in node.children:
        yield from _within(child)


def sql_faults(path: Path, rng: random.Random, count: int) -> Iterator[Fault]:
    """Draw faults of a query, outside its comments."""
    source = path.read_text(encoding="utf-8")
    texts = [
        source[: found.start()] + new + source[found.end() :]
        for old, new in SQL_FAULTS
        for found in re.finditer(old, source)
        if "--" not in source[source.rfind("\n", 0, found.start()) + 1 : found.start()]
    ]
    parsed = [text for text in texts if _parses(text)]
    for text in rng.sample(parsed, min(count, len(parsed))):
        yield Fault(str(path.relative_to(ROOT)), text)


def _parses(query: str) -> bool:
    import duckdb

    try:
        return bool(duckdb.extract_statements(query))
    except duckdb.ParserException:
        return False


def sample(only: str, rng: random.Random) -> Iterator[Fault]:
    """Draw a few faults of each file, file by file in random order."""
    files = [path for tree in TREES for path in sorted((ROOT / tree).rglob("*")) if path.is_file()]
    for path in rng.sample(files, len(files)):
        if only not in str(path.relative_to(ROOT)):
            continue
        if path.suffix == ".py" and path.stem != "__init__":
            yield from python_faults(path, rng, PER_FILE)
        elif path.suffix == ".sql":
            yield from sql_faults(path, rng, PER_FILE)
