"""A file is there whole or not at all, whoever writes it, and whenever the process dies."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from d1lab import files

PACKAGE = Path(files.__file__).parent

DIES = """
import os, pathlib, sys
from d1lab.files import {how}
with {how}(pathlib.Path(sys.argv[1])) as part:
    part.write_text("half")
    os.kill(os.getpid(), 9)
"""

OF_THEIR_OWN = {
    "analyses/ab_tests/model.py": "pure: its hash of the inputs is part of a result",
    "analyses/customers/voucher_assignment.py": "pure: its hash draws the halves",
    "d1/dump.py": "hashes a dump while it streams",
    "ingest/pseudonyms.py": "pads of HMAC-SHA256, for use in SQL",
    "pages/svg.py": "a content security policy wants base64",
}
"""Modules that hash in a form that `digest` does not have, and why."""

MOVED = {
    "demo/build.py": "SQLite writes several files beside the one that counts",
    "jobs/ledger.py": "sets a damaged ledger aside",
    "push/before_image.py": "sets aside the image of a push that the database no longer has",
    "search/index.py": "DuckDB writes several files beside the one that counts",
    "warehouse/database_file.py": "DuckDB writes several files beside the one that counts",
}
"""Modules that rename a file which another program wrote, and why."""


def names_in(folder: Path) -> list[str]:
    """The files of a folder, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


def test_write_replaces_the_whole_file(tmp_path: Path) -> None:
    """Text is UTF-8 with its own line ends, bytes are themselves; the folder is made."""
    path = tmp_path / "a" / "b.txt"
    assert files.write(path, "é\r\n") == path
    assert path.read_bytes() == b"\xc3\xa9\r\n"
    files.write(path, b"\x00", sync=True)
    assert path.read_bytes() == b"\x00"
    assert names_in(path.parent) == ["b.txt"]


@pytest.mark.parametrize("how", ["writing", "making"])
def test_block_that_fails_changes_nothing(tmp_path: Path, how: str) -> None:
    """The old file stays, and nothing else is left in its folder."""
    path = tmp_path / "kept.txt"
    path.write_text("old")

    def break_off() -> None:
        with getattr(files, how)(path) as part:
            part.write_text("half")
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        break_off()
    assert (path.read_text(), names_in(tmp_path)) == ("old", ["kept.txt"])


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
@pytest.mark.parametrize("how", ["writing", "making"])
def test_killed_process_leaves_the_old_file(tmp_path: Path, how: str) -> None:
    """SIGKILL in the middle: the old file is whole, and the next write succeeds."""
    path = tmp_path / "kept.txt"
    path.write_text("old")
    done = subprocess.run([sys.executable, "-c", DIES.format(how=how), str(path)], check=False)
    assert done.returncode == -9
    assert path.read_text() == "old"
    left = [name for name in names_in(tmp_path) if name != "kept.txt"]
    assert all(name.startswith(".") and name.endswith(files.SUFFIX) for name in left), left
    assert files.write(path, "new").read_text() == "new"


@pytest.mark.parametrize("sync", [False, True])
def test_write_once_keeps_the_first(tmp_path: Path, sync: bool) -> None:
    """A file that is there stays; a second writer is no error and leaves nothing."""
    path = tmp_path / "once.json"
    for content in ("first", "second"):
        files.write_once(path, content, sync=sync)
    assert (path.read_text(), names_in(tmp_path)) == ("first", ["once.json"])


