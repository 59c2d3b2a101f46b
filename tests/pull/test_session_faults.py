"""Pulls over HTTP with responses that are truncated, malformed, or of another database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import stamina

from d1lab.d1.transport import ATTEMPTS
from d1lab.errors import D1UnavailableError, DroppedTablesError
from d1lab.pull import pull
from d1lab.warehouse import open_warehouse
from tests.pull.conftest import add_events
from tests.support.d1_api import D1Api, Fault, over_http

pytestmark = pytest.mark.usefixtures("few_views")


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """Retries happen without a delay."""
    with stamina.set_testing(True, attempts=ATTEMPTS, cap=True):
        yield


def _content(folder: Path) -> list[tuple[Any, ...]]:
    with open_warehouse(folder) as con:
        return con.sql("SELECT table_name, rows, digest FROM d1lab.tables ORDER BY 1").fetchall()


def _gutted(envelope: dict[str, Any], results: object) -> httpx2.Response:
    """Return the same response with other `results` in each of its parts."""
    listed = envelope["result"]
    if not isinstance(listed, list):
        return httpx2.Response(200, json=envelope | {"result": results})
    return httpx2.Response(
        200, json=envelope | {"result": [part | {"results": results} for part in listed]}
    )


def _gutting(results: object, *, since: int = 0, only: int | None = None) -> Fault:
    """Replace the results of one request, or of all from that one on."""

    def fault(number: int, _: httpx2.Request, found: dict[str, Any]) -> httpx2.Response | None:
        is_hit = number >= since if only is None else number == only
        return _gutted(found, results) if is_hit else None

    return fault


MISSHAPEN = (None, {}, {"columns": [], "rows": []}, {"columns": ["a"]})


@pytest.mark.long
def test_missing_results_at_any_request_change_nothing(file, folder):
    """One damaged response to any request is retried; if all are, the warehouse is unchanged."""
    add_events(file, 0, 300)
    api = D1Api(file)
    pull(over_http(api), folder, database="x")
    before, requests = _content(folder), api.requests
    for number in range(requests):
        api = D1Api(file, _gutting(MISSHAPEN[number % len(MISSHAPEN)], only=number))
        pull(over_http(api), folder, database="x", full=True)
        assert _content(folder) == before
    assert requests >= 5
    add_events(file, 300, 1)
    for results in MISSHAPEN:
        api = D1Api(file, _gutting(results, since=1))
        with pytest.raises(D1UnavailableError):
            pull(over_http(api), folder, database="x")
        assert _content(folder) == before


def test_a_batch_without_its_row_is_read_again(file, folder):
    """D1 packs a batch into one row, so a response without it is incomplete, not empty."""
    add_events(file, 0, 300)

    def drop_the_row(number: int, request: httpx2.Request, found: dict) -> httpx2.Response | None:
        if b"json_group_array" not in request.content or number in seen:
            return None
        seen.update(range(number, number + 2))
        found["result"][0]["results"]["rows"] = []
        return httpx2.Response(200, json=found)

    seen: set[int] = set()
    pull(over_http(D1Api(file, drop_the_row)), folder, database="x")
    assert seen
    assert ("order_events", 300) in [row[:2] for row in _content(folder)]


def test_a_damaged_batch_is_never_kept(file, folder):
    """Columns of different lengths and invalid JSON make the pull fail, and nothing is lost."""
    add_events(file, 0, 300)
    pull(over_http(D1Api(file)), folder, database="x")
    before = _content(folder)
    damaged = []

    def damage(number: int, request: httpx2.Request, found: dict) -> httpx2.Response | None:
        if b"json_group_array" not in request.content:
            return None
        found["result"][0]["results"]["rows"][0][0] = damaged[-1]
        return httpx2.Response(200, json=found)

    add_events(file, 300, 10)
    for cell in ("[1, 2", "[]", "[1]", "5", "null", '["a"]'):
        damaged.append(cell)
        with pytest.raises(D1UnavailableError, match="damaged"):
            pull(over_http(D1Api(file, damage)), folder, database="x", full=True)
        assert _content(folder) == before
    pull(over_http(D1Api(file)), folder, database="x")
    assert ("order_events", 310) in [row[:2] for row in _content(folder)]


def test_tables_with_rows_are_not_dropped_without_the_option(db, folder):
    """A list without them suggests another database; the option accepts it."""
    db.execute("CREATE TABLE extra (id INTEGER PRIMARY KEY, a TEXT)")
    db.execute("CREATE TABLE vacant (id INTEGER PRIMARY KEY)")
    db.execute("INSERT INTO extra VALUES (1, 'x')")
    add_events(db, 0, 5)
    pull(db, folder, database="x")
    db.execute("DROP TABLE vacant")
    pull(db, folder, database="x", full=True)
    before = _content(folder)
    db.execute("DROP TABLE extra")
    db.execute("DROP TABLE order_events")
    with pytest.raises(DroppedTablesError, match=r"extra \(1 row\)"):
        pull(db, folder, database="x")
    assert _content(folder) == before
    with pytest.raises(DroppedTablesError, match=r"lists tables .* order_events \(5 rows\)\. "):
        pull(db, folder, database="x", tables=["order_events"])
    pull(db, folder, database="x", tables=["customer_insights"])
    pull(db, folder, database="x", accept_dropped=True)
    rows = {row[0]: row[1] for row in _content(folder)}
    assert rows["order_events"] == 0
    assert "extra" not in rows


def test_a_note_of_a_write_that_cannot_be_read_stops_no_pull(file, folder, caplog):
    """All tables are read again, and then the note is deleted."""
    add_events(file, 0, 5)
    file.execute("INSERT INTO customer_insights (shop, customer_id) VALUES ('s', 'a')")
    pull(file, folder, database="x")
    note = folder / "written" / "1-half.json"
    note.parent.mkdir(exist_ok=True)
    note.write_text('{"url": ')
    add_events(file, 5, 1)
    assert "customer_insights" in pull(file, folder, database="x").by_table
    assert str(note) in caplog.text
    assert not note.exists()
