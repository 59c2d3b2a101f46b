"""Open a SQL dump as a read-only database: `wrangler d1 export`, `.dump`, or Python's iterdump.

The dump is loaded in one transaction, so its own BEGIN and COMMIT are skipped.
"""

from __future__ import annotations

import codecs
import hashlib
import io
import re
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from d1lab.d1.sql_tokens import statements, tokens, verb
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import InputError
from d1lab.files import own_prefix

_NUL = "'||char(0)||'"  # dumps contain raw NULs within texts, where SQLite stops parsing
_FORBIDDEN = frozenset((sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH))
_TRANSACTION = frozenset(("BEGIN", "COMMIT", "END", "SAVEPOINT", "RELEASE"))
_ESCAPE = re.compile(
    r"\\(?:\\|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|\+([0-9A-Fa-f]{6})|([0-9A-Fa-f]{4}))"
)
_COMMENT_END = (b"--", b"*/")


class DumpDatabase(SqliteDatabase):
    """A dump, loaded into a SQLite file that exists until `close`."""

    def __init__(self, folder: TemporaryDirectory[str], digest: str, url: str) -> None:
        self._folder, self._digest = folder, digest
        super().__init__(Path(folder.name) / "dump.sqlite", url=url, read_only=True)

    def bookmark(self) -> str | None:
        """Return the hash of the dump's text."""
        return self._digest

    def close(self) -> None:
        """Close the database and delete its file."""
        super().close()
        self._folder.cleanup()


def open_dump(path: str | Path, url: str | None = None) -> DumpDatabase:
    """Load a SQL dump and open it for reading.

    D1 rounds integers above 2^53 on export: the values are those in the dump.

    Args:
        path: The .sql file.
        url: The value of `url`. Default: `dump:PATH`.

    Raises:
        InputError: The file does not exist, or SQLite cannot run it; the message has the position.
    """
    path, url = Path(path), url or f"dump:{path}"
    if not path.is_file():
        raise InputError(f"{url}: file {path} does not exist")
    folder = TemporaryDirectory(prefix=own_prefix("d1lab-dump"))
    try:
        digest = _load(path, Path(folder.name) / "dump.sqlite", url)
        return DumpDatabase(folder, digest, url)
    except BaseException:
        folder.cleanup()
        raise


def _load(dump: Path, target: Path, url: str) -> str:
    """Run the dump's statements into a new file; return the hash of its text."""
    digest = hashlib.sha256()
    connection = sqlite3.connect(target, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("VACUUM")  # creates the file, even for an empty dump
        connection.set_authorizer(_authorize)
        connection.create_function("unistr", 1, _unistr, deterministic=True)  # in SQLite 3.50
        connection.execute("BEGIN")
        for text in _statements(dump, digest):
            try:
                _run(connection, text)
            except (sqlite3.Error, sqlite3.Warning) as error:
                raise InputError(f"{url}: {error} in: {text.strip()[:80]}") from None
        connection.execute("COMMIT")
    finally:
        connection.close()
    return digest.hexdigest()


def _run(connection: sqlite3.Connection, text: str) -> None:
    """Run the text up to the end of a line, nearly always one statement."""
    action = verb(text)
    if action == "ROLLBACK":
        raise sqlite3.DatabaseError("the dump is incomplete: it ends with a ROLLBACK")
    if action in _TRANSACTION:
        _run_each(connection, list(statements(text))[1:])
        return
    try:
        connection.execute(text)
    except (sqlite3.Warning, sqlite3.ProgrammingError) as error:
        if "one statement at a time" not in str(error):
            raise
        _run_each(connection, statements(text))
    except sqlite3.OperationalError as error:
        if action != "INSERT" or not _is_of_virtual_table(connection, str(error)):
            raise  # iterdump repeats a virtual table's rows; its own tables hold them


def _is_of_virtual_table(connection: sqlite3.Connection, error: str) -> bool:
    """Whether the table that is missing was written into the schema, as dumps do for these."""
    name = error.removeprefix("no such table: ")
    sql = "SELECT 1 FROM sqlite_schema WHERE name = ? AND sql LIKE 'CREATE VIRTUAL TABLE%'"
    return connection.execute(sql, (name,)).fetchone() is not None


def _run_each(connection: sqlite3.Connection, texts: Iterable[str]) -> None:
    for text in texts:
        _run(connection, text)


def _unistr(text: str | None) -> str | None:
    r"""SQLite's unistr(): \\XXXX, \\uXXXX, \\+XXXXXX and \\UXXXXXXXX are characters."""
    if text is None:
        return None
    return _ESCAPE.sub(_character, text)


def _character(match: re.Match[str]) -> str:
    digits = next((group for group in match.groups() if group), None)
    return chr(int(digits, 16)) if digits else "\\"


def _statements(dump: Path, digest: hashlib._Hash) -> Iterator[str]:  # pyright: ignore[reportPrivateUsage] - no other name
    """Yield the statements of a dump without comments; a text can span several lines."""
    lines: list[str] = []
    with dump.open("rb") as file:
        for number, line in enumerate(_lines(file), 1):
            digest.update(line)
            try:
                lines.append(line.decode().replace("\x00", _NUL))
            except UnicodeDecodeError as error:
                raise InputError(f"{dump}, line {number}: {error}") from None
            if _may_end(line) and sqlite3.complete_statement("".join(lines)):
                yield "".join(lines)
                lines = []
    rest = "".join(lines)
    if sqlite3.complete_statement(rest):  # a comment of several lines came after it
        yield rest
    elif any(True for _ in tokens(rest)):
        raise InputError(f"{dump} ends in the middle of a statement: {rest.strip()[:80]}")


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Open the lines as text without a byte order mark; PowerShell's `>` writes UTF-16."""
    start = file.read(3)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        file.seek(0)
        text = io.TextIOWrapper(file, encoding="utf-16", newline="\n")
        yield from (line.encode() for line in text)
        text.detach()  # the caller closes the file
        return
    file.seek(len(codecs.BOM_UTF8) if start == codecs.BOM_UTF8 else 0)
    yield from file


def _may_end(line: bytes) -> bool:
    """Whether a statement can end on this line: SQLite's own check rereads all of its text."""
    if line.rstrip().endswith(b";"):
        return True
    return b";" in line and any(mark in line for mark in _COMMENT_END)


def _authorize(action: int, *_: str | None) -> int:
    """Deny access to any file other than the dump's own."""
    return sqlite3.SQLITE_DENY if action in _FORBIDDEN else sqlite3.SQLITE_OK
