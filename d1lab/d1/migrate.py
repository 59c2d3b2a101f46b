"""Apply migrations by wrangler's convention, compatible with `wrangler d1 migrations apply`.

Files are named NNNN_name.sql and applied in that order; the table `d1_migrations` records each
file name. An app's table gets no triggers, and no index except a UNIQUE one that upserts need, if
none of its own keys covers the columns. A file only creates what does not exist, so it is harmless
twice; columns that a later version gave to a table of d1lab's own are added last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from d1lab.catalog import TABLES
from d1lab.d1.database import Database, Statement, quote
from d1lab.d1.schema import FOLDER, foreign, has_unique, indexes, missing_columns
from d1lab.d1.sql_tokens import added_to, statements
from d1lab.errors import D1QueryError, D1UnavailableError, InputError

# identical to wrangler's statement
_RECORD_TABLE = """CREATE TABLE IF NOT EXISTS d1_migrations(
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  name       TEXT UNIQUE,
  applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
)"""


def pending(db: Database, folder: Path | None = None) -> list[str]:
    """Return the names of the pending migrations, in order, then the missing columns.

    A column is named table.column. Only d1lab's own tables get columns, none of another folder.

    Raises:
        InputError: The folder has no migrations.
    """
    names = sorted(path.name for path in (folder or FOLDER).glob("[0-9]*.sql"))
    if not names:
        raise InputError(f"{folder} has no migrations (NNNN_name.sql)")
    applied = _applied(db)
    columns = missing_columns(db.tables()) if folder is None and applied else ()
    listed = [f"{table}.{column}" for table, column in columns]
    return [*(name for name in names if name not in applied), *listed]


def migrate(db: Database, folder: Path | None = None) -> list[str]:
    """Apply the pending migrations, each with its record in one transaction.

    Args:
        db: The database, opened for writing.
        folder: Migrations of somebody else, which are applied as they are; None for d1lab's own,
            which add nothing to an app's tables.

    Returns:
        The names of the migrations applied and of the columns added.

    Raises:
        D1QueryError: A migration failed; the message names it. Earlier ones stay applied.
    """
    wanted = pending(db, folder)
    names = [name for name in wanted if name.endswith(".sql")]
    if names:
        _apply(db, folder, names)
    return [*names, *(_add_columns(db) if folder is None else ())]


def _add_columns(db: Database) -> list[str]:
    """Add the columns that d1lab's own tables do not have yet, each in a transaction of its own."""
    added: list[str] = []
    for (table, column), kind in missing_columns(db.tables()).items():
        try:
            db.execute(f"ALTER TABLE {quote(table)} ADD COLUMN {quote(column)} {kind}", table=table)
        except (D1QueryError, D1UnavailableError):
            if (table, column) in missing_columns(db.tables()):  # not added by another process
                raise
        added.append(f"{table}.{column}")
    return added


def _apply(db: Database, folder: Path | None, names: list[str]) -> None:
    """Apply migrations by name, each with its record in one transaction."""
    theirs = _apps_own(db) if folder is None else {}  # another folder says what it wants
    extra = list(_missing_keys(db, theirs))
    db.execute(_RECORD_TABLE, idempotent=True)
    for name in names:
        script = ((folder or FOLDER) / name).read_text(encoding="utf-8")
        wanted = [Statement(sql) for sql in statements(script) if added_to(sql) not in theirs]
        record = Statement("INSERT INTO d1_migrations (name) VALUES (?1)", (name,))
        try:
            db.batch([*wanted, *extra, record])
            extra = []
        except (D1QueryError, D1UnavailableError) as error:
            if name in _applied(db):  # by another process, or only the answer was lost
                continue
            if isinstance(error, D1UnavailableError):
                raise
            message = f"migration {name} failed: {error}. Nothing of it was applied."
            raise D1QueryError(message, code=error.code, status=error.status) from error


def _applied(db: Database) -> set[str]:
    [listed] = db.batch([Statement("PRAGMA table_list", least_rows=1)])
    at = listed.columns.index("name")
    if "d1_migrations" not in {row[at] for row in listed.rows}:
        return set()
    return {str(row[0]) for row in db.query("SELECT name FROM d1_migrations").rows}


def _apps_own(db: Database) -> dict[str, set[str]]:
    """Return the app's tables and their columns, in lower case.

    A table with the name of a d1lab table but other columns is also the app's.
    """
    found = {name.lower(): info for name, info in db.tables().items()}
    others = foreign(found)
    return {
        name: {column.name.lower() for column in info.columns}
        for name, info in found.items()
        if name in others or name not in TABLES or TABLES[name].is_guides
    }


def _missing_keys(db: Database, theirs: Mapping[str, set[str]]) -> Iterator[Statement]:
    """Return the UNIQUE indexes that upserts need on app tables without a suitable key."""
    keys = {name.lower(): found for name, found in indexes(db).items()}
    for name in sorted(theirs.keys() & TABLES.keys()):
        table = TABLES[name]
        is_upserted = table.is_guides and table.write == "upsert" and theirs[name] >= {*table.key}
        if is_upserted and not has_unique(keys.get(name, ()), table.key):
            columns = ", ".join(map(quote, table.key))
            yield Statement(
                f"CREATE UNIQUE INDEX {quote(f'd1lab_{name}_key')} ON {quote(name)} ({columns})"
            )
