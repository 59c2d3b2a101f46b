"""An empty embedded D1 with our schema, and events to put into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    """A database that dies before its n-th write."""

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
    """Makes a database that dies: `dying(db, writes=2)`."""
    return Dying


@pytest.fixture(scope="session")
def event() -> Callable[..., dict[str, Any]]:
    """Makes a valid order event: `event(7, sku="HAT")`."""
    return _event


def _event(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "shop": "harbor",
        "event_id": f"e{number}",
        "type": "order",
        "order_id": f"o{number}",
        "customer_id": "ada",
        "sku": "SOCK",
        "quantity": 2,
        "list_price": 10,
        "discount_id": "spring",
        "discount_code": "SPRING10",
        "discount_type": "percentage",
        "discount_amount": 2,
        "revenue": 18,
        "occurred_at": "2026-05-01 10:00:00",
        **fields,
    }
