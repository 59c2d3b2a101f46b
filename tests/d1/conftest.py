"""Databases of each kind, for tests that hold for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina

from d1lab.d1 import Database, open_database
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.d1.transport import ATTEMPTS
from tests.support.worker_database import READER, WRITER, WorkerDatabase


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """Retries happen without a delay."""
    with stamina.set_testing(True, attempts=ATTEMPTS, cap=True):
        yield


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[SqliteDatabase]:
    """An empty embedded database."""
    database = SqliteDatabase.create(tmp_path / "d1.sqlite")
    yield database
    database.close()


@pytest.fixture(
    params=[
        "embedded",
        pytest.param("engine", marks=pytest.mark.engine),
        pytest.param("gateway", marks=[pytest.mark.engine, pytest.mark.long]),
    ]
)
def writable(request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty database that can be written to: embedded, in the real engine, by the gateway."""
    if request.param == "embedded":
        yield request.getfixturevalue("embedded")
        return
    worker = WorkerDatabase(request.getfixturevalue("engine"))
    url = worker.gateway if request.param == "gateway" else worker.url
    database = open_database(url, read_token=READER, write_token=WRITER)
    yield database
    database.close()
