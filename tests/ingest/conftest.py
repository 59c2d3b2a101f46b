"""An empty embedded D1 with our schema, and events to put into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase


@pytest.fixture
def db(tmp_path: Path) -> Iterator[SqliteDatabase]:
    database = SqliteDatabase.create(tmp_path / "d1.sqlite")
    migrate(database)
    yield database
    database.close()


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
