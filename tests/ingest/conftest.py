"""An empty embedded D1 with d1lab's schema, and events to load."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import D1UnavailableError


@pytest.fixture
def db(tmp_path: Path) -> Iterator[SqliteDatabase]:
    database = SqliteDatabase.create(tmp_path / "d1.sqlite")
    migrate(database)
    yield database
    database.close()


class Dying:
    """A database that fails at its n-th write, as if the process were killed."""

    def __init__(self, db: SqliteDatabase, writes: int) -> None:
        self._db, self._left = db, writes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def batch(self, statements: Any, **how: Any) -> Any:
        if self._left == 0:
            raise D1UnavailableError("killed")
        self._left -= 1
        return self._db.batch(statements, **how)


@pytest.fixture(scope="session")
def dying() -> type[Dying]:
    """Create a database that fails: `dying(db, writes=2)`."""
    return Dying
