"""The first migration, held against the database of the guide's own app."""

from __future__ import annotations

from pathlib import Path

from d1lab.catalog import TABLES
from d1lab.d1.database import Statement
from d1lab.d1.migrate import migrate
from d1lab.d1.sql_tokens import statements
from d1lab.d1.sqlite import SqliteDatabase
from tests.support.outside import guide_app
from tests.support.schema import shape

SCHEMA = guide_app() / "schema.sql"


def test_migrate_makes_the_guides_tables_as_they_are(tmp_path: Path) -> None:
    """Columns, order, types, defaults and indexes of the guide's app, and nothing of ours."""
    db = SqliteDatabase.create(tmp_path / "d1.sqlite")
    migrate(db)
    theirs = SqliteDatabase.create(tmp_path / "theirs.sqlite")
    theirs.batch([Statement(sql) for sql in statements(SCHEMA.read_text())])
    guides = {name for name, table in TABLES.items() if table.is_guides}
    assert guides == set(theirs.tables())
    assert {name: shape(db, name) for name in guides} == {
        name: shape(theirs, name) for name in guides
    }
    db.close()
    theirs.close()
