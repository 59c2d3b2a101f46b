"""What a pull is about to ask, sent in one batch.

Every request is a round trip, and one of Cloudflare's 1,200 in 5 minutes. A pull knows most of its
questions before it asks them: the schema is most likely that of the last pull, and the bounds of
the tables tell which rows are new. So the readers run once to note their first statements, these
are sent together, and then the readers run for good and find the answers. A statement that was not
foreseen is sent as ever: a wrong guess costs a request, and no row that is not read anyway.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import duckdb

from d1lab.d1.database import (
    ColumnInfo,
    ForeignKey,
    Meter,
    Result,
    Statement,
    TableInfo,
    UniqueIndex,
    Usage,
    Value,
)
from d1lab.d1.rest import RestDatabase
from d1lab.d1.schema import read_tables
from d1lab.errors import D1LimitError, D1OverloadedError, D1QueryError, D1TooBigError

_MOST_STATEMENTS = 500  # of one batch


class Ahead:
    """A database over HTTP that answers foreseen reads from one batch. Thread-safe.

    Args:
        db: The database.
    """

    def __init__(self, db: RestDatabase) -> None:
        self._db = db
        self._found: dict[tuple[str, tuple[Value, ...]], Result] = {}
        self.meter, self.url = db.meter, db.url

    def foresee(self, statements: Iterable[Statement]) -> None:
        """Send statements that will be asked, in one batch.

        After an error they are sent when they are asked, which shows it in its place.
        """
        wanted = list(dict.fromkeys(statements))
        if not 1 < len(wanted) <= _MOST_STATEMENTS:
            return
        try:
            results = self._db.batch([each._replace(least_rows=0) for each in wanted])
        except (D1QueryError, D1LimitError, D1TooBigError, D1OverloadedError):
            return
        for (sql, params, least), result in zip(wanted, results, strict=True):
            if len(result.rows) >= least:  # not so of a table that was dropped since
                self._found[sql, params] = result

    def query(self, sql: str, params: Sequence[Value] = (), *, table: str = "") -> Result:
        """Run one read statement, or return its foreseen result, once."""
        found = self._take(sql, tuple(params), table)
        return found or self._db.query(sql, params, table=table)

    def batch(
        self, statements: Sequence[Statement], *, table: str = "", idempotent: bool = False
    ) -> list[Result]:
        """Run statements, except those that were foreseen."""
        found = [self._take(sql, params, table) for sql, params, _ in statements]
        rest = [each for each, result in zip(statements, found, strict=True) if result is None]
        sent = iter(self._db.batch(rest, table=table, idempotent=idempotent))
        return [result or next(sent) for result in found]

    def tables(self) -> dict[str, TableInfo]:
        """Return the user's tables by name: see `Database.tables`."""
        return read_tables(self)

    def _take(self, sql: str, params: tuple[Value, ...], table: str) -> Result | None:
        """Return a foreseen result, once, counted for the table that it is asked for.

        The list of tables can be asked again: it bills nothing.
        """
        if sql.startswith("PRAGMA"):
            return self._found.get((sql, params))
        found = self._found.pop((sql, params), None)
        if found is not None:
            self.meter.add("", Usage() - found.usage)
            self.meter.add(table, found.usage)
        return found

    def execute(
        self, sql: str, params: Sequence[Value] = (), *, table: str = "", idempotent: bool = False
    ) -> Result:
        """Run one statement that can write."""
        return self._db.execute(sql, params, table=table, idempotent=idempotent)

    def bookmark(self) -> str | None:
        """Return the database's bookmark."""
        return self._db.bookmark()

    def others_mark(self) -> None:
        """Return None, as a database over HTTP does."""

    def size_bytes(self) -> int | None:
        """Return the database's size."""
        return self._db.size_bytes()

    def close(self) -> None:
        """Close the connections."""
        self._db.close()


class _NotedError(Exception):
    """A reader asked its first statements."""


class Noting(Ahead):
    """Notes the statements that readers would send first; it sends nothing."""

    def __init__(self, ahead: Ahead) -> None:
        super().__init__(ahead._db)
        self._found, self.meter = dict(ahead._found), Meter()
        self.noted: list[Statement] = []

    def note(self, ask: Callable[[], Any]) -> None:
        """Let a reader ask, until its first statement that was not foreseen."""
        try:
            ask()
        except _NotedError:
            return

    def query(self, sql: str, params: Sequence[Value] = (), *, table: str = "") -> Result:
        """Return a foreseen result, or note the statement."""
        return self.batch([Statement(sql, tuple(params))], table=table)[0]

    def batch(
        self, statements: Sequence[Statement], *, table: str = "", idempotent: bool = False
    ) -> list[Result]:
        """Return foreseen results, or note the statements without one."""
        found = [self._found.get((sql, params)) for sql, params, _ in statements]
        if all(found):
            return [result for result in found if result]
        self.noted += [each for each, has in zip(statements, found, strict=True) if not has]
        raise _NotedError


def remember(con: duckdb.DuckDBPyConnection, tables: Iterable[TableInfo]) -> None:
    """Keep D1's schema in the new warehouse, as the guess of the next pull."""
    con.execute("CREATE OR REPLACE TABLE d1lab.seen (tables VARCHAR)")
    con.execute("INSERT INTO d1lab.seen VALUES (?)", [json.dumps(list(tables))])


def recall(con: duckdb.DuckDBPyConnection) -> dict[str, TableInfo]:
    """Return D1's schema in the last pull; empty in a warehouse of an earlier version."""
    try:
        [(text,)] = con.execute("SELECT tables FROM d1lab.seen").fetchall()
    except duckdb.CatalogException:
        return {}
    return {info.name: info for info in map(_restored, json.loads(text))}


def _restored(parts: list[Any]) -> TableInfo:
    name, columns, has_rowid, rowid_column, read_by, is_unpaged = parts
    return TableInfo(
        name,
        tuple(_column(*part) for part in columns),
        has_rowid,
        rowid_column,
        UniqueIndex(read_by[0], tuple(read_by[1])) if read_by else None,
        is_unpaged,
    )


def _column(*parts: Any) -> ColumnInfo:
    *plain, target = parts
    return ColumnInfo(*plain, refers_to=ForeignKey(*target) if target else None)
