"""Files of a run, gzip-compressed after it has ended: tables, kept records, the executed notebook.

A run writes plain files. `pack` compresses them, and adds '.gz' to their names; `read_packed` takes
the name without it, and reads either form. So a run of an older version, or one that was killed
before it was packed, is read like any other.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable
from pathlib import Path

from d1lab.errors import InputError
from d1lab.files import write

SUFFIX = ".gz"
LEAST_BYTES = 4_096
"""Size of a file that is worth it: a smaller one fills a block of the disk in any form."""

LARGE_BYTES = 1_000_000
"""Size from which a file is compressed in a third of the time, to 3% more bytes."""


def pack(paths: Iterable[Path]) -> None:
    """Compress files, if they are large enough; equal content has equal bytes."""
    for path in paths:
        if path.stat().st_size >= LEAST_BYTES:
            content = path.read_bytes()
            level = 9 if len(content) < LARGE_BYTES else 6
            write(_packed(path), gzip.compress(content, level, mtime=0))
            path.unlink()


def is_kept(path: Path) -> bool:
    """Whether a file is there, compressed or plain."""
    return path.is_file() or _packed(path).is_file()


def read_packed(path: Path) -> bytes:
    """Return the content of a file that is there compressed or plain.

    Raises:
        FileNotFoundError: It is not there.
        InputError: It is damaged.
    """
    packed = _packed(path)
    if path.is_file() or not packed.is_file():
        return path.read_bytes()
    try:
        return gzip.decompress(packed.read_bytes())
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{packed} is damaged: {error}. Run the report again.") from None


def kept_names(folder: Path, suffix: str) -> list[str]:
    """Return the names of the files in a folder with a suffix, without '.gz', sorted."""
    names = (path.name.removesuffix(SUFFIX) for path in folder.iterdir())
    return sorted({name for name in names if name.endswith(suffix)})


def _packed(path: Path) -> Path:
    return path.with_name(path.name + SUFFIX)
