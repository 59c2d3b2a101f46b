"""A SQL dump made by `wrangler d1 export`, opened as a read-only database."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import InputError

_NUL = "'||char(0)||'"  # a dump writes NUL as it is, within texts; SQLite stops reading SQL there
_FORBIDDEN = frozenset((sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH))


class DumpDatabase(SqliteDatabase):
    """A dump, loaded into a SQLite file that lives until `close`."""

    def __init__(self, folder: TemporaryDirectory[str], digest: str, url: str) -> None:
        self._folder, self._digest = folder, digest
        super().__init__(Path(folder.name) / "dump.sqlite", url=url, read_only=True)

    def bookmark(self) -> str | None:
        """The hash of the dump's text."""
        return self._digest

    def close(self) -> None:
        """Close the database and remove its file."""
        super().close()
        self._folder.cleanup()


def open_dump(path: str | Path, url: str | None = None) -> DumpDatabase:
    """Load a SQL dump and open it for reading.

    D1 rounds integers beyond 2^53 when it exports them: what the dump says is what comes out.

    Args:
        path: The .sql file.
        url: What `url` shows; by default `dump:PATH`.

    Raises:
        InputError: There is no such file, or SQLite cannot run it; the message says where.
    """
    path, url = Path(path), url or f"dump:{path}"
    if not path.is_file():
        raise InputError(f"{url}: file {path} does not exist")
    folder = TemporaryDirectory(prefix="d1lab-dump-")
    try:
        digest = _load(path, Path(folder.name) / "dump.sqlite", url)
        return DumpDatabase(folder, digest, url)
    except BaseException:
        folder.cleanup()
        raise


def _load(dump: Path, target: Path, url: str) -> str:
    """Run the dump's statements into a new file; the hash of its text."""
    digest = hashlib.sha256()
    connection = sqlite3.connect(target, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("VACUUM")  # makes the file, even for an empty dump
        connection.set_authorizer(_authorize)
        connection.execute("BEGIN")
        for statement in _statements(dump, digest):
            try:
                connection.execute(statement)
            except (sqlite3.Error, sqlite3.Warning) as error:
                raise InputError(f"{url}: {error} in: {statement.strip()[:80]}") from None
        connection.execute("COMMIT")
    finally:
        connection.close()
    return digest.hexdigest()


def _statements(dump: Path, digest: hashlib._Hash) -> Iterator[str]:
    """The statements of a dump; a text may run over several lines."""
    lines: list[str] = []
    with dump.open("rb") as file:
        for number, line in enumerate(file, 1):
            digest.update(line)
            try:
                lines.append(line.decode().replace("\x00", _NUL))
            except UnicodeDecodeError as error:
                raise InputError(f"{dump}, line {number}: {error}") from None
            if line.rstrip().endswith(b";") and sqlite3.complete_statement("".join(lines)):
                yield "".join(lines)
                lines = []
    if any(line.strip() for line in lines):
        raise InputError(f"{dump} ends within a statement: {''.join(lines).strip()[:80]}")


def _authorize(action: int, *_: str | None) -> int:
    """A dump may fill its own file and no other."""
    return sqlite3.SQLITE_DENY if action in _FORBIDDEN else sqlite3.SQLITE_OK
