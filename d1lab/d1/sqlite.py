"""A SQLite file with D1's limits, so that statements that work here also work on D1."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from urllib.parse import quote as quote_url

from d1lab.d1 import billing, limits
from d1lab.d1.database import Meter, Result, Statement, TableInfo, Usage, Value
from d1lab.d1.encoding import bind_by_name
from d1lab.d1.error_mapping import error_for, is_local, shorten, with_statement
from d1lab.d1.schema import read_tables
from d1lab.d1.sql_tokens import analyzed_table, indexed_table, verb
from d1lab.errors import InputError

ENGINE_FOLDER = "miniflare-D1DatabaseObject"
"""The folder of wrangler's own files, which are only read, never written."""

_TEMPORARY = frozenset(
    (
        sqlite3.SQLITE_CREATE_TEMP_INDEX,
        sqlite3.SQLITE_CREATE_TEMP_TABLE,
        sqlite3.SQLITE_CREATE_TEMP_TRIGGER,
        sqlite3.SQLITE_CREATE_TEMP_VIEW,
    )
)
_PRAGMAS = limits.PRAGMAS | {"data_version", "page_size"}  # FTS5 runs the last two internally
_BILLED = frozenset(("SELECT", "VALUES", "INSERT", "REPLACE", "UPDATE", "DELETE"))

_SCHEMA = frozenset(("CREATE", "ALTER", "DROP"))


