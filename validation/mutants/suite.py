"""Which test runs which line, and for how long: measured once, without a fault."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple

from validation.mutants.faults import ROOT, TREES, Fault

REPORTS = "tests/pages/test_page_edges.py"  # runs the notebooks of all reports in its process
MEASURED = ("tests/stats", "tests/analyses", REPORTS, *TREES)  # those of TREES are doctests


class Suite(NamedTuple):
    """What the tests took, and what they ran."""

    seconds: Mapping[str, float]  # processor time by test
    lines: Mapping[tuple[str, int], set[str]]  # the tests of a line, or files of such tests

    def tests_of(self, fault: Fault) -> list[str]:
        """Return the tests that can find a fault: those of its own name first, then quick ones."""
        found = self._readers(fault) if fault.path.endswith(".sql") else self._runners(fault)
        tests = {test for test in self.seconds if test in found or test.partition("::")[0] in found}
        own = f"/test_{Path(fault.path).stem}.py"
        return sorted(tests, key=lambda test: (own not in test, self.seconds[test]))

    def _runners(self, fault: Fault) -> set[str]:
        """Return what runs a changed line; what runs at import, whatever runs any of the module."""
        changed = fault.changed()
        if not changed <= _function_lines(fault.path):
            changed = {line for path, line in self.lines if path == fault.path}
        return {test for line in changed for test in self.lines.get((fault.path, line), ())}

    def _readers(self, fault: Fault) -> set[str]:
        """Return what runs a line or a notebook that reads the metric, and files that name it."""
        name = Path(fault.path).stem
        found = {str(p) for p, text in _texts(MEASURED[:2]) if f'"{name}"' in text}
        for notebook in (ROOT / "notebooks").glob("*.ipynb"):
            if f'metric(\\"{name}\\"' in notebook.read_text(encoding="utf-8"):
                found |= {test for test in self.seconds if test.endswith(f"-{notebook.stem}]")}
        for path, text in _texts(TREES):
            for call in re.finditer(rf'\bmetric\(\s*"{name}"', text):
                lines = text.count("\n", 0, call.start()), text.count("\n", 0, call.end())
                for line in range(lines[0] + 1, lines[1] + 2):
                    found |= self.lines.get((str(path), line), set())
        return found


def _function_lines(path: str) -> set[int]:
    """Return the lines of a module that are in bodies of functions."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        for line in range(node.body[0].lineno, (node.end_lineno or 0) + 1)
    }


def _texts(folders: tuple[str, ...]) -> Iterator[tuple[Path, str]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT), path.read_text(encoding="utf-8")


class Watch:
    """A plugin of pytest that notes the time and the lines of each test.

    Lines of fixtures, which tests of a file may share, are noted for the file.
    """

    def __init__(self) -> None:
        from coverage import Coverage

        self.coverage = Coverage(data_file=None, source=list(TREES), config_file=False)
        self.seconds: dict[str, float] = {}
        self.coverage.start()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A test begins with its fixtures."""
        self.coverage.switch_context(nodeid.partition("::")[0])
        self.seconds[nodeid] = -process_time()

    def pytest_runtest_call(self, item: Any) -> None:
        """The fixtures are made."""
        self.coverage.switch_context(item.nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """A test ended."""
        self.seconds[nodeid] += process_time()

    def suite(self) -> Suite:
        """Return what was noted."""
        self.coverage.stop()
        data, lines = self.coverage.get_data(), defaultdict[tuple[str, int], set[str]](set)
        for file in data.measured_files():
            path = str(Path(file).relative_to(Path.cwd()))
            for line, contexts in data.contexts_by_lineno(file).items():
                lines[path, line] |= {context for context in contexts if context}
        return Suite(self.seconds, dict(lines))


def both(one: Suite, other: Suite) -> Suite:
    """Return what two parts of the tests took and ran."""
    lines = defaultdict(set, {place: set(tests) for place, tests in one.lines.items()})
    for place, tests in other.lines.items():
        lines[place] |= tests
    return Suite({**one.seconds, **other.seconds}, dict(lines))
