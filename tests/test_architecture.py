"""The rules of the package that import-linter does not know: names, maps, and what is pure."""

from __future__ import annotations

import ast
import tomllib
from collections import defaultdict
from importlib import import_module
from pathlib import Path

import d1lab

PACKAGE = Path(d1lab.__file__).parent
TREES = {
    path.relative_to(PACKAGE.parent): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
}

FORBIDDEN_MODULES = {"utils", "util", "helpers", "common", "misc", "manager", "handler", "base"}
"""Names of modules that say nothing about what they hold."""

FRAMES = {"pandas", "duckdb", "pyarrow"}
STANDARD = "# pyright: standard"
COMPUTED = "# pyright: standard, reportAttributeAccessIssue=false"  # of pyarrow.compute


def test_no_two_public_classes_share_a_name() -> None:
    """A class can be named in an error or a chat without its module."""
    homes: defaultdict[str, list[str]] = defaultdict(list)
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(f"{path}:{node.lineno}")
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}


def test_modules_are_named_after_what_they_hold() -> None:
    """No module is a drawer for whatever has no place."""
    assert [str(path) for path in TREES if path.stem in FORBIDDEN_MODULES] == []


def test_nothing_imports_the_front_door() -> None:
    """Inside the package a name is imported from its own module: `d1lab` itself gives modules."""
    modules = {path.stem for path in PACKAGE.glob("*.py")}
    modules |= {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    found = []
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found += [f"{path}:{node.lineno}" for name in node.names if name.name == "d1lab"]
            if isinstance(node, ast.ImportFrom) and node.module == "d1lab":
                foreign = [name.name for name in node.names if name.name not in modules]
                found += [f"{path}:{node.lineno} {name}" for name in foreign]
    assert found == []


def test_modules_without_frames_are_strict() -> None:
    """Pyright is strict on the package; only modules of frames may ask for less, and none hides."""
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["pyright"]["strict"] == ["d1lab"]
    found = {path: _type_checks(PACKAGE.parent / path) for path in TREES}
    allowed = {STANDARD, COMPUTED, "# pyright: reportMissingTypeStubs=false"}
    assert {path: lines for path, lines in found.items() if not set(lines) <= allowed} == {}
    relaxed = {path for path, lines in found.items() if set(lines) & {STANDARD, COMPUTED}}
    assert [str(path) for path in sorted(relaxed) if not FRAMES & _imported(TREES[path])] == []


def _type_checks(path: Path) -> list[str]:
    """Lines that change what pyright checks in a whole file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.lstrip().startswith(("# pyright:", "# type:"))]


def _imported(tree: ast.Module) -> set[str]:
    """The packages that a module imports, also where it imports for types only."""
    nodes = list(ast.walk(tree))
    modules = [a.name for node in nodes if isinstance(node, ast.Import) for a in node.names]
    modules += [n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module]
    return {module.partition(".")[0] for module in modules}


def test_every_analysis_is_pure_or_shows() -> None:
    """A new module of an analysis is named in the contract, unless it is a report or a scan."""
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {each["name"]: each for each in project["tool"]["importlinter"]["contracts"]}
    named = set(contracts["Analyses compute; their reports show"]["source_modules"])
    found = {
        ".".join(path.with_suffix("").parts)
        for path in TREES
        if path.parts[1] == "analyses" and len(path.parts) == 4 and path.stem != "__init__"
    }
    showing = {name for name in found if name.endswith("report")}
    assert found - showing - named == {"d1lab.analyses.ab_tests.exposures"}


def test_folders_name_what_they_give() -> None:
    """A folder's docstring is its map; what it gives beside its modules stands in `__all__`."""
    for path, tree in TREES.items():
        if path.name != "__init__.py":
            continue
        assert ast.get_docstring(tree), f"{path} has no docstring"
        given = {
            alias.asname or alias.name
            for node in tree.body
            if isinstance(node, ast.ImportFrom)
            and node.module != "__future__"
            and (node.module or "").startswith("d1lab.")
            for alias in node.names
        }
        listed = next(
            (
                [element.value for element in node.value.elts if isinstance(element, ast.Constant)]
                for node in tree.body
                if isinstance(node, ast.Assign)
                and isinstance(node.value, ast.List)
                and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets)
            ),
            [],
        )
        assert listed == sorted(set(listed), key=order), f"{path}: __all__ is not in order"
        assert given <= {str(name) for name in listed}, f"{path}: names missing in __all__"


def test_public_names_exist() -> None:
    """Each name of an `__all__` can be imported, and a folder defines nothing public beside it."""
    folders = [path.parent for path in TREES if path.name == "__init__.py"]
    assert len(folders) > 25
    for folder in folders:
        module = import_module(".".join(folder.parts))
        named = set(getattr(module, "__all__", ()))
        assert {name for name in named if not hasattr(module, name)} == set(), folder
        own = {
            node.name
            for node in TREES[folder / "__init__.py"].body
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
        }
        assert own <= named, folder


def order(name: object) -> tuple[int, str]:
    """Constants, then classes, then functions, as ruff sorts `__all__`."""
    text = str(name)
    return (0 if text.isupper() else 1 if text[:1].isupper() else 2), text
