"""Databases of each kind, for the cases that hold for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from d1lab.d1 import Database
from d1lab.d1.sqlite import SqliteDatabase


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[SqliteDatabase]:
    """An empty embedded database."""
    database = SqliteDatabase.create(tmp_path / "d1.sqlite")
    yield database
    database.close()


@pytest.fixture
def writable(embedded: SqliteDatabase) -> Database:
    """An empty database that can be written to."""
    return embedded
