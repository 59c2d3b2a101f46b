"""Schemas: what the migrations make, piece by piece, and what indexes a database really has."""

from __future__ import annotations

import sqlite3
from functools import cache
from typing import Literal, NamedTuple

from d1lab.d1.database import Database
from d1lab.d1.migrate import FOLDER

_PIECES = """
SELECT type, tbl_name, name FROM sqlite_schema
WHERE type IN ('table', 'index', 'trigger') AND name NOT LIKE 'sqlite%'
UNION ALL
SELECT 'column', t.name, c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%'
"""

_INDEXES = """
SELECT t.name, l.name, l."unique" AND NOT l.partial, i.name
FROM sqlite_schema AS t, pragma_index_list(t.name) AS l, pragma_index_info(l.name) AS i
WHERE t.type = 'table' AND t.name NOT LIKE '\\_cf\\_%' ESCAPE '\\'
ORDER BY t.name, l.name, i.seqno
"""


class Piece(NamedTuple):
    """Something that a migration makes."""

    kind: Literal["table", "column", "index", "trigger"]
    table: str
    name: str


class Index(NamedTuple):
    """An index of a table. `unique` holds for the whole table: a partial index is not unique."""

    name: str
    unique: bool
    columns: tuple[str, ...]


@cache
def declared() -> dict[Piece, str]:
    """Each piece that the migrations make, with the migration's file name.

    The migrations are applied one by one to an empty database in memory, so that no SQL needs to
    be parsed.

    >>> declared()[Piece("column", "inventory_impact", "source")]
    '0005_analysis_columns.sql'
    """
    pieces: dict[Piece, str] = {}
    connection = sqlite3.connect(":memory:")
    try:
        for path in sorted(FOLDER.glob("[0-9]*.sql")):
            connection.executescript(path.read_text(encoding="utf-8"))
            for row in connection.execute(_PIECES):
                pieces.setdefault(Piece(*row), path.name)
    finally:
        connection.close()
    return pieces


def indexes(db: Database) -> dict[str, tuple[Index, ...]]:
    """The indexes of every table, primary keys that SQLite keeps as an index among them.

    A column of an index on an expression is named ''.
    """
    found: dict[str, dict[str, Index]] = {}
    for table, name, unique, column in db.query(_INDEXES).rows:
        known = found.setdefault(str(table), {})
        before = known[str(name)].columns if str(name) in known else ()
        known[str(name)] = Index(str(name), bool(unique), (*before, str(column or "")))
    return {table: tuple(known.values()) for table, known in found.items()}


def has_unique(indexes: tuple[Index, ...], columns: tuple[str, ...]) -> bool:
    """Whether a UNIQUE index on just these columns, in any order, is among `indexes`."""
    wanted = {column.lower() for column in columns}
    return any(
        index.unique and {column.lower() for column in index.columns} == wanted for index in indexes
    )
