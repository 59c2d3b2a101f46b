"""Read a database's schema with the PRAGMAs that D1 allows."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from d1lab.catalog import TABLES
from d1lab.d1.database import (
    ROWID_NAMES,
    ColumnInfo,
    Database,
    ForeignKey,
    Statement,
    TableInfo,
    UniqueIndex,
    Value,
    quote,
)
from d1lab.errors import D1UnavailableError

FOLDER = Path(__file__).parent / "migrations"
"""The folder of the migrations (NNNN_name.sql)."""

_OBJECTS = """
SELECT type, tbl_name, name FROM sqlite_schema
WHERE type IN ('table', 'index', 'trigger') AND name NOT LIKE 'sqlite%'
UNION ALL
SELECT 'column', t.name, c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%'
"""

INDEXES = Statement("""
SELECT t.name, l.name, l."unique" AND NOT l.partial, i.name
FROM sqlite_schema AS t, pragma_index_list(t.name) AS l, pragma_index_info(l.name) AS i
WHERE t.type = 'table' AND t.name NOT LIKE '\\_cf\\_%' ESCAPE '\\'
ORDER BY t.name, l.name, i.seqno
""")


class SchemaObject(NamedTuple):
    """A schema object created by a migration."""

    kind: Literal["table", "column", "index", "trigger"]
    table: str
    name: str


class Index(NamedTuple):
    """An index of a table. `unique` refers to the whole table: a partial index is not unique."""

    name: str
    unique: bool
    columns: tuple[str, ...]


@cache
def declared() -> dict[SchemaObject, str]:
    """Return each schema object that the migrations create, with the migration's file name.

    The migrations are applied one by one to an empty in-memory database, so no SQL is parsed.

    >>> declared()[SchemaObject("column", "d1lab_customer_scores", "r_score")]
    '0004_customer_scores.sql'
    """
    objects: dict[SchemaObject, str] = {}
    connection = sqlite3.connect(":memory:")
    try:
        for path in sorted(FOLDER.glob("[0-9]*.sql")):
            connection.executescript(path.read_text(encoding="utf-8"))
            for row in connection.execute(_OBJECTS):
                objects.setdefault(SchemaObject(*row), path.name)
    finally:
        connection.close()
    return objects


def indexes(db: Database) -> dict[str, tuple[Index, ...]]:
    """Return the indexes of every table, including primary keys that SQLite stores as an index.

    An indexed expression is a column named ''.
    """
    found: dict[str, dict[str, Index]] = {}
    for table, name, unique, column in db.query(INDEXES.sql).rows:
        known = found.setdefault(str(table), {})
        before = known[str(name)].columns if str(name) in known else ()
        known[str(name)] = Index(str(name), bool(unique), (*before, str(column or "")))
    return {table: tuple(known.values()) for table, known in found.items()}


def has_unique(indexes: tuple[Index, ...], columns: tuple[str, ...]) -> bool:
    """Whether `indexes` has a UNIQUE index on exactly these columns, in any order."""
    wanted = {column.lower() for column in columns}
    return any(
        index.unique and {column.lower() for column in index.columns} == wanted for index in indexes
    )


@cache
def _required() -> dict[str, tuple[str, ...]]:
    """Return the columns that identify each d1lab table: those that are never NULL."""
    connection = sqlite3.connect(":memory:")
    try:
        for path in sorted(FOLDER.glob("[0-9]*.sql")):
            connection.executescript(path.read_text(encoding="utf-8"))
        sql = 'SELECT name FROM pragma_table_info(?) WHERE "notnull" OR pk'
        return {
            name: tuple(column for (column,) in connection.execute(sql, (name,)))
            for name, table in TABLES.items()
            if not table.is_guides
        }
    finally:
        connection.close()


def foreign(found: Mapping[str, TableInfo]) -> dict[str, tuple[str, ...]]:
    """Return app tables with the name of a d1lab table, each with the missing d1lab columns.

    d1lab does not write or change them, and pulls them as `app_NAME`.

    Args:
        found: Tables by name, as spelled in the catalog or the database.
    """
    lacking: dict[str, tuple[str, ...]] = {}
    for name, info in found.items():
        present = {column.name.lower() for column in info.columns}
        wanted = _required().get(name.lower(), ())
        if absent := tuple(column for column in wanted if column not in present):
            lacking[name] = absent
    return lacking


@cache
def _optional() -> dict[str, dict[str, str]]:
    """Return the declared type of each nullable column of the d1lab tables."""
    connection = sqlite3.connect(":memory:")
    try:
        for path in sorted(FOLDER.glob("[0-9]*.sql")):
            connection.executescript(path.read_text(encoding="utf-8"))
        sql = 'SELECT name, type FROM pragma_table_info(?) WHERE NOT "notnull" AND NOT pk'
        ours = (name for name, table in TABLES.items() if not table.is_guides)
        return {name: dict(connection.execute(sql, (name,))) for name in ours}
    finally:
        connection.close()


def missing_columns(found: Mapping[str, TableInfo]) -> dict[tuple[str, str], str]:
    """Return the columns that d1lab's own tables do not have yet, with their declared types.

    An earlier version made these tables; `CREATE TABLE IF NOT EXISTS` leaves them as they are.

    Args:
        found: Tables by name, as spelled in the database.
    """
    apps = foreign(found)
    return {
        (name, column): kind
        for name, info in found.items()
        if name not in apps
        for column, kind in _optional().get(name.lower(), {}).items()
        if column not in {present.name.lower() for present in info.columns}
    }


_OURS = ("_cf_", "sqlite_")
_UNLISTED = {"d1_migrations", "d1lab_requests"}  # of wrangler; of the gateway
_PRAGMAS = {"table_xinfo": 1, "index_list": 0, "foreign_key_list": 0}  # with their least rows
_LIST = Statement("PRAGMA table_list", least_rows=1)
_PER_BATCH = 25  # tables, with a statement for each of these
_LISTED = {"schema", "name", "type", "wr"}  # columns of the list of tables that are read
_HIDDEN = 1  # in table_xinfo: a column of a virtual table that `SELECT *` skips


def affinity(declared: str) -> str:
    """Return SQLite's affinity of a declared type (sqlite.org/datatype3.html, section 3.1).

    >>> affinity("DECIMAL(10,2)"), affinity("VARCHAR(5)"), affinity("POINT")
    ('NUMERIC', 'TEXT', 'INTEGER')
    """
    name = declared.upper()
    if "INT" in name:
        return "INTEGER"
    if any(part in name for part in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if "BLOB" in name or not name:
        return "BLOB"
    if any(part in name for part in ("REAL", "FLOA", "DOUB")):
        return "REAL"
    return "NUMERIC"


def read_tables(database: Database, only: Collection[str] | None = None) -> dict[str, TableInfo]:
    """Return the user's tables by name.

    Excludes internal tables of D1 and SQLite, `d1_migrations`, the gateway's record of writes, and
    shadow tables of virtual tables.

    Args:
        database: The database.
        only: Names of tables, in any case; None for all.

    Raises:
        D1UnavailableError: A list is incomplete: every database lists `sqlite_schema`, every table
            has a column.
    """
    wanted = None if only is None else {name.lower() for name in only}
    [listed] = database.batch([_LIST])
    if missing := _LISTED - set(listed.columns):
        raise D1UnavailableError(f"the list of tables has no {', '.join(sorted(missing))}")
    at = {name: position for position, name in enumerate(listed.columns)}
    found = sorted(
        (str(row[at["name"]]), not row[at["wr"]])
        for row in listed.rows
        if row[at["schema"]] == "main"
        and row[at["type"]] in ("table", "virtual")
        and _is_users(str(row[at["name"]]))
        and (wanted is None or str(row[at["name"]]).lower() in wanted)
    )
    described: dict[str, TableInfo] = {}
    for start in range(0, len(found), _PER_BATCH):
        some = found[start : start + _PER_BATCH]
        asked = [statement for name, _ in some for statement in _describing(name)]
        answers = iter([answer.rows for answer in database.batch(asked)])
        for name, has_rowid in some:
            listed_columns, indexes, keys = next(answers), next(answers), next(answers)
            refers = _references(keys)
            columns = tuple(_column(row, refers) for row in listed_columns if row[6] != _HIDDEN)
            rowid_column = _rowid_column(columns, indexes) if has_rowid else None
            info = TableInfo(name, columns, has_rowid, rowid_column)
            described[name] = _without_rowid(database, info) if _hides_rowid(info) else info
    return described


def schema_statements(tables: Iterable[str]) -> list[Statement]:
    """Return the statements that `read_tables` sends if the database has these tables."""
    return [_LIST, *(statement for name in tables for statement in _describing(name))]


def _describing(table: str) -> list[Statement]:
    return [
        Statement(f"PRAGMA {pragma}({quote(table)})", least_rows=least)
        for pragma, least in _PRAGMAS.items()
    ]


def _hides_rowid(table: TableInfo) -> bool:
    """Whether the table's columns use every name of the rowid."""
    taken = {column.name.lower() for column in table.columns}
    return table.has_rowid and table.rowid_column is None and taken.issuperset(ROWID_NAMES)


