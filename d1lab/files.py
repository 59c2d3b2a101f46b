"""Atomic file writes, write-once files, and content digests.

A file is written under a temporary name in the same folder and then renamed, so that readers never
see a partial file, and a killed process leaves the old file unchanged. `writing` and `making`
yield the temporary path to code that writes files itself (Parquet, Arrow, SQLite); `write` and
`write_once` take the content.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

SUFFIX = ".part"
"""The suffix of a file while it is written; such files are never served or published."""


@contextmanager
def writing(path: Path, *, sync: bool = False) -> Generator[Path]:
    """Yield a temporary path, which replaces `path` when the block succeeds.

    Args:
        path: The file; its folder is created, and an existing file is kept until the end.
        sync: Whether to flush the file to disk (fsync).
    """
    with _aside(path) as part:
        yield part
        if sync:
            _sync(part)
        part.replace(path)
    if sync:
        _sync_folder(path.parent)


@contextmanager
def making(path: Path, *, sync: bool = False) -> Generator[Path]:
    """Yield a temporary path, which becomes `path` unless that file exists by then.

    If several processes create the same file, the first one's is kept.

    Args:
        path: The file; its folder is created.
        sync: Whether to flush the file to disk (fsync).
    """
    with _aside(path) as part:
        yield part
        if sync:
            _sync(part)
        _link(part, path)
    if sync:
        _sync_folder(path.parent)


def write(path: Path, content: str | bytes, *, sync: bool = False) -> Path:
    """Write a file atomically; text as UTF-8, with unchanged line endings.

    Returns:
        `path`.
    """
    with writing(path, sync=sync) as part:
        part.write_bytes(_bytes(content))
    return path


def write_once(path: Path, content: str | bytes, *, sync: bool = False, mode: int = 0o666) -> Path:
    """Write a file atomically, unless it exists: then it is not changed.

    Args:
        path: The file.
        content: Text is written as UTF-8.
        sync: As in `making`.
        mode: The permissions before the umask, set on creation.

    Returns:
        `path`, whose content can be another process's.
    """
    with making(path, sync=sync) as part:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(_bytes(content))
    return path


def make_private(folder: Path) -> Path:
    """Make a folder, and those above it that are missing, for their user alone.

    Returns:
        `folder`. One that is there already keeps its permissions.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)
    return folder


def remove_leftovers(folder: Path, *patterns: str) -> list[Path]:
    """Remove what killed processes have left half-made: files and folders that name their maker.

    What is younger than an hour stays, and so does what a process that still runs has made.

    Args:
        folder: Where to look; it need not exist.
        patterns: As for `Path.glob`, such as `.*.part`.

    Returns:
        What was removed.
    """
    found = [path for pattern in patterns for path in folder.glob(pattern) if _is_left(path)]
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):  # another process was faster, or the folder is read-only
                path.unlink()
    return found


def own_prefix(name: str) -> str:
    """The beginning of a temporary folder's name, which tells `remove_leftovers` its maker."""
    return f"{name}-{os.getpid()}-"


def digest(*parts: str | bytes) -> str:
    """Return the SHA-256 of the parts, with a NUL between them, as 64 hexadecimal digits.

    >>> digest("a", "b")[:16]
    '59b271ae1bbcb1d3'
    """
    return hashlib.sha256(b"\0".join(map(_bytes, parts))).hexdigest()


_CALLS = count()
_BINARY = getattr(os, "O_BINARY", 0)  # Windows would change the line endings


_MAKER = re.compile(r"[.-](\d+)-\w+(\.part)?$")
_LEFT_SECONDS = 3600.0
_FORGOTTEN_SECONDS = 7 * 86_400.0  # by then another process may have the maker's number


def _is_left(path: Path) -> bool:
    """Whether a file or folder is named as half-made, is old, and its maker is gone."""
    maker = _MAKER.search(path.name)
    try:
        age = time.time() - path.lstat().st_mtime
    except OSError:
        return False
    if maker is None or age < _LEFT_SECONDS:
        return False
    return age > _FORGOTTEN_SECONDS or not is_running(int(maker[1]))


def is_running(pid: int) -> bool:
    """Whether this machine has a process of that number; True where it cannot be found out."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it runs as another user
        return True
    return True


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def link(source: Path, path: Path, otherwise: str) -> Path:
    """Make `path` another name of a file.

    An existing `path` is replaced atomically.

    Args:
        source: The file.
        path: Its other name.
        otherwise: The content of `path` where the file system has no hard links.

    Returns:
        `path`.
    """
    with _aside(path) as part:
        try:
            os.link(source, part)
        except OSError:
            part.write_text(otherwise, encoding="utf-8")
        part.replace(path)
    return path


@contextmanager
def _aside(path: Path) -> Generator[Path]:
    """Yield a unique temporary path next to `path`; delete the file if it is left at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}-{next(_CALLS)}{SUFFIX}")
    part.unlink(missing_ok=True)  # left by a killed process with the same PID
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _link(part: Path, path: Path) -> None:
    """Rename a finished file unless the name is taken."""
    with suppress(FileExistsError):
        try:
            os.link(part, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            if not path.exists():
                part.replace(path)


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Flush the folder's entries to disk; not possible, and not needed, on Windows."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
