"""Files written whole or not at all, files written once, and digests of content.

A file is written under another name in the same folder and then renamed, so that no reader sees
half of it and a killed process leaves the old file as it was. `writing` and `making` give that
other name to code that writes by itself (Parquet, Arrow, SQLite); `write` and `write_once` take
the content.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

SUFFIX = ".part"
"""How the name of a file ends while it is written; such a file is never served or published."""


@contextmanager
def writing(path: Path, *, sync: bool = False) -> Generator[Path]:
    """Give a path to write to, which takes the place of `path` when the block succeeds.

    Args:
        path: The file; its folder is made, and what stands there stays until the end.
        sync: Whether the file is on disk, and not only handed to the system, afterwards.
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
    """Give a path to write to, which becomes `path` unless such a file is there by then.

    Of several processes that make the same file, the first one's counts.

    Args:
        path: The file; its folder is made.
        sync: Whether the file is on disk, and not only handed to the system, afterwards.
    """
    with _aside(path) as part:
        yield part
        if sync:
            _sync(part)
        _link(part, path)
    if sync:
        _sync_folder(path.parent)


def write(path: Path, content: str | bytes, *, sync: bool = False) -> Path:
    """Write a file whole or not at all; text as UTF-8, with its line ends as they are.

    Returns:
        `path`.
    """
    with writing(path, sync=sync) as part:
        part.write_bytes(_bytes(content))
    return path


def write_once(path: Path, content: str | bytes, *, sync: bool = False, mode: int = 0o666) -> Path:
    """Write a file whole, unless it exists: then it stays as it is.

    Args:
        path: The file.
        content: Text is written as UTF-8.
        sync: As for `making`.
        mode: Its permissions before the umask, from the first byte on.

    Returns:
        `path`, whose content may be another process's.
    """
    with making(path, sync=sync) as part:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(_bytes(content))
    return path


def digest(*parts: str | bytes) -> str:
    """Return the SHA-256 of the parts, with a NUL between them, as 64 hexadecimal digits.

    >>> digest("a", "b")[:16]
    '59b271ae1bbcb1d3'
    """
    return hashlib.sha256(b"\0".join(map(_bytes, parts))).hexdigest()


_CALLS = count()
_BINARY = getattr(os, "O_BINARY", 0)  # Windows would change the line ends


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


@contextmanager
def _aside(path: Path) -> Generator[Path]:
    """A name of this call's own beside `path`; what is left there at the end is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}-{next(_CALLS)}{SUFFIX}")
    part.unlink(missing_ok=True)  # left by a killed process that had the same number
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _link(part: Path, path: Path) -> None:
    """Give a finished file its name, unless the name is taken."""
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
    """Put the folder's entries on disk; Windows opens no folder, and has no need to."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
