"""Folders as one archive in memory, to send or to store."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any


def pack(
    folders: Mapping[str, Path], *, left_out: Collection[str] = (), compress: bool = False
) -> bytes:
    """Return the files of folders, each below its name in the archive.

    Args:
        folders: The folders by name; one that does not exist is empty.
        left_out: Names of files, and of folders, to leave out; so are files that are half written.
        compress: Whether to use gzip, at its fastest level.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, **_mode(compress)) as archive:
        for name, folder in folders.items():
            for path in _files(folder, left_out):
                archive.add(path, f"{name}/{path.relative_to(folder).as_posix()}")
    return packed.getvalue()


def unpack(content: bytes, folders: Mapping[str, Path]) -> None:
    """Write the files of an archive below the folders of the same names."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive.getmembers():
            part, _, inner = member.name.partition("/")
            if part in folders and inner:
                archive.extract(member.replace(name=inner), folders[part], filter="data")


def _files(folder: Path, left_out: Collection[str]) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        is_left_out = any(part in left_out for part in path.relative_to(folder).parts)
        if path.is_file() and not is_left_out and path.suffix != ".part":
            yield path


def _mode(compress: bool) -> dict[str, Any]:
    return {"mode": "w:gz", "compresslevel": 1} if compress else {"mode": "w"}
