"""Migrations in wrangler's convention, so that `wrangler d1 migrations apply` and d1lab agree.

Files are named NNNN_name.sql and applied in that order; the table `d1_migrations` records each
by its file name.
"""

from __future__ import annotations

from pathlib import Path

from d1lab.d1.database import Database, Statement, quote
from d1lab.d1.sql_tokens import bare, statements, tokens
from d1lab.errors import D1QueryError, InputError

FOLDER = Path(__file__).parent / "migrations"

# exactly wrangler's own statement
_RECORD_TABLE = """CREATE TABLE IF NOT EXISTS d1_migrations(
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  name       TEXT UNIQUE,
  applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
)"""


def pending(db: Database, folder: Path | None = None) -> list[str]:
    """The names of the migrations that the database does not have yet, in their order.

    Raises:
        InputError: The folder holds no migrations.
    """
    names = sorted(path.name for path in (folder or FOLDER).glob("[0-9]*.sql"))
    if not names:
        raise InputError(f"{folder} holds no migrations (NNNN_name.sql)")
    applied = _applied(db)
    return [name for name in names if name not in applied]


def migrate(db: Database, folder: Path | None = None) -> list[str]:
    """Apply the pending migrations: each with its record in one transaction.

    A column that a table already has is not added again: an app's database may have grown some of
    ours by another way, and SQLite knows no ADD COLUMN IF NOT EXISTS.

    Returns:
        The names of the migrations applied.

    Raises:
        D1QueryError: A migration fails; the message names it. Those before it stay applied.
    """
    names = pending(db, folder)
    if names:
        db.execute(_RECORD_TABLE, idempotent=True)
    for name in names:
        script = ((folder or FOLDER) / name).read_text(encoding="utf-8")
        record = Statement("INSERT INTO d1_migrations (name) VALUES (?1)", (name,))
        try:
            db.batch([*_missing(db, script), record])
        except D1QueryError as error:
            message = f"migration {name} failed: {error}. Nothing of it was applied."
            raise D1QueryError(message, code=error.code, status=error.status) from error
    return names


def _applied(db: Database) -> set[str]:
    listed = db.query("PRAGMA table_list")
    at = listed.columns.index("name")
    if "d1_migrations" not in {row[at] for row in listed.rows}:
        return set()
    return {str(row[0]) for row in db.query("SELECT name FROM d1_migrations").rows}


def _missing(db: Database, script: str) -> list[Statement]:
    """The statements of a migration without the columns that are there already."""
    kept, known = [], {}
    for sql in statements(script):
        table, column = _added_column(sql)
        if table and table not in known:
            known[table] = _columns(db, table)
        if not table or column not in known[table]:
            kept.append(Statement(sql))
    return kept


def _added_column(sql: str) -> tuple[str, str]:
    """Table and column of an `ALTER TABLE t ADD [COLUMN] c ...`, in small letters; else empty."""
    words = [token.text for _, token in zip(range(6), tokens(sql), strict=False)]
    capitals = [word.upper() for word in words]
    if capitals[:2] != ["ALTER", "TABLE"] or capitals[3:4] != ["ADD"]:
        return "", ""
    column = words[5] if capitals[4] == "COLUMN" else words[4]
    return bare(words[2]).lower(), bare(column).lower()


def _columns(db: Database, table: str) -> set[str]:
    return {str(row[1]).lower() for row in db.query(f"PRAGMA table_xinfo({quote(table)})").rows}
