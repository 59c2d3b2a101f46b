"""Tests mirror the code file by file, and modules and functions stay short."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent

MOST_MODULE_LINES = 350
MOST_FUNCTION_LINES = 60  # with its decorators, its signature, and its docstring

OTHER_ROOTS = {
    "bench": ROOT / "bench",
    "validation": ROOT / "validation",
    "worker": ROOT / "worker",
    "support": TESTS / "support",
}
"""Folders of tests that mirror something else than a folder of the package."""

OF_NO_MODULE = {
    "test_coexistence.py": "d1lab and an app in one database",
    "test_guide_app.py": "d1lab and the guide's own app in one database",
    "test_architecture.py": "names, maps of folders, and which modules are pure",
    "test_distribution.py": "license, citation, metadata, hooks, image",
    "test_extending.py": "a new metric, report, command or table, and the files it touches",
    "test_notebooks.py": "every notebook of the project runs, with and without data",
    "test_project.py": "environments, pins, layers, what no tracked file may name",
    "test_river.py": "a row's whole way, through the command line",
    "test_structure.py": "this file",
    "test_portability.py": "other systems and other versions of Python",
    "test_wheel.py": "what `pip install` brings, outside the checkout",
    "docs": "what the documentation claims",
    "real_data": "data sets that stay outside the repository",
}
"""Test files, or folders of them, that are about no one module, and what they are about."""

WITHOUT_TESTS: dict[str, str] = {}
"""Folders of the package that need no tests, and why."""


def subject(test: Path) -> Path:
    """The folder that a folder of tests mirrors."""
    first, *rest = test.parent.relative_to(TESTS).parts or ("",)
    return OTHER_ROOTS.get(first, ROOT / "d1lab" / first).joinpath(*rest)


def names_of(folder: Path) -> Iterator[str]:
    """What a test file may be named after: the folder, and its modules, metrics and packages."""
    yield folder.name
    yield from (path.stem for path in folder.glob("*") if path.suffix in (".py", ".sql", ".js"))


def test_each_test_file_is_named_after_what_it_tests():
    """`test_page.py` or `test_page_browser.py` in the folder of `page.py`; the rest is declared."""
    astray = [
        str(name)
        for name, test in _tests()
        if name.parts[0] not in OF_NO_MODULE
        and not any(f"{test.stem}_".startswith(f"test_{stem}_") for stem in names_of(subject(test)))
    ]
    assert astray == []


def test_each_folder_of_the_package_has_tests():
    """A folder with a module has test files of its own, or a reason."""
    tested = {subject(test) for _, test in _tests()}
    modules = (path for path in (ROOT / "d1lab").rglob("*.py") if path.stem != "__init__")
    packages = {path.parent for path in modules}
    untested = sorted(str(folder.relative_to(ROOT)) for folder in packages - tested)
    assert untested == sorted(WITHOUT_TESTS)


def test_what_is_declared_is_there():
    """An exception that nothing needs any more is taken out."""
    assert {name for name in OF_NO_MODULE if not (TESTS / name).exists()} == set()


def test_helpers_stand_in_support():
    """Beside tests there are only fixtures: whatever tests import is in tests/support."""
    beside = [
        str(path.relative_to(TESTS))
        for path in TESTS.rglob("*.py")
        if not path.name.startswith("test_")
        and path.name != "conftest.py"
        and "support" not in path.relative_to(TESTS).parts
        and "node_modules" not in path.parts
    ]
    assert beside == []


def test_modules_are_short():
    """No module is longer than 350 lines: a longer one holds more than one thing."""
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in _modules()
    }
    assert {name: lines for name, lines in lengths.items() if lines > MOST_MODULE_LINES} == {}


def test_functions_are_short():
    """No function is longer than 60 lines, including its signature and its docstring."""
    lengths = {
        f"{path.relative_to(ROOT)}:{node.name}": _length(node)
        for path in _modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: lines for name, lines in lengths.items() if lines > MOST_FUNCTION_LINES} == {}


def _modules() -> Iterator[Path]:
    """The modules of the package, of its benchmarks, and of its validation."""
    for folder in ("d1lab", "bench", "validation"):
        yield from sorted((ROOT / folder).rglob("*.py"))


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = min(each.lineno for each in (node, *node.decorator_list))
    return (node.end_lineno or first) - first + 1


def _tests() -> Iterator[tuple[Path, Path]]:
    """Each test file, as it is called from here and in full."""
    for path in sorted(TESTS.rglob("test_*.py")):
        if "node_modules" not in path.parts:
            yield path.relative_to(TESTS), path