def _without_rowid(database: Database, table: TableInfo) -> TableInfo:
    """Use a unique index on columns that are never NULL to read such a table, if there is one."""
    index = unique_index(database, table)
    return table._replace(has_rowid=False, read_by=index, is_unpaged=index is None)


def unique_index(db: Database, table: TableInfo) -> UniqueIndex | None:
    """Return an index that has every row of a table once, on columns that are never NULL.

    Uses PRAGMAs only, which D1 does not bill.
    """
    filled = {column.name.lower(): column.name for column in table.columns if column.not_null}
    for _, name, unique, _, partial in db.query(f"PRAGMA index_list({quote(table.name)})").rows:
        if not unique or partial:
            continue
        listed = db.query(f"PRAGMA index_info({quote(str(name))})").rows
        columns = [str(column or "").lower() for _, _, column in listed]
        if all(column in filled for column in columns):
            return UniqueIndex(str(name), tuple(filled[column] for column in columns))
    return None


def _references(rows: Sequence[Sequence[Value]]) -> dict[str, ForeignKey]:
    """Return the foreign key of each column, by its name in lower case."""
    return {str(row[3]).lower(): ForeignKey(str(row[2]), str(row[4] or "")) for row in rows}


def _rowid_column(columns: Sequence[ColumnInfo], indexes: Sequence[Sequence[Value]]) -> str | None:
    """Return the column that is the rowid's alias (sqlite.org/lang_createtable.html, section 5).

    INTEGER PRIMARY KEY DESC is not an alias: SQLite stores a separate index for such a key.
    """
    keys = [column for column in columns if column.key_position]
    if len(keys) != 1 or keys[0].declared.upper() != "INTEGER":
        return None
    return None if any(origin == "pk" for _, _, _, origin, *_ in indexes) else keys[0].name


def _is_users(name: str) -> bool:
    return not name.startswith(_OURS) and name not in _UNLISTED


def _column(row: tuple[Value, ...], refers: Mapping[str, ForeignKey]) -> ColumnInfo:
    _, name, declared, not_null, _, key_position, *_ = row
    return ColumnInfo(
        str(name),
        str(declared or ""),
        affinity(str(declared or "")),
        bool(not_null),
        int(key_position or 0),
        refers.get(str(name).lower()),
    )
