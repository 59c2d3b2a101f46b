"""Other systems and other versions of Python: what this machine cannot run is read instead."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.ingest.events import track
from tests.support import small_shop

ROOT = Path(__file__).parents[1]
FILES = [
    path
    for folder in ("d1lab", "bench", "validation", "tests", "docs", ".ci")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "node_modules" not in path.parts
]

REMOVED = {
    # https://docs.python.org/3/whatsnew/3.12.html#removed, 3.13, and 3.14
    *("asynchat", "asyncore", "distutils", "imp", "smtpd"),
    *("aifc", "audioop", "cgi", "cgitb", "chunk", "crypt", "imghdr", "lib2to3", "mailcap"),
    *("msilib", "nis", "nntplib", "ossaudiodev", "pipes", "sndhdr", "spwd", "sunau"),
    *("telnetlib", "uu", "xdrlib"),
    *("ast.Bytes", "ast.Ellipsis", "ast.NameConstant", "ast.Num", "ast.Str"),
    *("asyncio.get_child_watcher", "asyncio.set_child_watcher", "asyncio.coroutine"),
    *("configparser.SafeConfigParser", "configparser.LegacyInterpolation"),
    *("datetime.datetime.utcnow", "datetime.datetime.utcfromtimestamp"),  # deprecated: a warning
    *("datetime.utcnow", "datetime.utcfromtimestamp"),
    *("importlib.abc.Traversable", "importlib.abc.ResourceReader", "importlib.find_loader"),
    *("importlib.resources.contents", "importlib.abc.TraversableResources"),
    *("inspect.getargspec", "inspect.formatargspec", "itertools.izip"),
    *("locale.format", "locale.resetlocale", "pkgutil.ImpImporter", "pkgutil.find_loader"),
    *("pkgutil.get_loader", "pty.master_open", "pty.slave_open"),
    *("random.jumpahead", "shutil.ExecError", "sqlite3.enable_shared_cache", "sqlite3.version"),
    *("sqlite3.version_info", "sqlite3.OptimizedUnicode", "ssl.match_hostname", "ssl.wrap_socket"),
    *("tempfile.template", "typing.ByteString", "typing.io", "typing.re", "unittest.makeSuite"),
    *("unittest.findTestCases", "unittest.TestProgram.usageExit", "urllib.request.URLopener"),
    *("urllib.request.FancyURLopener", "webbrowser.MacOSX", "xml.etree.ElementTree.copy"),
    *("locale.getdefaultlocale", "os.popen2", "asyncio.iscoroutinefunction"),
}
"""Names that Python 3.12, 3.13 or 3.14 removed, or warns about."""

UNIX_ONLY = {"fcntl", "grp", "pty", "pwd", "resource", "termios", "tty"}
"""Modules that Windows does not have."""


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def dotted(node: ast.expr) -> str:
    """`a.b.c` of an expression that is only names; '' for any other."""
    if isinstance(node, ast.Name):
        return node.id
    inner = dotted(node.value) if isinstance(node, ast.Attribute) else ""
    return f"{inner}.{node.attr}" if isinstance(node, ast.Attribute) and inner else ""


@cache
def names_of(path: Path) -> tuple[str, ...]:
    """The names in a file, which two tests look at."""
    return tuple({*named(parsed(path))})


def named(tree: ast.Module) -> Iterator[str]:
    """Every name of another module that a file imports or reaches by dots, spelled in full."""
    spelled: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
                spelled[alias.asname or alias.name] = alias.name
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                yield f"{node.module}.{alias.name}"
                spelled[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (text := dotted(node)):
            first, _, rest = text.partition(".")
            if first in spelled:
                yield f"{spelled[first]}.{rest}"


def is_one_of(name: str, names: set[str]) -> bool:
    """Whether a name, or a module that it is in, is among the names."""
    parts = name.split(".")
    return any(".".join(parts[:end]) in names for end in range(1, len(parts) + 1))


def test_no_name_that_newer_versions_dropped():
    """Neither imported nor reached by dots, in any file."""
    found = [(p.name, name) for p in FILES for name in names_of(p) if is_one_of(name, REMOVED)]
    assert found == []


def test_removed_names_would_be_found():
    """The search sees an import, a name of an import, one under another name, and one by dots."""
    text = "import imp as i\nfrom ast import Num as N\nimport datetime as d\nd.datetime.utcnow()"
    assert {n for n in named(ast.parse(text)) if is_one_of(n, REMOVED)} == {
        "imp",
        "ast.Num",
        "datetime.datetime.utcnow",
    }


def sequences_bound(tree: ast.Module, strings: dict[str, str]) -> Iterator[str]:
    """SQL with `?1` that goes to a connection of sqlite3 beside a sequence of values."""
    raw = {"con", "connection", "_connection", "cursor", "raw"}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        receiver = dotted(node.func.value).rpartition(".")[2]
        if node.func.attr not in ("execute", "executemany") or receiver not in raw:
            continue
        sql = " ".join(text_of(argument, strings) for argument in node.args[:1])
        by_name = len(node.args) > 1 and isinstance(node.args[1], ast.Dict)
        if re.search(r"\?\d", sql) and len(node.args) > 1 and not by_name:
            yield sql


def text_of(node: ast.expr, strings: dict[str, str]) -> str:
    """The text of a literal, an f-string's fixed parts, a sum of them, or a module's constant."""
    if isinstance(node, ast.Name):
        return strings.get(node.id, "")
    constants = (n.value for n in ast.walk(node) if isinstance(n, ast.Constant))
    return "".join(value for value in constants if isinstance(value, str))


def constants_of(tree: ast.Module) -> dict[str, str]:
    return {
        target.id: text_of(node.value, {})
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def test_no_numbered_placeholder_is_bound_to_a_sequence():
    """Python's sqlite3 takes `?1` for a name: D1's databases rename it, raw connections use `?`."""
    trees = ((path, parsed(path)) for path in FILES if "sqlite3" in path.read_text("utf-8"))
    found = [
        (p.name, sql) for p, tree in trees for sql in sequences_bound(tree, constants_of(tree))
    ]
    assert found == []


def test_numbered_placeholders_would_be_found():
    """In the call itself, and in a constant of the module."""
    text = "SQL = 'SELECT ?1'\ncon.execute(SQL, (1,))\ncon.execute(f'{x} ?2', [1])\n"
    tree = ast.parse(text + "con.execute('?1', {'1': 1})\ncon.execute('SELECT ?', (1,))")
    assert list(sequences_bound(tree, constants_of(tree))) == ["SELECT ?1", " ?2"]


def test_no_module_or_format_that_windows_does_not_have():
    """`%-d` prints a day on Unix only; `fcntl` and others do not exist elsewhere."""
    found = []
    for path in sorted((ROOT / "d1lab").rglob("*.py")):
        found += [(path.name, n) for n in names_of(path) if is_one_of(n, UNIX_ONLY)]
        if "%-" not in path.read_text("utf-8"):
            continue
        formats = (n for n in ast.walk(parsed(path)) if isinstance(n, ast.JoinedStr))
        specs = (ast.unparse(n) for n in formats)
        found += [(path.name, spec) for spec in specs if re.search(r":[^{}]*%-[a-zA-Z]", spec)]
    assert found == []


WITHOUT_FORK = """
import os, sys
sys.modules.update(dict.fromkeys({hidden!r}))
for name in ("fork", "pread", "geteuid", "getpgid", "set_blocking"):
    delattr(os, name)
import importlib, pkgutil
import d1lab
for module in pkgutil.walk_packages(d1lab.__path__, "d1lab."):
    if module.name != "d1lab.runs.kernels.fork_server":
        importlib.import_module(module.name)
from d1lab.runs.kernels import fork_client
assert not fork_client.AVAILABLE
from d1lab.cli import main
sys.argv = ["d1lab", "run", "inventory", "--json"]
main()
"""


def test_a_pull_and_a_report_without_fork_and_file_locks(tmp_path: Path):
    """As on Windows: every module imports, a SQLite file is pulled, and a plain kernel reports."""
    database = tmp_path / "data" / "demo" / "d1.sqlite"
    db = SqliteDatabase.create(database)
    migrate(db)
    track(db, small_shop.events())
    small_shop.write_stock(db)
    db.close()
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_FORK.format(hidden=sorted(UNIX_ONLY))],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "reports" / "demo" / "corner" / "inventory" / "latest.html").is_file()
