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

from d1lab.d1.ahead import Ahead
from d1lab.d1.database import (
    ColumnInfo,
    ForeignKey,
    Meter,
    Result,
    Statement,
    TableInfo,
    UniqueIndex,
    Value,
)


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