class SqliteDatabase:
    """A D1 database in a file.

    Statements run one at a time, as on D1. Rows written are counted as billed by D1 (each changed
    row, plus one per changed index). Rows read are an estimate from SQLite's query plan,
    because Python's sqlite3 does not count scanned rows: `d1lab.d1.billing` describes its
    accuracy.

    Args:
        path: An existing file (`create` makes a new one). Wrangler's own state file is opened
            read-only, because its engine has it open.
        url: The value of `url`. Default: `sqlite:PATH`.
        read_only: Whether to reject every write.

    Raises:
        InputError: The file does not exist, or is not a SQLite database.
    """

    def __init__(
        self, path: str | Path, *, url: str | None = None, read_only: bool = False
    ) -> None:
        self.path = Path(path)
        self.url = url or f"sqlite:{path}"
        self.meter = Meter()
        self.read_only = read_only or self.path.parent.name == ENGINE_FOLDER
        if not self.path.is_file():
            raise InputError(
                f"{self.url}: file {self.path} does not exist. Create it with `d1lab demo`."
            )
        self._lock = RLock()
        self._touched, self._watching = billing.Touched(), False
        binary = getattr(os, "O_BINARY", 0)  # on Windows
        self._header = os.open(self.path, os.O_RDONLY | binary)  # closing it frees SQLite's locks
        self._connection = self._connect()

    @classmethod
    def create(cls, path: str | Path, *, url: str | None = None) -> SqliteDatabase:
        """Create a new, empty database file, with its parent folders.

        Raises:
            InputError: The file exists.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.open("xb").close()
        except FileExistsError:
            raise InputError(f"{path} already exists and is not overwritten") from None
        return cls(path, url=url)

    def query(self, sql: str, params: Sequence[Value] = (), *, table: str = "") -> Result:
        """Run one read statement: see `Database.query`."""
        limits.require_read(sql)
        return self._call([Statement(sql, tuple(params))], table)[0]

    def execute(
        self, sql: str, params: Sequence[Value] = (), *, table: str = "", idempotent: bool = False
    ) -> Result:
        """Run one statement that can write: see `Database.execute`."""
        return self._call([Statement(sql, tuple(params))], table)[0]

    def batch(
        self, statements: Sequence[Statement], *, table: str = "", idempotent: bool = False
    ) -> list[Result]:
        """Run statements in one transaction: see `Database.batch`."""
        return self._call(statements, table) if statements else []

    def tables(self) -> dict[str, TableInfo]:
        """Return the user's tables by name: see `Database.tables`."""
        return read_tables(self)

    def bookmark(self) -> str | None:
        """Return the file's change counter, size, and time; None with a write-ahead log."""
        with self._lock:
            os.lseek(self._header, 0, os.SEEK_SET)
            head = os.read(self._header, 100)
            about = os.fstat(self._header)
        if 2 in head[18:20]:  # a WAL database: the counter lags behind the log
            return None
        counter = int.from_bytes(head[24:28], "big")
        return f"{counter}-{about.st_size}-{about.st_mtime_ns}"

    def others_mark(self) -> int:
        """Return SQLite's data_version, which counts commits of other connections only."""
        with self._lock:
            return self._beside("PRAGMA data_version")[0][0]

    def size_bytes(self) -> int:
        """Return the file's size in bytes."""
        return os.fstat(self._header).st_size

    def close(self) -> None:
        """Close the file."""
        if self._header >= 0:
            self.meter.size_bytes = self.size_bytes()
        self.meter.close()
        with self._lock:
            self._connection.close()
            if self._header >= 0:
                os.close(self._header)
            self._header = -1

    def _connect(self) -> sqlite3.Connection:
        mode = "ro" if self.read_only else "rw"
        try:
            connection = sqlite3.connect(
                f"file:{quote_url(str(self.path))}?mode={mode}",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=0,  # so that the authorizer sees each statement
                timeout=limits.QUERY_SECONDS,
            )
            connection.execute("PRAGMA foreign_keys = ON")  # as D1
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        except sqlite3.Error as error:
            os.close(self._header)
            if is_local(str(error)):  # too few file handles, a full disk: no wrong input
                raise error_for(f"{self.url}: {error}") from None
            raise InputError(f"{self.url}: {error}") from None
        _imitate(connection)
        connection.set_authorizer(self._authorize)
        return connection

    def _authorize(
        self,
        action: int,
        first: str | None,
        second: str | None,
        schema: str | None,
        trigger: str | None,
    ) -> int:
        if not self._watching:
            return sqlite3.SQLITE_OK
        self._touched.note(action, first, second, trigger)
        forbidden = (
            action in _TEMPORARY
            or (action == sqlite3.SQLITE_CREATE_TABLE and _is_foreign(str(first), schema))
            or (action == sqlite3.SQLITE_FUNCTION and second in limits.FORBIDDEN_FUNCTIONS)
            or (action == sqlite3.SQLITE_PRAGMA and first not in _PRAGMAS)
        )
        return sqlite3.SQLITE_DENY if forbidden else sqlite3.SQLITE_OK

    def _call(self, statements: Sequence[Statement], table: str) -> list[Result]:
        for sql, params, _ in statements:
            limits.check(sql, params)
            if self.read_only and not limits.is_read(sql):
                raise InputError(f"{self.url} was opened read-only: {shorten(sql)}")
        with self._lock, self._transaction(statements):
            results = [self._run(sql, params) for sql, params, _ in statements]
        results[0] = results[0]._replace(usage=results[0].usage + Usage(calls=1))
        self.meter.add(table, sum((result.usage for result in results), Usage()))
        return results

    @contextmanager
    def _transaction(self, statements: Sequence[Statement]) -> Generator[None]:
        writes = not all(limits.is_read(statement.sql) for statement in statements)
        try:
            self._connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
            yield
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise error_for(str(error)) from error
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _run(self, sql: str, params: Sequence[Value]) -> Result:
        if verb(sql) not in _BILLED:
            rows, names = self._fetch(sql, params)
            return Result(names, rows, self._bill_of_schema(sql))
        billed = billing.Bill(self._beside, *self._explain(sql, params), params)
        before = self._connection.total_changes
        rows, names = self._fetch(sql, params)
        total = self._connection.total_changes - before
        own = self._beside("SELECT changes()")[0][0] if total else 0
        return Result(names, rows, billed.settle(rows, own, total - own), total)

    def _bill_of_schema(self, sql: str) -> Usage:
        if verb(sql) == "ANALYZE":
            return Usage(rows_read=2 * billing.count(self._beside, analyzed_table(sql)))
        if verb(sql) not in _SCHEMA:
            return Usage()
        return billing.schema_change(self._beside, indexed_table(sql))

    def _explain(self, sql: str, params: Sequence[Value]) -> tuple[billing.Rows, billing.Touched]:
        self._connection.text_factory = _lenient  # a program can contain constants of any bytes
        try:
            program, _ = self._fetch("EXPLAIN " + sql, params)
        finally:
            self._connection.text_factory = str
        return program, self._touched

    def _fetch(self, sql: str, params: Sequence[Value]) -> tuple[billing.Rows, tuple[str, ...]]:
        """Run the user's SQL with the authorizer."""
        self._touched, self._watching = billing.Touched(), True
        try:
            bound, values = bind_by_name(sql, params) if params else (sql, {})
            cursor = self._connection.execute(bound, values)
            return cursor.fetchall(), tuple(column[0] for column in cursor.description or ())
        except sqlite3.Error as error:
            raise with_statement(error_for(str(error)), sql.removeprefix("EXPLAIN ")) from error
        finally:
            self._watching = False

    def _beside(
        self, sql: str, params: Sequence[object] | Mapping[str, object] = ()
    ) -> billing.Rows:
        return self._connection.execute(sql, params).fetchall()


def _is_foreign(table: str, schema: str | None) -> bool:
    """Whether a new table would be temporary, or an internal table of D1."""
    return schema == "temp" or table.lower().startswith("_cf_")


def _imitate(connection: sqlite3.Connection) -> None:
    """Set D1's limits, and add D1's functions that are missing in older SQLite versions."""
    for limit, value in limits.SQLITE_LIMITS.items():
        connection.setlimit(limit, value)
    connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, limits.SQL_BYTES + len("EXPLAIN "))
    if sqlite3.sqlite_version_info < (3, 41):
        connection.create_function("unhex", 1, _unhex, deterministic=True)


def _lenient(text: bytes) -> str:
    return text.decode(errors="replace")


def _unhex(text: str | None) -> bytes | None:
    """Implement SQLite's unhex: NULL if the text is not hexadecimal."""
    if text is None or any(c not in "0123456789abcdefABCDEF" for c in str(text)):
        return None
    return bytes.fromhex(str(text)) if len(str(text)) % 2 == 0 else None
