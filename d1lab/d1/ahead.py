"""Reads that are foreseen, sent in one batch, and answered from it when they are asked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from d1lab.d1.database import Database, Result, Statement, TableInfo, Usage, Value
from d1lab.d1.schema import read_tables
from d1lab.errors import D1LimitError, D1OverloadedError, D1QueryError, D1TooBigError

_MOST_STATEMENTS = 500  # of one batch


class Ahead:
    """A database over HTTP that answers foreseen reads from one batch. Thread-safe.

    Args:
        db: The database.
        only: The tables that `tables` describes; None for all.
    """

    def __init__(self, db: Database, only: Collection[str] | None = None) -> None:
        self._db, self._only = db, only
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

    def foreseen(self, statement: Statement, *, table: str = "") -> Result | None:
        """Return a foreseen result, once; None if it was not foreseen: then nothing is sent."""
        return self._take(statement.sql, statement.params, table)

    def tables(self) -> dict[str, TableInfo]:
        """Return the user's tables by name: see `Database.tables`."""
        return read_tables(self, self._only)

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