def test_write_once_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without hard links: the file is renamed, unless one is there."""

    def no_link(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", no_link)
    for content in ("first", "second"):
        files.write_once(tmp_path / "once", content)
    assert ((tmp_path / "once").read_text(), names_in(tmp_path)) == ("first", ["once"])


@pytest.mark.parametrize("has_links", [True, False])
def test_link_is_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    """It replaces what was there, again and again, and shares the file where links are possible."""

    def no_link(*_: object) -> None:
        raise PermissionError("no links here")

    if not has_links:
        monkeypatch.setattr(os, "link", no_link)
    for content in ("first", "second"):
        source, path = files.write(tmp_path / "page", content), tmp_path / "latest"
        for _ in range(2):
            shown = files.link(source, path, "leads to it").read_text()
            assert shown == (content if has_links else "leads to it")
        assert path.samefile(source) == has_links
    assert names_in(tmp_path) == ["latest", "page"]


def test_making_gives_way_to_a_faster_process(tmp_path: Path) -> None:
    """The file that came while the block ran is the one that counts."""
    path = tmp_path / "made"
    with files.making(path) as part:
        part.write_text("slower")
        path.write_text("faster")
    assert (path.read_text(), names_in(tmp_path)) == ("faster", ["made"])


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_write_once_restricts_permissions(tmp_path: Path) -> None:
    """A secret is readable by its owner alone."""
    assert files.write_once(tmp_path / "salt", "x", mode=0o600).stat().st_mode & 0o777 == 0o600


def test_digest_is_sha256_of_the_parts() -> None:
    """FIPS 180-2's example; parts are told apart from their join."""
    assert files.digest("abc").startswith("ba7816bf8f01cfea414140de5dae2223")
    assert files.digest("abc") == files.digest(b"abc")
    assert files.digest("a", "b") != files.digest("ab")


def sources(*words: str) -> list[tuple[str, ast.Module]]:
    """The other modules of the package that contain one of these words, by their paths in it."""
    paths = sorted(path for path in PACKAGE.rglob("*.py") if path != Path(files.__file__))
    texts = ((path.relative_to(PACKAGE).as_posix(), path.read_text()) for path in paths)
    return [(name, ast.parse(text)) for name, text in texts if any(word in text for word in words)]


def test_digests_are_made_in_one_place() -> None:
    """No other module hashes by itself, but those that need another form."""
    hashing = {
        name
        for name, tree in sources("hashlib")
        for node in ast.walk(tree)
        if (isinstance(node, ast.ImportFrom) and node.module == "hashlib")
        or (isinstance(node, ast.Import) and any(a.name == "hashlib" for a in node.names))
    }
    assert hashing == set(OF_THEIR_OWN)


def test_files_are_swapped_in_one_place() -> None:
    """No other module renames or links a file, but those named above."""
    swapping = {
        name
        for name, tree in sources(".replace(", "os.rename(", "os.link(")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and swaps(node)
    }
    assert swapping == set(MOVED)


def swaps(call: ast.Call) -> bool:
    """Whether a call is `os.replace`, `os.rename`, `os.link` or a path's `replace`."""
    if not isinstance(call.func, ast.Attribute):
        return False
    of_os = isinstance(call.func.value, ast.Name) and call.func.value.id == "os"
    if of_os:
        return call.func.attr in ("replace", "rename", "link")
    one = len(call.args) == 1 and not call.keywords and not isinstance(call.args[0], ast.Dict)
    return call.func.attr == "replace" and one


def test_leftovers_of_killed_processes_are_removed(tmp_path: Path) -> None:
    """Only those that name a maker which is gone, and only when they are old."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    gone = done.pid
    done.wait()
    ours, old, days = os.getpid(), time.time() - 2 * 3600, time.time() - 8 * 86_400
    made = {
        f".a.json.{gone}-0.part": old,
        f".b.json.{ours}-0.part": old,
        f".c.json.{gone}-0.part": time.time(),
        f".d.json.{ours}-0.part": days,
        f"demo-{gone}-x7_ab": old,
        f"demo-{ours}-x7_ab": old,
        "demo-notes": old,
        ".e.json.part": old,
    }
    for name, at in made.items():
        path = tmp_path / name
        if name.startswith("demo-"):
            path.mkdir()
            (path / "d1.sqlite").write_text("half")
        else:
            path.write_text("half")
        os.utime(path, (at, at))
    removed = {path.name for path in files.remove_leftovers(tmp_path, "demo-*", ".*.part")}
    assert removed == {f".a.json.{gone}-0.part", f".d.json.{ours}-0.part", f"demo-{gone}-x7_ab"}
    assert set(names_in(tmp_path)) == made.keys() - removed
    assert files.remove_leftovers(tmp_path / "absent", "*") == []
