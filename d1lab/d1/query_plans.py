"""Query plans of a D1 database, in an empty copy of its schema in memory: nothing is billed.

The copy has D1's tables, indexes, and statistics, so that SQLite's planner decides as D1's does. An
index that does not exist yet can be tried there.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import permutations
from typing import NamedTuple

from d1lab.d1.billing import accesses, table_of_root
from d1lab.d1.database import Database, quote
from d1lab.d1.sql_tokens import tokens
from d1lab.errors import D1QueryError, InputError

_OBJECTS = (
    "SELECT name, sql FROM sqlite_schema WHERE type IN ('table', 'index') AND sql IS NOT NULL "
    "AND name NOT LIKE 'sqlite%' ORDER BY type DESC, rowid"
)
_STATISTICS = "SELECT tbl, idx, stat FROM sqlite_stat1"
_TRIED = "d1lab_tried"
_MOST_COLUMNS = 8  # of a statement, that are tried as an index; then 64 are


class QueryPlan(NamedTuple):
    """How D1 runs a statement."""

    steps: tuple[str, ...]  # SQLite's EXPLAIN QUERY PLAN
    scanned: tuple[str, ...]  # tables that are read from end to end


class BetterIndex(NamedTuple):
    """An index that ends the scan of a table."""

    table: str
    columns: tuple[str, ...]
    equal: tuple[str, ...]  # those of its columns that the statement compares with one value
    plan: QueryPlan


class QueryPlans:
    """The planner of a database, without its rows.

    Args:
        db: The database; its schema and its statistics are read.
    """

    def __init__(self, db: Database) -> None:
        self._con = sqlite3.connect(":memory:")
        for _, sql in db.query(_OBJECTS).rows:
            with suppress(sqlite3.Error):  # a virtual table whose module Python does not have
                self._con.execute(str(sql))
        with suppress(D1QueryError):
            self._believe(db.query(_STATISTICS).rows)

    def close(self) -> None:
        """Drop the copy."""
        self._con.close()

    def plan(self, sql: str) -> QueryPlan:
        """Return the plan of a statement, whose parameters can have any value.

        Raises:
            InputError: The statement is not valid in this database.
        """
        steps = tuple(str(row[3]) for row in self._explained("EXPLAIN QUERY PLAN ", sql))
        found = accesses(self._explained("EXPLAIN ", sql), table_of_root(self._run))
        scanned = {each.table for each in found if each.kind in ("scan", "whole")}
        return QueryPlan(steps, tuple(sorted(n for n in scanned if n[:7] not in ("", "sqlite_"))))

    def better(self, sql: str, table: str) -> BetterIndex | None:
        """Return the index with which the statement does not scan a table; None if none helps.

        Of several, the one with the most columns compared with one value, then with the most
        columns; the statement compares each of them.
        """
        tried = (self._tried(sql, table, columns) for columns in self._columns(sql, table))
        found = [each for each in tried if each]
        return min(found, key=lambda b: (-len(b.equal), -len(b.columns)), default=None)

    def indexes(self, table: str) -> dict[str, tuple[str, ...]]:
        """Return the columns of a table's indexes by name, those of its keys included.

        Partial indexes, and those on expressions, are left out.
        """
        listed = self._con.execute(f"PRAGMA index_list({quote(table)})").fetchall()
        return {
            name: columns
            for _, name, _, _, partial, *_ in listed
            if not partial and (columns := self._columns_of(name))
        }

    def is_unique(self, table: str, index: str) -> bool:
        """Whether an index holds a key of the table."""
        listed = self._con.execute(f"PRAGMA index_list({quote(table)})").fetchall()
        return any(row[1] == index and row[2] for row in listed)

    def tables(self) -> list[str]:
        """Return the names of the tables."""
        sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        return [row[0] for row in self._con.execute(sql + " ORDER BY name")]

    def _believe(self, statistics: Iterable[Sequence[object]]) -> None:
        self._con.execute("ANALYZE")
        self._con.execute("DELETE FROM sqlite_stat1")
        self._con.executemany("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", statistics)
        self._con.execute("ANALYZE sqlite_schema")

    def _run(self, sql: str) -> list[tuple[object, ...]]:
        return self._con.execute(sql).fetchall()

    def _explained(self, how: str, sql: str) -> list[tuple[object, ...]]:
        try:
            return self._con.execute(how + sql, [None] * _places(sql)).fetchall()
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise InputError(f"{error}, in: {' '.join(sql.split())[:80]}") from None

    def _columns(self, sql: str, table: str) -> Iterator[tuple[str, ...]]:
        """Yield what an index could have: one or two of the columns that the statement names."""
        named = {token.text.strip('"`[]').lower() for token in tokens(sql)}
        listed = self._con.execute(f"PRAGMA table_info({quote(table)})").fetchall()
        columns = [row[1] for row in listed if row[1].lower() in named][:_MOST_COLUMNS]
        yield from ((column,) for column in columns)
        yield from permutations(columns, 2)

    def _tried(self, sql: str, table: str, columns: tuple[str, ...]) -> BetterIndex | None:
        names = ", ".join(map(quote, columns))
        self._con.execute(f"CREATE INDEX {_TRIED} ON {quote(table)} ({names})")
        try:
            plan = self.plan(sql)
        finally:
            self._con.execute(f"DROP INDEX {_TRIED}")
        used = next((step for step in plan.steps if f"INDEX {_TRIED} (" in step), "")
        compared = re.findall(r"[(\s](\w+)([=<>])", used.partition(_TRIED)[2])
        if table in plan.scanned or len({name for name, _ in compared}) < len(columns):
            return None
        return BetterIndex(
            table, columns, tuple(name for name, sign in compared if sign == "="), plan
        )

    def _columns_of(self, index: str) -> tuple[str, ...]:
        rows = self._con.execute(f"PRAGMA index_info({quote(index)})").fetchall()
        names = tuple(row[2] for row in rows)
        return names if all(names) else ()


def _places(sql: str) -> int:
    """Return how many values a statement needs: `?` each one, `?3` at least three.

    >>> _places("SELECT ? , ?"), _places("SELECT ?2, ?1"), _places("SELECT '?'")
    (2, 2, 0)
    """
    highest = 0
    for token in tokens(sql):
        if token.kind == "parameter" and token.text.startswith("?"):
            highest = max(highest, int(token.text[1:])) if token.text[1:] else highest + 1
    return highest
