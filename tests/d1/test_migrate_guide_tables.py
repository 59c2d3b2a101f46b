"""The first migration compared with the database of the guide's own app."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from d1lab.catalog import TABLES
from d1lab.d1 import open_database
from d1lab.d1.database import Statement
from d1lab.d1.migrate import migrate
from d1lab.d1.sql_tokens import statements
from d1lab.d1.sqlite import SqliteDatabase
from tests.support.outside import guide_app
from tests.support.schema import shape
from tests.support.workerd import Engine

SCHEMA = guide_app() / "schema.sql"
PREPARED = re.compile(r"prepare\(\s*`(.*?)`\s*\)(?:\s*\.bind\((.*?)\))?", re.DOTALL)
BOUND = {
    "shop": "harbor",
    "discountId": "spring",
    "sku": "SOCK",
    "amount": 2.5,
    "at": "2026-05-01T10:00:00Z",
}


def test_migrate_creates_the_guides_tables_as_they_are(tmp_path: Path) -> None:
    """Columns, order, types, defaults, and indexes are those of the guide's app, with nothing
    added.
    """
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


def statements_of_the_app() -> Iterator[Statement]:
    """Every statement in the guide's functions, with values for its parameters."""
    worker = (guide_app() / "worker.js").read_text()
    for sql, bound in PREPARED.findall(worker):
        names = [name.strip().rpartition(".")[2] for name in bound.split(",") if name.strip()]
        yield Statement(sql, tuple(BOUND[name] for name in names))


def billed(url: str, *, migrated: bool) -> list[int]:
    """Return the rows written by each statement of the app, run twice: at a first use and at a
    second.
    """
    with closing(open_database(url)) as db:
        db.batch([Statement(sql) for sql in statements(SCHEMA.read_text())])
        if migrated:
            migrate(db)
        asked = list(statements_of_the_app())
        return [result.usage.rows_written for _ in "ab" for result in db.batch(asked)]


def test_every_statement_of_the_guide_works_and_bills_the_same(engine: Engine) -> None:
    """Upserts, the dashboard, retention with SELECT *, and monitoring work as without d1lab."""
    before = billed(engine.fresh(), migrated=False)
    assert len(before) == 2 * 7
    assert sum(before) > 0
    assert billed(engine.fresh(), migrated=True) == before
